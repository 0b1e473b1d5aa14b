"""An hour of changes: what leaks, and how late the page is. `python -m bench soak --minutes 60 --rate 20`.

The production processes (tests/faults/stack.py) on PostgreSQL and Valkey. Somebody with kubectl changes workspaces at
a steady rate, a person deploys and deletes, another looks at the list. At the end the invariants are checked.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from bench import bulk, frame
from bench.tables import ms, quantile, table

if TYPE_CHECKING:
    from tests.faults.stack import Stack

WORKSPACES = 100
ON_PAGE = 20  # of them stand on the first page of the list, and are timed
SAMPLE_S = 10.0
LOOK_S = 0.25
TIMED = (
    "SELECT uid, resource_version FROM workspaces_workspace WHERE name LIKE 'a-%%' AND name < %s"
)
WISH_S = 15.0
SPEED = 5.0  # of deployments: ready after five seconds; faster ones would be most of the changes
SETTLE_S = 5.0
WORDS = 3000  # of what is broken
WARM = 1 / 6  # of the run, in which caches fill; not in the slopes


Look = tuple[float, Mapping[str, int]]  # when it was asked, and versions by uid


@dataclass
class Run:
    stack: Stack
    begun: float = field(default_factory=time.monotonic)
    memory: dict[str, list[tuple[float, float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # process → (s, MB, file descriptors)
    changed: list[tuple[float, str, int]] = field(default_factory=list)  # at, uid, version
    mirrored: list[Look] = field(default_factory=list)
    count: int = 0
    wishes: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def age(self) -> float:
        return time.monotonic() - self.begun


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="changes a second")
    asked = parser.parse_args(sys.argv[2:])
    with frame.production(speed=SPEED) as stack:
        run = _soak(stack, minutes=asked.minutes, rate=asked.rate)
        _tell(run, asked.rate)


def _soak(stack: Stack, *, minutes: float, rate: float) -> Run:
    from tests.faults.processes import wait_until

    with frame.admin(stack) as cluster:
        for number in range(WORKSPACES):
            made = cluster.post(bulk.address(), json=bulk.workspace(f"a-{number:04d}"))
            made.raise_for_status()
    ready = "SELECT count(*) FROM workspaces_workspace WHERE phase = 'ready'"
    wait_until(lambda: stack.postgres.count(ready) == WORKSPACES, limit_s=600, what="all are ready")
    stack.observe()
    run = Run(stack)
    jobs = [
        threading.Thread(target=job, args=args, name=job.__name__)
        for job, args in (
            (_change, (run, rate)),
            (_wish, (run,)),
            (_sample, (run,)),
            (_look, (run,)),
        )
    ]
    for job in jobs:
        job.start()
    run.stopping.wait(minutes * 60)
    run.stopping.set()
    for job in jobs:
        job.join()
    return run


def _change(run: Run, rate: float) -> None:
    """At its times, as kubectl would; the times that were missed are caught up."""
    with frame.admin(run.stack) as cluster:
        for number in itertools.count():
            if run.stopping.wait(max(0.0, run.begun + number / rate - time.monotonic())):
                return
            body = {"metadata": {"annotations": {"bench/change": str(number)}}}
            answer = cluster.patch(
                f"{bulk.address()}/a-{number % WORKSPACES:04d}",
                json=body,
                headers={"Content-Type": "application/merge-patch+json"},
            )
            answer.raise_for_status()
            run.count += 1
            if number % WORKSPACES < ON_PAGE:
                metadata = answer.json()["metadata"]
                run.changed.append(
                    (time.monotonic(), metadata["uid"], int(metadata["resourceVersion"]))
                )


def _wish(run: Run) -> None:
    """A person deploys, waits until the page has it, and deletes it again."""
    person = run.stack.sign_in()
    for number in itertools.count():
        name = f"wish-{number:04d}"
        person.deploy(name)
        while person.client.get(person.delete_url(name)).status_code != 200:
            if run.stopping.wait(1):
                return
        if run.stopping.wait(WISH_S):
            return
        person.delete(name)
        run.wishes += 2


def _sample(run: Run) -> None:
    while not run.stopping.wait(SAMPLE_S):
        for name, pid in _pids(run.stack).items():
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            resident = sum(_unshared(process) for process in processes) / 1e6
            files = sum(process.num_fds() for process in processes)
            run.memory[name].append((run.age, resident, files))


def _look(run: Run) -> None:
    """At the mirror itself, beside the page that shows it."""
    while not run.stopping.wait(LOOK_S):
        asked_at = time.monotonic()
        rows = run.stack.postgres.rows(TIMED, f"a-{ON_PAGE:04d}")
        versions = {row["uid"]: int(row["resource_version"]) for row in rows}
        run.mirrored.append((asked_at, versions))


def _unshared(process: psutil.Process) -> int:
    """PostgreSQL's processes share their buffers, which would be counted once for each."""
    try:
        memory = process.memory_info()
        return memory.rss - (memory.shared if process.name() == "postgres" else 0)
    except psutil.NoSuchProcess:
        return 0


