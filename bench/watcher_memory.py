"""Memory of the worker that watches 10,000 workspaces, and with a pod for each. Goal: 200 MB.

The production processes on PostgreSQL; the cluster is served by another process, and nothing moves in it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench import bulk, frame
from bench.tables import table

if TYPE_CHECKING:
    from tests.faults.stack import Stack

COUNT = 10_000
GOAL_MB = 200
SETTLE_S = 20
LIMIT_S = 600
HOLDER = (
    "SELECT split_part(holder, ':', 2)::int AS pid FROM clusters_watchlease"
    " JOIN clusters_cluster ON clusters_cluster.id = cluster_id WHERE name = 'large' AND holder <> ''"
)
KEPT = "SELECT count(*) FROM {} JOIN clusters_cluster c ON c.id = cluster_id WHERE c.name = 'large'"
LISTED = "SELECT last_list_at FROM clusters_cluster WHERE name = 'large'"


def main() -> None:
    cases = (f"{COUNT:,} workspaces", False), (f"{COUNT:,} workspaces and as many pods", True)
    table(
        f"Memory of the worker that watches (goal: {GOAL_MB} MB)",
        ["cluster", "before", "first list, most", "after", "list again, most", "after"],
        [[name, *(f"{mb:.0f} MB" for mb in _measured(pods=pods))] for name, pods in cases],
    )


def _measured(*, pods: bool) -> list[float]:
    with frame.production() as stack, bulk.served(COUNT, pods=pods) as there:
        from tests.faults.processes import wait_until

        before = max(_resident(stack.processes[name].pid) for name in ("worker-1", "worker-2"))
        _connect(stack, there)
        pid = wait_until(lambda: stack.postgres.rows(HOLDER), what="it is watched")[0]["pid"]
        with _most(pid) as first:
            _wait_kept(stack, "workspaces_workspace")
            if pods:
                _wait_kept(stack, "workspaces_dependent")
        time.sleep(SETTLE_S)
        after_first = _resident(pid)
        with _most(pid) as again:
            _list_again(stack, there)
        time.sleep(SETTLE_S)
        return [before, first[0], after_first, again[0], _resident(pid)]


def _connect(stack: Stack, there: bulk.Served) -> None:
    path = Path(stack.folder, "large.kubeconfig")
    path.write_text(there.kubeconfig)
    subprocess.run(
        ["python", "manage.py", "connect_cluster", "large", "--kubeconfig", path],
        env=stack.processes["worker-1"].environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _wait_kept(stack: Stack, name: str) -> None:
    from tests.faults.processes import wait_until

    wait_until(
        lambda: stack.postgres.count(KEPT.format(name)) == COUNT,
        limit_s=LIMIT_S,
        what=f"{name} holds them all",
    )


def _list_again(stack: Stack, there: bulk.Served) -> None:
    """Every watch is cut, and told that the cluster has forgotten the version that it would go on from."""
    import ssl

    from tests.faults.processes import wait_until
    from tests.knobs import Knobs

    before = stack.postgres.rows(LISTED)
    knobs = Knobs(there.url, there.token, ssl.create_default_context(cadata=there.ca))
    for plural in ("workspaces", "pods"):
        match = {"method": "GET", "path": rf"/{plural}\?.*watch=true"}
        knobs.fail(410, reason="Expired", match=match, times=1)
        knobs.cut(match=match)
    knobs.close()
    wait_until(lambda: stack.postgres.rows(LISTED) != before, limit_s=LIMIT_S, what="it is listed")


@contextmanager
def _most(pid: int) -> Iterator[list[float]]:
    """The most that it held while the block ran, MB."""
    most, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], _resident(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def _resident(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 1e6
