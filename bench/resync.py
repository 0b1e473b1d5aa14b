"""From a list of 5,000 workspaces to a mirror that equals it, on SQLite and on PostgreSQL.

The watcher's own session lists a cluster in another process. The time in which pages were fetched is told apart: what
counts is how long the mirror takes for them, since pages are applied while the next are asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import bulk, frame
from bench.tables import table

COUNT = 5_000
GOAL_S = 3.0
LIMIT_S = 300


def main() -> None:
    from tests.postgres import server
    from tests.workspaces.conftest import running_valkey

    with running_valkey() as valkey, server() as postgres:
        plain = os.environ | {"REDIS_URL": valkey.url}
        rows = _measured("SQLite", plain)
        rows += _measured("PostgreSQL", plain | {"DATABASE_URL": postgres})
    table(
        f"Resync of {COUNT:,} workspaces (goal: {GOAL_S:.0f} s after the list has come)",
        ["database", "case", "fetching the list", "mirror after that", "processor", "rows written"],
        rows,
    )


def _measured(database: str, environment: dict[str, str]) -> list[list[object]]:
    with tempfile.TemporaryDirectory(prefix="kaitoweb-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.resync"],
            env=environment | {"KAITOWEB_STATE": folder},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return [[database, *row] for row in json.loads(done.stdout)]


def _run() -> list[list[object]]:
    """In a process of its own, on the database of its environment."""
    frame.set_up()
    from django.core.management import call_command

    from clusters import leases, services
    from clusters.models import ClusterKind

    call_command("migrate", verbosity=0)
    rows = []
    with bulk.served(COUNT) as there:
        cluster = services.ensure_cluster(
            name="bench",
            kind=ClusterKind.KUBECONFIG,
            kubeconfig_text=there.kubeconfig,
            context="",
        )
        for case, prepare in CASES:
            prepare(there)
            token = leases.acquire(cluster, case)
            fetching, applying, busy, written = _resynced(cluster, token)
            leases.release(cluster, case, token)
            times = (f"{seconds:.2f} s" for seconds in (fetching, applying, busy))
            rows.append([case, *times, f"{written:,}"])
    return rows


CASES = (
    ("empty mirror", lambda there: None),
    ("nothing changed, as after a 410", lambda there: None),
    ("500 changed", lambda there: there.tell("touch", 500)),
    ("all changed", lambda there: there.tell("touch", COUNT)),
    ("500 gone", lambda there: there.tell("remove", 500)),
)


def _resynced(cluster: object, token: int) -> tuple[float, float, float, int]:
    """Seconds of fetching, of the rest until the list is in the mirror, of the processor; and rows told of."""
    from clusters.targets import WORKSPACES
    from clusters.watching import Listed, Seen
    from workspaces.watcher.session import Session

    done, count = threading.Event(), 0

    class Timed(Session):
        def _take(self, events: list) -> None:
            nonlocal count
            super()._take(events)
            count += sum(isinstance(event, Seen) for event in events)
            if isinstance(events[0], Listed):
                done.set()

    with _timed_lists() as took:
        session = Timed(cluster, token, targets=(WORKSPACES,))
        begun, busy = time.perf_counter(), time.process_time()
        session.start()
        if not done.wait(LIMIT_S):
            raise SystemExit(f"The mirror was not complete after {LIMIT_S} s.")
        total, busy = time.perf_counter() - begun, time.process_time() - busy
    session.stop()
    session.join(5)
    return sum(took), total - sum(took), busy, count


@contextmanager
def _timed_lists() -> Iterator[list[float]]:
    """How long each page took from the question to the parsed answer."""
    from clusters.gateway import Gateway
    from clusters.targets import WORKSPACES, Target

    plain, took = Gateway.list, []

    def timed(self: Gateway, target: Target, **options: object) -> object:
        begun = time.perf_counter()
        page = plain(self, target, **options)
        if target.kind == WORKSPACES.kind:  # namespaces are listed beside them
            took.append(time.perf_counter() - begun)
        return page

    Gateway.list = timed
    try:
        yield took
    finally:
        Gateway.list = plain


if __name__ == "__main__":
    print(json.dumps(_run()))
