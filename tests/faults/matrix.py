"""What the failure matrix of the watch (docs/reliability.md) is played with: a sandbox without controllers, so that
nothing changes but by a test, behind a wire, with its knobs; and a consumer that remembers what it was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from clusters.credentials import seal
from clusters.gateway import Gateway
from clusters.models import Cluster
from clusters.targets import WORKSPACES
from clusters.versions import is_newer
from clusters.watching import Gone, Listed, Seen, Stale, Timing, watch
from sandbox.cluster import Cluster as SandboxCluster
from sandbox.eventlog import EventLog
from sandbox.resources import NAMESPACES, Resource
from tests.knobs import WORKSPACE_WATCHES, Knobs
from tests.servers import RunningSandbox, run_sandbox
from tests.wires import Wire

WAIT_S = 30.0
PORTION = 200  # objects that are made or deleted in one turn of the sandbox's loop
MARKS = [
    pytest.mark.timeout(60),
    # urllib3 drops a socket that was reset in its handshake without closing it; the collector does that at once.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
    ),
]
QUICK = Timing(
    watch_s=(60, 60),
    idle_s=0.3,
    check_s=(60, 60),
    backoff_s=0.02,
    longest_unheard_s=0.1,
    longest_s=0.1,
    denied_s=0.1,
    unauthorized_s=0.2,
    not_served_s=0.1,
    poll_s=(0.1, 0.1),
    rewatch_s=0.2,
    brief_s=0.05,
)

Object = dict[str, Any]


def workspace(name: str, **labels: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": "phi-4"}},
    }


@dataclass
class Field:
    """The server side of a case."""

    sandbox: RunningSandbox
    knobs: Knobs
    wire: Wire

    def create(self, *names: str, **labels: str) -> None:
        for start in range(0, len(names), PORTION):
            made = [workspace(name, **labels) for name in names[start : start + PORTION]]
            self._do(
                lambda c, made=made: [
                    _store(c).create(kind_of(c), each, manager="test") for each in made
                ]
            )

    def change(self, name: str, **labels: str) -> None:
        def act(cluster: SandboxCluster) -> None:
            found = _store(cluster).get(kind_of(cluster), "default", name)
            found["metadata"]["labels"] = labels
            _store(cluster).update(kind_of(cluster), found, manager="test")

        self._do(act)

    def delete(self, *names: str) -> None:
        self._do(lambda c: [_store(c).delete(kind_of(c), "default", n) for n in names])

    def objects(self) -> dict[str, str]:
        """uid → resourceVersion of all workspaces."""
        listed = self._do(lambda c: _store(c).list(kind_of(c)))
        return {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in listed}

    def backup(self) -> list[Object]:
        found: list[Object] = self._do(lambda c: _store(c).list(kind_of(c)))
        return found

    def restore(self, backup: list[Object]) -> None:
        """The workspaces of a backup and no others; the server counts on from where it was made."""

        def act(cluster: SandboxCluster) -> None:
            _empty(cluster)
            cluster.store.load(kind_of(cluster), backup)
            version = max(int(o["metadata"]["resourceVersion"]) for o in backup)
            cluster.store.version, cluster.store._log = version, EventLog(version)

        self._do(act)

    def encoded(self, name: str) -> bytes:
        """As it stands in lists and watches."""
        found: bytes = self._do(lambda c: _store(c).peek(kind_of(c), "default", name).encoded)
        return found

    def uid(self, name: str) -> str:
        found = self._do(lambda c: _store(c).get(kind_of(c), "default", name))
        return str(found["metadata"]["uid"])

    def create_others(self) -> None:
        """Objects of another kind, so that the server's version rises."""

        def act(cluster: SandboxCluster) -> None:
            name = {"metadata": {"name": f"other-{cluster.store.version}"}}
            cluster.store.create(NAMESPACES, name, manager="test")

        self._do(act)

    def cluster(self, **values: object) -> Cluster:
        """A row, not saved, that leads over the wire."""
        made = {
            "pk": 1,
            "name": "field",
            "endpoint": self.endpoint,
            "ca_pem": self.sandbox.cluster.certificate.authority_pem,
            "sealed_credentials": seal({"token": self.sandbox.tokens["kaitoweb"]}),
        }
        return Cluster(**{**made, **values})

    @property
    def endpoint(self) -> str:
        return "https://{}:{}".format(*self.wire.address)

    def lists(self) -> int:
        """Full lists of workspaces so far; comparisons of metadata apart."""
        return len(self._asked(lambda r: "watch" not in r["query"] and not _is_metadata(r)))

    def checks(self) -> int:
        return len(self._asked(lambda r: _is_metadata(r)))

    def watches(self) -> list[str]:
        """The versions that watches of workspaces began at."""
        asked = self._asked(lambda r: "watch" in r["query"])
        return [record["query"]["resourceVersion"] for record in asked]

    def _asked(self, is_meant: Callable[[Object], bool]) -> list[Object]:
        path = "/apis/kaito.sh/v1beta1/workspaces"
        return [r for r in self.knobs.requests(method="GET") if r["path"] == path and is_meant(r)]

    def _do(self, act: Callable[[SandboxCluster], Any]) -> Any:
        return self.sandbox.call(act)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers."""
        self.wire.refuse()
        self.wire.cut()
        yield
        self.wire.accept()

    def admin(self) -> httpx.Client:
        sandbox = self.sandbox
        return httpx.Client(
            base_url=sandbox.url, headers=sandbox.headers(), verify=sandbox.ssl_context
        )

    def heal(self) -> None:
        self.knobs.reset()
        self.wire.thaw()
        self.wire.accept()
        self.wire.delay(0)
        self.wire.cut()
        while self._do(_empty):
            pass
        self.knobs.forget_requests()


def kind_of(cluster: SandboxCluster) -> Resource:
    found = cluster.registry.by_path("kaito.sh", "v1beta1", "workspaces")
    assert found
    return found


def _store(cluster: SandboxCluster) -> Any:
    return cluster.store


def _is_metadata(record: Object) -> bool:
    return "PartialObjectMetadata" in record["headers"].get("accept", "")


def _empty(cluster: SandboxCluster) -> bool:
    """Deletes a portion of the workspaces; whether there was any."""
    found = cluster.store.list(kind_of(cluster))[:PORTION]
    for each in found:
        metadata = each["metadata"]
        cluster.store.delete(kind_of(cluster), metadata["namespace"], metadata["name"])
    return bool(found)


def _still(cluster: SandboxCluster) -> None:
    """KAITO's kinds without whoever acts on them."""
    cluster.controllers.clear()
    cluster.admission.clear()
    if cluster.store.get(NAMESPACES, None, "default") is None:
        cluster.store.create(NAMESPACES, {"metadata": {"name": "default"}}, manager="test")


