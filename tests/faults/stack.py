"""The production shape without containers: the processes of docker-compose.yml on a real PostgreSQL and a real Valkey.

Every connection of the web, the workers and beat to database and broker, and of all of them to the cluster, goes
through a wire of its own, so that a test may freeze, cut or unplug exactly that one.
"""

from __future__ import annotations

import os
import platform
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import files
from pathlib import Path

import httpx

from tests.faults import checker
from tests.faults.administering import Administrator
from tests.faults.brokers import Valkey
from tests.faults.browsing import Person, http_client
from tests.faults.building import HOST, WORKERS, Building
from tests.faults.databases import Postgres
from tests.faults.observing import Observer, Truth
from tests.faults.processes import LIMIT_S, Process, wait_until
from tests.knobs import Knobs
from tests.wires import Wire

BEHIND_TLS = {"X-Forwarded-Proto": "https"}
PROGRAM = ("web", *WORKERS, "beat")
# libfaketime comes built for no other.
CAN_SET_CLOCKS = (platform.system(), platform.machine()) == ("Linux", "x86_64")
STATIC = ("python", "manage.py", "collectstatic", "--noinput", "-v0")  # as the image is built


class Stack:
    """Made by running(). heal() brings back whatever a test has broken."""

    def __init__(self, folder: Path, *, speed: float, options: dict[str, str]) -> None:
        self.folder, self._exits = folder, ExitStack()
        self.building = Building(folder, options)
        self.canaries = self.building.canaries
        self.postgres, self.valkey = self.building.postgres(), self.building.valkey()
        self.sandbox = self.building.sandbox(speed)
        self.processes: dict[str, Process] = {}
        self.wires: dict[str, dict[str, Wire]] = {}
        self.people: dict[str, Person] = {}
        self.observers: dict[str, Observer] = {}
        self.faults: list[tuple[float, float]] = []
        self.outside: set[str] = set()  # uids that others than kaitoweb have changed
        self.url = f"http://{HOST}:{self.building.port}"

    # Life

    def start(self) -> Stack:
        self._exits.callback(self._end)
        self.postgres.create()
        self.valkey.start()
        self.sandbox.start()
        self.api_wire = self._wire(self.sandbox.address)
        for name in PROGRAM:
            self.wires[name] = {
                "postgres": self._wire((HOST, self.postgres.port)),
                "valkey": self._wire((HOST, self.valkey.port)),
            }
        self._prepare()
        admin = (self.sandbox.url, self.sandbox.token, self.sandbox.context)
        self.truth, self.knobs = Truth(*admin).start(), self._exits.enter_context(Knobs(*admin))
        self.administrator = Administrator(*admin)
        self._exits.callback(self.administrator.close)
        for name in PROGRAM:
            service = name.partition("-")[0]
            self.processes[name] = self.building.process(name, service, self.wires[name])
            self.processes[name].start()
        self.wait_healthy()
        return self

    def _prepare(self) -> None:
        """What runs once: static files, tables, the connection to the cluster."""
        self.kubeconfig, token = self.sandbox.kubeconfig(self.api_wire)
        self.canaries["token of the cluster"] = token
        path = self.folder / "kubeconfig"
        path.write_text(self.kubeconfig)
        connect = ("python", "manage.py", "connect_cluster", "sandbox", "--kind", "sandbox")
        steps = {
            "static": ("migrate", *STATIC),
            "migrate": ("migrate",),
            "connect": ("worker", *connect, "--kubeconfig", str(path)),
        }
        for name, (service, *words) in steps.items():
            self.building.process(name, service, self.wires["web"], *words).run()

    def _wire(self, target: tuple[str, int]) -> Wire:
        return self._exits.enter_context(Wire(target))

    def close(self) -> None:
        self._exits.close()

    def _end(self) -> None:
        for observer in self.observers.values():
            observer.stop()
        for person in self.people.values():
            person.client.close()
        if truth := getattr(self, "truth", None):
            truth.stop()
        for process in (*self.processes.values(), self.sandbox.process):
            process.kill()
        self.valkey.stop()
        self.postgres.crash()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        self.processes[name].kill(number)

    def restart(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].start()

    def begin(self) -> None:
        """What was seen before was judged before; the last sightings stay, since no page may step back."""
        self.faults.clear()
        for person in self.people.values():
            person.accepted.clear()
        for observer in self.observers.values():
            del observer.sightings[:-1], observer.answers[:]
        assert not self.truth.objects()

    def clear(self) -> None:
        """An administrator removes every workspace."""
        self.outside |= self.truth.objects().keys()
        self.truth.remove_all()

    # Faults

    @contextmanager
    def fault(self) -> Iterator[None]:
        """While it lasts, and until the program has caught up, pages may be late."""
        from tests.faults import judging  # noqa: PLC0415 - it judges stacks

        begun = time.monotonic()
        try:
            yield
        finally:
            self.heal()
            judging.settle(self)
            self.faults.append((begun, time.monotonic()))

    def heal(self) -> None:
        """Every process lives and knows the time, every wire carries, the program is healthy."""
        self.knobs.reset()
        self.administrator.restore()
        for server in (self.postgres, self.valkey):
            if server.process.lives:
                server.process.go_on()
            else:
                server.start()
        for wire in (self.api_wire, *(w for wires in self.wires.values() for w in wires.values())):
            wire.accept()
            wire.thaw()
            wire.delay(0)
        for name, process in self.processes.items():
            if process.environment.pop("LD_PRELOAD", None) or process.is_leaving:
                process.kill()
            if process.lives:
                process.go_on()
            else:
                self.processes[name].start()
        self.wait_healthy()

    def wait_healthy(self) -> None:
        def is_healthy() -> bool:
            ended = [p for p in self.processes.values() if not p.lives]
            assert not ended, f"{ended[0].name} has ended: {ended[0].text()[-1500:]}"
            return self.leader() is not None and self.answers("/readyz")

        wait_until(is_healthy, what="healthy")

    def answers(self, path: str = "/workspaces/") -> bool:
        with suppress(httpx.HTTPError):
            url = f"{self.url}{path}"
            return httpx.get(url, headers=BEHIND_TLS, timeout=5, trust_env=False).status_code < 400
        return False

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

    def set_clock(self, name: str, offset: str) -> None:
        """Start it again with a clock that is so far off, "-10m" say, and that turn_clock() may turn while it runs."""
        self.turn_clock(name, offset)
        [library] = [each for each in files("libfaketime") or () if each.name == "libfaketime.so.1"]
        self.processes[name].environment |= {
            "LD_PRELOAD": str(library.locate()),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / f"{name}.clock"),
            "FAKETIME_CACHE_DURATION": "1",  # s
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.restart(name)

    def turn_clock(self, name: str, offset: str) -> None:
        (self.folder / f"{name}.clock").write_text(offset)

    @contextmanager
    def second_valkey(self) -> Iterator[tuple[Valkey, Wire]]:
        """A replica of the broker, and the wire that it follows over. Whichever is in use at the end stays."""
        first, made = self.valkey, self.building.valkey().start()
        with Wire((HOST, first.port)) as link:
            made.follow(link.address[1])
            yield made, link
        for server in {first, made} - {self.valkey}:
            server.stop()

    @contextmanager
    def second_postgres(self) -> Iterator[tuple[Postgres, Wire]]:
        """A replica of the database, as second_valkey()."""
        first, made = self.postgres, self.building.postgres()
        with Wire((HOST, first.port)) as link:
            made.follow(link.address[1])
            yield made, link
        for server in {first, made} - {self.postgres}:
            server.crash()

    def use(self, server: Postgres | Valkey) -> None:
        """As a name that now leads to another address."""
        name = "postgres" if isinstance(server, Postgres) else "valkey"
        setattr(self, name, server)
        for wires in self.wires.values():
            wires[name].target = (HOST, server.port)
            wires[name].cut()

    # Asking

    def sign_in(self, name: str = "dora") -> Person:
        """The same session each time."""
        if name not in self.people:
            self.postgres.copy_user("admin", name)
            self.people[name] = self._signed_in(name)
        return self.people[name]

    def _signed_in(self, name: str) -> Person:
        return Person(http_client(self.url)).sign_in(name, self.building.admin_password)

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