def _pids(stack: Stack) -> dict[str, int]:
    ours = {name: process.pid for name, process in stack.processes.items()}
    return ours | {
        "valkey": stack.valkey.process.pid,
        "postgres": stack.postgres.process.pid,
        "sandbox": stack.sandbox.process.pid,
    }


def _lags(changed: list[tuple[float, str, int]], looks: list[Look]) -> list[float]:
    """From the cluster's answer to a change to the question whose answer has it, or something newer."""
    lags, start = [], 0
    for at, uid, version in changed:
        while start < len(looks) and looks[start][0] < at:
            start += 1
        later = itertools.islice(looks, start, None)
        seen = next((asked for asked, there in later if there.get(uid, 0) >= version), None)
        lags.append(math.inf if seen is None else seen - at)
    return lags


def _slope(points: list[tuple[float, float]]) -> float:
    """Least squares, in units an hour."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return 3600 * over / sum((x - mean_x) ** 2 for x, _ in points)


def _tell(run: Run, rate: float) -> None:
    from tests.faults import judging

    minutes = run.age / 60
    title = f"Soak: {minutes:.0f} minutes, {run.count:,} changes, {run.wishes} wishes"
    rows = [_row(name, samples, run.age * WARM) for name, samples in run.memory.items()]
    table(
        title, ["process", "MB, first", "last", "most", "MB an hour", "files, first", "last"], rows
    )
    page = [(s.asked_at, s.versions) for s in run.stack.observers["observer"].sightings]
    table(
        f"How late a change is, at {run.count / run.age:.1f} a second of {rate:.0f} asked for",
        ["where", "p50", "p95", "p99", "most", "changes timed"],
        [_late("in the mirror", run, run.mirrored), _late("on the page", run, page)],
    )
    sys.stdout.flush()
    try:
        judging.assert_invariants(run.stack)
    except AssertionError as error:
        sys.exit(f"\nInvariants are broken, the first of them:\n{str(error)[:WORDS]}")
    print("\nInvariants I1 to I6 hold.")


def _late(where: str, run: Run, looks: list[Look]) -> list[object]:
    """Of those that the last look could see."""
    timed = [change for change in run.changed if change[0] < looks[-1][0] - SETTLE_S]
    lags = _lags(timed, looks)
    return [where, *(ms(quantile(lags, q)) for q in (0.5, 0.95, 0.99)), ms(max(lags)), len(lags)]


def _row(name: str, samples: list[tuple[float, float, int]], warm_s: float) -> list[object]:
    later = [sample for sample in samples if sample[0] >= warm_s] or samples
    megabytes = [megabyte for _, megabyte, _ in later]
    slope = _slope([(at, megabyte) for at, megabyte, _ in later])
    return [
        name,
        *(f"{value:.0f}" for value in (megabytes[0], megabytes[-1], max(megabytes))),
        f"{slope:+.1f}",
        *(later[0][2], later[-1][2]),
    ]
