"""Gathers what is left of a run, and holds it against the invariants."""

from __future__ import annotations

import time

from audit.models import Entry
from tests.faults import checker
from tests.faults.checker import ClusterSnapshot, DatabaseSnapshot, Sightings, Wish
from tests.faults.observing import Observer
from tests.faults.processes import slowness, wait_until
from tests.faults.stack import Stack

LATE_S = 8.0  # invariant I3 says 2; and a machine that has much to do is given its time
RESTS_S = 1.0
MOST_SHOWN = 12  # violations


def assert_invariants(stack: Stack) -> None:
    """Once every wish has ended and every page has caught up, all of I1 to I6 hold."""
    settle(stack)
    seen = Sightings(
        by_observer={name: list(o.sightings) for name, o in stack.observers.items()},
        faults=stack.faults,
        late_s=LATE_S * slowness(),
    )
    entries = stack.postgres.rows("SELECT * FROM audit_entry ORDER BY seq")
    violations = checker.check(
        cluster=ClusterSnapshot(
            changes=list(stack.truth.changes), outside=frozenset(stack.outside)
        ),
        database=_database(stack),
        seen=seen,
        audit=[Entry(**row) for row in entries],
    )
    if violations:
        print(stack.logs())
    assert not violations, "\n".join(map(str, violations[:MOST_SHOWN]))


def settle(stack: Stack) -> None:
    """Every wish has ended, the cluster has come to rest, and every page shows it."""
    wait_until(lambda: not stack.wishes("status IN ('queued', 'running')"), what="wishes end")
    wait_until(lambda: _is_seen(stack), what="every page shows the cluster, which rests")


def _is_seen(stack: Stack) -> bool:
    changes = stack.truth.changes
    rests = not changes or changes[-1].at < time.monotonic() - RESTS_S
    return rests and all(_is_seen_by(stack, each) for each in stack.observers.values())


def _is_seen_by(stack: Stack, observer: Observer) -> bool:
    looked = observer.look()
    if looked is None:
        return False
    there = {uid: change.version for uid, change in stack.truth.objects().items()}
    return not looked.is_whole or looked.versions == there


def _database(stack: Stack) -> DatabaseSnapshot:
    rows, head = stack.wishes(), stack.postgres.rows("SELECT * FROM audit_head")
    ids = {row["idempotency_key"]: str(row["id"]) for row in rows}
    marks = {mark for person in stack.people.values() for mark in person.accepted}
    texts = {"the database": stack.postgres.dump(), "the broker": stack.valkey.dump()}
    texts |= {f"the log of {name}": each.text() for name, each in stack.processes.items()}
    texts |= {f"the page of {name}": each.html for name, each in stack.observers.items()}
    return DatabaseSnapshot(
        wishes=[_wish(row) for row in rows],
        accepted=frozenset(ids.get(mark, mark) for mark in marks),
        head_seq=head[0]["seq"],
        head_hash=head[0]["hash"],
        texts=texts,
        canaries=stack.canaries,
    )


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