@contextmanager
def running_field(prepare: Callable[[SandboxCluster], None] = _still) -> Iterator[Field]:
    with run_sandbox(knobs=True, prepare=prepare) as sandbox, Knobs.of(sandbox) as knobs:
        host, port = sandbox.url.removeprefix("https://").split(":")
        with Wire((host, int(port))) as wire:
            yield Field(sandbox, knobs, wire)


@dataclass
class Follower:
    """Follows the workspaces in a thread as the mirror does, and notes what must never happen."""

    gateway: Gateway
    timing: Timing = QUICK
    known: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)  # uid → resourceVersion
    raws: dict[str, Object] = field(default_factory=dict)
    stale: list[Stale] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    steps_back: list[str] = field(default_factory=list)
    fewest: int = 10**9  # rows at once, since the first list

    def __post_init__(self) -> None:
        self.rows.update(self.known)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Follower:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()
        self.gateway.close()
        assert self.steps_back == []

    def is_level_with(self, objects: dict[str, str]) -> bool:
        return self.rows == objects

    def wait_for(self, claim: Callable[[], object], what: str = "") -> None:
        wait_for(claim, what or f"rows {self.rows}, stale {[s.error.reason for s in self.stale]}")

    def _follow(self) -> None:
        told = watch(self.gateway, WORKSPACES, stop=self.stop, known=self.known, timing=self.timing)
        for event in told:
            if isinstance(event, Seen):
                self._see(event)
            elif isinstance(event, Gone):
                self.rows.pop(event.uid, None)
            elif isinstance(event, Listed):
                self.listed.append(event)
                self.rows = {uid: v for uid, v in self.rows.items() if uid in event.uids}
            elif isinstance(event, Stale):
                self.stale.append(event)
            if self.listed:
                self.fewest = min(self.fewest, len(self.rows))

    def _see(self, event: Seen) -> None:
        uid, version = event.raw["metadata"]["uid"], event.raw["metadata"]["resourceVersion"]
        before = self.rows.get(uid)
        if before and not event.listed and not is_newer(version, before):
            self.steps_back.append(f"{uid}: {before} → {version}")
        self.rows[uid], self.raws[uid] = version, event.raw


def wait_for(claim: Callable[[], object], what: str = "", *, limit_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not claim():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {limit_s} s. {what}")
        time.sleep(0.005)


def is_watching(ground: Field) -> bool:
    """Whether a watch of workspaces is open now."""
    return ground.knobs.watch(match=WORKSPACE_WATCHES) > 0


def follow(ground: Field, *, cluster: Cluster | None = None, **values: Any) -> Follower:
    return Follower(Gateway(cluster or ground.cluster()), **values)


def settled(ground: Field, follower: Follower) -> None:
    """Level with the server, and watching."""
    follower.wait_for(lambda: follower.listed and follower.rows == ground.objects())
    wait_for(lambda: ground.watches())
