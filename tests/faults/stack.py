"""The production shape without containers: the processes of docker-compose.yml on a real PostgreSQL and a real Valkey.

Every connection of the web, the workers and beat to database and broker, and of all of them to the cluster, goes
through a wire of its own, so that a test may freeze, cut or unplug exactly that one.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
from ruamel.yaml import YAML

from audit.models import Entry
from tests.faults import checker, compose
from tests.faults.brokers import Valkey
from tests.faults.browsing import HF_TOKEN, Person, http_client
from tests.faults.checker import ClusterSnapshot, DatabaseSnapshot, Sightings, Wish
from tests.faults.databases import PASSWORD, Postgres
from tests.faults.observing import Observer, Truth
from tests.faults.processes import LIMIT_S, Process, wait_until
from tests.wires import Wire

HOST = "127.0.0.1"
# A third of the defaults: what is waited for is shorter, in the same order.
TIMES = {
    "KAITOWEB_LEASE_S": "3",
    "KAITOWEB_OPERATION_STALE_S": "3",
    "KAITOWEB_DISPATCH_AFTER_S": "1",
}
MOST_SHOWN = 12  # violations
RESTS_S = 1.0
LATE_S = 8.0  # invariant I3 says 2; a loaded machine is given four times that
BEHIND_TLS = {"X-Forwarded-Proto": "https"}
PROGRAM = ("web", "worker-1", "worker-2", "beat")
STATIC = ("python", "manage.py", "collectstatic", "--noinput", "-v0")  # as the image is built
WORKERS = ("worker-1", "worker-2")


class Stack:
    """`url` is the web's. Made by running(); heal() brings back whatever a test has broken."""

    def __init__(
        self, folder: Path, *, speed: float, options: dict[str, str] | None = None
    ) -> None:
        self.folder, self._options, self._exits = folder, options or {}, ExitStack()
        self.processes: dict[str, Process] = {}
        self.wires: dict[str, dict[str, Wire]] = {name: {} for name in PROGRAM}
        self.people: list[Person] = []
        self.observers: dict[str, Observer] = {}
        self.faults: list[tuple[float, float]] = []
        self.outside: set[str] = set()
        self._canaries = self._write_secrets()
        self.postgres = Postgres(folder / "postgres", free_port())
        self.valkey = self._made_valkey("valkey")
        self.sandbox = self._made_sandbox(speed)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    # Life

    def start(self) -> Stack:
        self._exits.callback(self._end)
        self.postgres.create()
        self.valkey.start()
        self.sandbox.start()
        self._connect_wires()
        for name, words in (("static", STATIC), ("migrate", ())):
            self._made_process(name, "migrate", *words).run()
        self.api_wire = self._wire(self._sandbox_port())
        self._connect_cluster()
        self.truth = Truth(self.api_url, self.admin_token, self.api_context).start()
        for name in PROGRAM:
            self.processes[name] = self._made_process(name, name.partition("-")[0]).start()
        self.wait_healthy()
        return self

    def close(self) -> None:
        self._exits.close()

    def _end(self) -> None:
        for observer in self.observers.values():
            observer.stop()
        for person in self.people:
            person.client.close()
        if truth := getattr(self, "truth", None):
            truth.stop()
        self.valkey.client.close()
        for process in (*self.processes.values(), self.sandbox, self.valkey.process):
            process.kill()
        self.postgres.crash()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        self.processes[name].kill(number)

    def restart(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].start()

    def heal(self) -> None:
        """Every process lives, every wire carries, the program is healthy."""
        for name, process in self.processes.items():
            if not process.lives:
                process.start()
            process.go_on()
            for wire in self.wires[name].values():
                _mend(wire)
        _mend(self.api_wire)
        if not self.postgres.process.lives:
            self.postgres.start()
        if not self.valkey.process.lives:
            self.valkey.start()
        self.wait_healthy()

    def wait_healthy(self) -> None:
        def is_healthy() -> bool:
            ended = [p for p in self.processes.values() if not p.lives]
            assert not ended, f"{ended[0].name} has ended: {ended[0].text()[-1500:]}"
            return self._troubles() == ""

        wait_until(is_healthy, what="healthy")

    def _troubles(self) -> str:
        if self.leader() is None:
            return "nobody watches the cluster"
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self.url}/readyz", headers=BEHIND_TLS, timeout=5, trust_env=False)
            return "" if answer.status_code == 200 else answer.text
        return "the web does not answer"

    @contextmanager
    def fault(self) -> Iterator[None]:
        """While it lasts, and until the program has caught up, pages may be late."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.heal()
            self.settle()
            self.faults.append((begun, time.monotonic()))

    def begin(self) -> None:
        """What was seen before was judged before; the last sightings stay, since no page may step back."""
        self.faults.clear()
        for person in self.people:
            person.client.close()
        self.people.clear()
        for observer in self.observers.values():
            del observer.sightings[:-1], observer.answers[:]
        assert not self.truth.objects()

    def clear(self) -> None:
        """An administrator removes every workspace."""
        uids = {change.uid for change in self.truth.objects().values()}
        self.outside |= uids
        self.truth.remove_all()
        self.settle()

    @contextmanager
    def workers_asleep(self) -> Iterator[None]:
        """While it lasts, what is asked for waits in the queue."""
        for name in WORKERS:
            self.processes[name].stop()
        try:
            yield
        finally:
            for name in WORKERS:
                self.processes[name].go_on()

    @contextmanager
    def sending(self, person: Person, form: dict[str, str]) -> Iterator[None]:
        """The form is under way while the block runs; no answer is expected."""

        def send() -> None:
            with suppress(httpx.HTTPError):
                person.deploy(form["name"], form)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            thread.join(LIMIT_S)

    @contextmanager
    def second_valkey(self) -> Iterator[tuple[Valkey, Wire]]:
        """A replica of the broker, and the wire that it follows over. Whichever is in use at the end stays."""
        made = self._made_valkey(f"valkey-{free_port()}").start()
        first = self.valkey
        with Wire((HOST, first.port)) as link:
            made.follow(link.address[1])
            yield made, link
        for server in {first, made} - {self.valkey}:
            server.stop()

    def use_valkey(self, server: Valkey) -> None:
        """As a name that now leads to another address."""
        self.valkey = server
        self._lead("valkey", server.port)

    @contextmanager
    def second_postgres(self) -> Iterator[tuple[Postgres, Wire]]:
        """A replica of the database, as second_valkey()."""
        port, first = free_port(), self.postgres
        made = Postgres(self.folder / f"postgres-{port}", port)
        with Wire((HOST, first.port)) as link:
            made.follow(link.address[1])
            yield made, link
        for server in {first, made} - {self.postgres}:
            server.crash()

    def use_postgres(self, server: Postgres) -> None:
        self.postgres = server
        self._lead("postgres", server.port)

    def replicated(self, replica: Postgres) -> bool:
        """Whether the replica has all that the primary has."""
        [behind] = self.postgres.rows("SELECT pg_current_wal_lsn()::text AS lsn")
        [ahead] = replica.rows("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AS ok", behind["lsn"])
        return bool(ahead["ok"])

    def _lead(self, server: str, port: int) -> None:
        for wires in self.wires.values():
            wires[server].target = (HOST, port)
            wires[server].cut()

    # Asking

    def sign_in(self, name: str = "admin") -> Person:
        if name != "admin":
            self._copy_admin(name)
        self.people.append(self._signed_in(name))
        return self.people[-1]

    def _signed_in(self, name: str) -> Person:
        return Person(http_client(self.url)).sign_in(name, self.admin_password)

    def observe(self, name: str = "observer") -> Observer:
        """Somebody who looks from now on, with a session of his own."""
        if name not in self.observers:
            person = self._signed_in("admin")
            listening = http_client(self.url, timeout_s=25)
            listening.cookies.update(person.client.cookies)
            self.observers[name] = Observer(person.client, listening=listening).start()
        return self.observers[name]

    def wishes(self, where: str = "true", *values: object) -> list[dict]:
        return self.postgres.rows(
            f"SELECT * FROM workspaces_operation WHERE {where} ORDER BY created_at", *values
        )

    def wish(self, mark: str) -> dict:
        """The one of this id, or of the form with this key."""
        return self.wishes("%s IN (id::text, idempotency_key)", mark)[0]

    def wait_ended(self, *marks: str, limit_s: float = LIMIT_S) -> list[dict]:
        """These wishes, once each has ended."""
        wait_until(
            lambda: all(self.wish(mark)["status"] in checker.FINAL for mark in marks),
            limit_s=limit_s,
            what="wishes end",
        )
        return [self.wish(mark) for mark in marks]

    def leader(self) -> str | None:
        """The worker that watches the cluster."""
        rows = self.postgres.rows("SELECT holder FROM clusters_watchlease WHERE holder <> ''")
        pids = {int(row["holder"].split(":")[1]) for row in rows}
        return next((n for n in WORKERS if self.processes[n].pid in pids), None)

    def logs(self) -> str:
        return "\n".join(f"--- {n}\n{p.text()[-6000:]}" for n, p in self.processes.items())

    # Judging

    def assert_invariants(self) -> None:
        """Once every wish has ended and every page has caught up, all of I1 to I6 hold."""
        self.settle()
        violations = checker.check(
            cluster=ClusterSnapshot(
                changes=list(self.truth.changes), outside=frozenset(self.outside)
            ),
            database=self._database(),
            seen=Sightings(
                by_observer={n: list(o.sightings) for n, o in self.observers.items()},
                faults=self.faults,
                late_s=LATE_S,
            ),
            audit=[
                Entry(**row) for row in self.postgres.rows("SELECT * FROM audit_entry ORDER BY seq")
            ],
        )
        if violations:
            print(self.logs())
        assert not violations, "\n".join(map(str, violations[:MOST_SHOWN]))

    def settle(self) -> None:
        """Every wish has ended, the cluster has come to rest, and every page shows it."""
        wait_until(
            lambda: not self.wishes("status IN ('queued', 'running')"),
            what=f"wishes end: {self.wishes()[-2:]}",
        )
        wait_until(self._is_seen, what="every page shows the cluster, which rests")

    def _is_seen(self) -> bool:
        changes = self.truth.changes
        rests = not changes or changes[-1].at < time.monotonic() - RESTS_S
        return rests and all(self._is_seen_by(each) for each in self.observers.values())

    def _is_seen_by(self, observer: Observer) -> bool:
        looked = observer.look()
        there = self.truth.objects()
        return looked is not None and (
            not looked.is_whole or looked.versions == {u: c.version for u, c in there.items()}
        )

    def _database(self) -> DatabaseSnapshot:
        wishes, head = self.wishes(), self.postgres.rows("SELECT * FROM audit_head")
        ids = {row["idempotency_key"]: str(row["id"]) for row in wishes}
        marks = {mark for person in self.people for mark in person.accepted}
        texts = {"the database": self.postgres.dump(), "the broker": self.valkey.dump()}
        texts |= {f"the log of {name}": process.text() for name, process in self.processes.items()}
        texts |= {f"the page of {name}": o.html for name, o in self.observers.items()}
        return DatabaseSnapshot(
            wishes=[_wish(row) for row in wishes],
            accepted=frozenset(ids.get(mark, mark) for mark in marks),
            head_seq=head[0]["seq"],
            head_hash=head[0]["hash"],
            texts=texts,
            canaries=self._canaries,
        )

    # Making

    def _write_secrets(self) -> dict[str, str]:
        """Files as docker-compose.yml mounts them; what is in them must be found nowhere else."""
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700)
        values = {
            "secret_key": secrets.token_urlsafe(48),
            "database_password": PASSWORD,
            "valkey_password": Valkey.PASSWORD,
            "admin_password": secrets.token_urlsafe(16),
        }
        for name, value in values.items():
            (folder / name).write_text(value + "\n")
        self.admin_password = values["admin_password"]
        return {name.replace("_", " "): value for name, value in values.items()} | {
            "Hugging Face token": HF_TOKEN
        }

    def _made_valkey(self, name: str) -> Valkey:
        service = self._services()["valkey"]
        return Valkey(
            self.folder / name, free_port(), service=service, secrets=self.folder / "secrets"
        )

    def _made_sandbox(self, speed: float) -> Process:
        state = self.folder / "sandbox-state"
        state.mkdir()
        command = [
            "python",
            "manage.py",
            "sandbox",
            "--state",
            str(state),
            "--port",
            str(free_port()),
        ]
        return Process(
            "sandbox",
            [*command, "--speed", str(speed), "--no-seed"],
            folder=self.folder,
            environment=self._base() | {"KAITOWEB_STATE": str(state)},
        )

    def _sandbox_port(self) -> tuple[str, int]:
        """Its kubeconfigs are written when it answers."""
        folder = self.folder / "sandbox-state" / "sandbox"
        wait_until(
            (folder / "kubeconfig-kaitoweb").exists, what=f"the sandbox: {self.sandbox.text()}"
        )
        read = YAML(typ="safe").load((folder / "kubeconfig").read_text())
        cluster = read["clusters"][0]["cluster"]
        self.api_url, self.admin_token = cluster["server"], read["users"][0]["user"]["token"]
        pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.api_context = ssl.create_default_context(cadata=pem)
        return HOST, int(self.api_url.rpartition(":")[2])

    def _connect_cluster(self) -> None:
        folder = self.folder / "sandbox-state" / "sandbox"
        text = (folder / "kubeconfig-kaitoweb").read_text()
        self._canaries["token of the cluster"] = YAML(typ="safe").load(text)["users"][0]["user"][
            "token"
        ]
        path = self.folder / "kubeconfig"
        path.write_text(text.replace(self.api_url, f"https://{HOST}:{self.api_wire.address[1]}"))
        words = ("connect_cluster", "sandbox", "--kubeconfig", str(path), "--kind", "sandbox")
        self._made_process("connect", "worker", "python", "manage.py", *words).run()

    def _connect_wires(self) -> None:
        for wires in self.wires.values():
            wires["postgres"] = self._wire((HOST, self.postgres.port))
            wires["valkey"] = self._wire((HOST, self.valkey.port))

    def _wire(self, target: tuple[str, int]) -> Wire:
        return self._exits.enter_context(Wire(target))

    def _made_process(self, name: str, service_name: str, *words: str) -> Process:
        """One of a service: with its own command, or with `words` for that."""
        service = self._services()[service_name]
        wires = self.wires.get(name) or self.wires["web"]
        changes = {
            "@postgres:5432": f"@{HOST}:{wires['postgres'].address[1]}",
            "//valkey:6379": f"//{HOST}:{wires['valkey'].address[1]}",
            "--host=0.0.0.0": f"--host={HOST}",
            "--port=8000": f"--port={self.port}",
        }
        folder = self.folder / "secrets"
        command = compose.placed(words or service.command, secrets=folder, changes=changes)
        keys, values = service.environment.keys(), tuple(service.environment.values())
        given = dict(
            zip(keys, compose.placed(values, secrets=folder, changes=changes), strict=True)
        )
        if name in WORKERS:  # a container has a host name of its own
            command.append(f"--hostname={name}@%h")
        environment = self._base() | given | TIMES | self._options
        return Process(name, command, folder=self.folder, environment=environment)

    def _services(self) -> dict[str, compose.Service]:
        return compose.services(
            {
                "ALLOWED_HOSTS": HOST,
                "KAITOWEB_TRUSTED_PROXIES": "127.0.0.0/8",
                "WEB_CONCURRENCY": "1",
            }
        )

    def _base(self) -> dict[str, str]:
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("KAITOWEB_", "DJANGO_"))
        }
        return (
            inherited
            | {
                "PATH": compose.search_path(os.environ["PATH"]),
                "KAITOWEB_STATE": str(self.folder / "state"),
                "PYTHONUNBUFFERED": "1",
                "PYTHONWARNINGS": "ignore:You're running the worker with superuser",  # in a container it is not
            }
        )

    def _copy_admin(self, name: str) -> None:
        """Another administrator with the same password, from the database's side."""
        self.postgres.do(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT password, true, %s, '', '', '', true, true,"
            " now() FROM auth_user WHERE username = 'admin' ON CONFLICT DO NOTHING",
            name,
        )


@contextmanager
def running(*, speed: float = 20, **options: str) -> Iterator[Stack]:
    """The whole program in a folder of its own; `options` are more of its environment."""
    with tempfile.TemporaryDirectory(prefix="kaitoweb-faults-") as name:
        os.chmod(name, 0o755)  # PostgreSQL, which must not be root, passes through
        stack = Stack(Path(name), speed=speed, options=options)
        try:
            yield stack.start()
        finally:
            stack.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _mend(wire: Wire) -> None:
    wire.accept()
    wire.thaw()
    wire.delay(0)


def _wish(row: dict) -> Wish:
    return Wish(
        id=str(row["id"]),
        kind=row["kind"],
        name=row["name"],
        status=row["status"],
        uid=row["uid"],
        error=row["error"],
        is_dated=row["finished_at"] is not None,
    )
