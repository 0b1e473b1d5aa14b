"""How long a killed worker is missed: its watch, and the operation that it had in hand. Goal: 15 s each.

On the production processes with the times of production. Ten times each: the worker that watches is killed and a change
is made in the cluster, until the mirror has it; the worker that carries out a deployment is killed in the middle of its
request, until the operation has ended and the object is there once.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench import bulk, frame
from bench.tables import quantile, table

if TYPE_CHECKING:
    from tests.faults.stack import Stack

RUNS = 10
GOAL_S = 15.0
AS_NEW = (
    "SELECT count(*) FROM workspaces_workspace"
    " WHERE name = 'watched' AND deleted_at IS NULL AND resource_version::bigint >= %s"
)


def main() -> None:
    with frame.production() as stack:
        with frame.admin(stack) as cluster:
            cluster.post(bulk.address(), json=bulk.workspace("watched")).raise_for_status()
        cases: dict[str, Callable[[Stack, int], float]] = {
            "killed watcher, to the next change in the mirror": _watcher,
            "stopped watcher (SIGTERM), to the next change in the mirror": _stopped_watcher,
            "killed in an operation, to its end by another worker": _operation,
        }
        rows = [_row(name, [case(stack, n) for n in range(RUNS)]) for name, case in cases.items()]
    table(f"Take-over (goal: {GOAL_S:.0f} s)", ["what", "p50", "most", "runs"], rows)


def _row(name: str, took: list[float]) -> list[object]:
    return [name, f"{quantile(took, 0.5):.1f} s", f"{max(took):.1f} s", len(took)]


def _watcher(stack: Stack, number: int) -> float:
    took = _until_watched(stack, f"killed-{number}", stack.kill)
    stack.heal()
    return took


def _stopped_watcher(stack: Stack, number: int) -> float:
    """As in an upgrade: it gives the watch up at once, and ends its work."""
    ending: list[str] = []

    def end(name: str) -> None:
        ending.append(name)
        os.kill(stack.processes[name].pid, signal.SIGTERM)

    took = _until_watched(stack, f"stopped-{number}", end)
    stack.kill(ending[0], signal.SIGTERM)
    stack.heal()
    return took


def _until_watched(stack: Stack, mark: str, end: Callable[[str], None]) -> float:
    """The change comes right after the end of whoever would have seen it."""
    from tests.faults.processes import wait_until

    name = wait_until(stack.leader, what="a worker watches")
    begun = time.monotonic()
    end(name)
    with frame.admin(stack) as cluster:
        answer = cluster.patch(
            f"{bulk.address()}/watched",
            json={"metadata": {"annotations": {"bench/mark": mark}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
    version = int(answer.json()["metadata"]["resourceVersion"])
    wait_until(lambda: stack.postgres.count(AS_NEW, version), what="the mirror has the change")
    return time.monotonic() - begun


def _operation(stack: Stack, number: int) -> float:
    """The way to the cluster is frozen, so that the kill comes while the request is out."""
    from tests.faults.processes import wait_until

    person, name = stack.sign_in(), f"taken-over-{number}"
    form = person.deploy_form(name)
    stack.api_wire.freeze()
    person.deploy(name, form)
    key = person.accepted[-1]
    row = wait_until(lambda: _running(stack, name), what="the operation runs")
    holder = next(n for n, p in stack.processes.items() if str(p.pid) in row["taken_by"])
    begun = time.monotonic()
    stack.kill(holder)
    stack.api_wire.cut()
    stack.api_wire.thaw()
    wait_until(lambda: stack.wishes("name = %s AND status = 'succeeded'", name), what=f"{key} ends")
    took = time.monotonic() - begun
    stack.heal()
    return took


def _running(stack: Stack, name: str) -> dict | None:
    return next(iter(stack.wishes("name = %s AND status = 'running'", name)), None)
