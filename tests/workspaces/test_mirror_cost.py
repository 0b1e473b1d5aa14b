"""What one event costs: it must not depend on how many rows the cluster has."""

import copy
import itertools
import threading
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters import leases, targets
from clusters.models import Cluster
from clusters.watching import Gone, Listed, Seen
from tests.workspaces import builders
from workspaces import mirror
from workspaces.models import Dependent, Transition, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    return builders.make_cluster()


def apply(cluster, raw, target, *, version=None):
    raw = copy.deepcopy(raw)
    raw["metadata"]["resourceVersion"] = str(version or raw["metadata"]["resourceVersion"])
    mirror.apply(Seen(target=target, raw=raw), cluster=cluster, token=1)


def plans(captured):
    """How SQLite finds the rows of each query."""
    found = []
    with connection.cursor() as cursor:
        for query in captured:
            if query["sql"].startswith(("SELECT", "UPDATE")):
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                found += [row[3] for row in cursor.fetchall()]
    return found


@pytest.mark.skipif(connection.vendor != "sqlite", reason="its planner keeps no statistics")
def test_no_event_makes_sqlite_read_all_rows_of_a_cluster(cluster):
    leases.acquire(cluster, "test")
    happening = builders.raw_event(reason="Pulled", about="phi-4-0", kind="Pod")

    with CaptureQueriesContext(connection) as captured:
        apply(cluster, builders.raw_workspace(), targets.WORKSPACES)
        apply(cluster, builders.raw_pod(), targets.PODS)
        apply(cluster, builders.raw_pod(phase="Running"), targets.PODS, version=201)
        apply(cluster, happening, targets.EVENTS)

    wide = [p for p in plans(captured) if p.startswith("SCAN") or p.endswith("(cluster_id=?)")]
    lease = [p for p in wide if "watchlease" in p]
    assert [p for p in wide if p not in lease] == []


def everything(number):
    """Objects of several lives, by target."""
    name = f"ws-{number}"
    status, parts = builders._story(STORIES[number % len(STORIES)], name, "team-a")
    for part in parts:
        part["metadata"] |= {"uid": f"{part['kind']}-{number}"}
        if part["kind"] == "NodeClaim":
            part["metadata"]["name"] = f"claim-{number}"
        if part["kind"] == "Service":
            owner = {"kind": "Workspace", "name": name, "uid": f"uid-team-a-{name}"}
            part["metadata"]["ownerReferences"] = [owner]
    found = {target: [] for target in TARGETS}
    found[targets.WORKSPACES] = [builders.raw_workspace(name, status=status)]
    for part in parts:
        found[TARGETS_BY_KIND[part["kind"]]].append(part)
    return found


STORIES = ("new", "node", "image", "weights", "ready", "quota", "gated", "pull")
TARGETS = (targets.WORKSPACES, targets.PODS, targets.NODECLAIMS, targets.SERVICES)
TARGETS_BY_KIND = {target.kind: target for target in TARGETS}


def listed(target, number_of_workspaces):
    raws = (raw for n in range(number_of_workspaces) for raw in everything(n)[target])
    return [Seen(target=target, raw=raw, listed=True) for raw in raws]


def rows_of(cluster):
    """All that the mirror holds of a cluster."""
    left_out = {"id", "cluster"}
    found = []
    for model, order in ((Workspace, "uid"), (Dependent, "uid"), (Transition, "workspace_uid")):
        columns = [f.name for f in model._meta.concrete_fields if f.name not in left_out]
        rows = model.objects.filter(cluster=cluster).values_list(*columns)
        found.append(sorted(rows.order_by(order), key=repr))
    return found


@pytest.mark.parametrize("order", [TARGETS, TARGETS[::-1]])
@pytest.mark.postgres
def test_a_list_at_once_leaves_the_same_rows_as_its_objects_one_by_one(cluster, order, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: builders.NOW)
    other = builders.make_cluster("other")
    tokens = {c: leases.acquire(c, "test") for c in (cluster, other)}

    for target in order:
        events = listed(target, 2 * len(STORIES))
        mirror.apply(*events, cluster=cluster, token=tokens[cluster])
        for event in events:
            mirror.apply(event, cluster=other, token=tokens[other])

    at_once, one_by_one = rows_of(cluster), rows_of(other)
    assert [len(rows) for rows in at_once[:2]] == [16, 34]
    assert at_once == one_by_one


@pytest.mark.parametrize("target", [targets.WORKSPACES, targets.PODS])
def test_a_list_at_once_costs_hardly_more_queries_than_one_object(cluster, target):
    token = leases.acquire(cluster, "test")
    mirror.apply(*listed(targets.WORKSPACES, 3), cluster=cluster, token=token)
    few, many = listed(target, 3), listed(target, 45)[3:]

    counts = []
    for events in (few, many):
        with CaptureQueriesContext(connection) as captured:
            mirror.apply(*events, cluster=cluster, token=token)
        counts.append(len(captured))

    assert counts[1] < counts[0] + 12  # SQLite takes so many values in one INSERT


def later(number_of_workspaces, *, version=700):
    """The same workspaces with what the next one's life has come to, as a list tells it."""
    events = []
    for number in range(number_of_workspaces):
        next_one = everything(number + 1)[targets.WORKSPACES][0]
        raw = everything(number)[targets.WORKSPACES][0] | {"status": next_one["status"]}
        raw["metadata"] = raw["metadata"] | {"resourceVersion": str(version + number)}
        events.append(Seen(target=targets.WORKSPACES, raw=raw, listed=True))
    return events


@pytest.mark.postgres
def test_changes_at_once_leave_the_same_rows_as_one_by_one(cluster, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: builders.NOW)
    other = builders.make_cluster("other")
    tokens = {c: leases.acquire(c, "test") for c in (cluster, other)}
    for each, token in tokens.items():
        mirror.apply(*listed(targets.WORKSPACES, 8), cluster=each, token=token)
    before = rows_of(cluster)

    mirror.apply(*later(8), cluster=cluster, token=tokens[cluster])
    for event in later(8):
        mirror.apply(event, cluster=other, token=tokens[other])

    assert rows_of(cluster) == rows_of(other)
    assert rows_of(cluster) != before


def test_changes_at_once_ask_no_more_than_one(cluster):
    token = leases.acquire(cluster, "test")
    mirror.apply(*listed(targets.WORKSPACES, 40), cluster=cluster, token=token)
    asked = []
    for events in (later(1), later(40, version=800)):
        with CaptureQueriesContext(connection) as captured:
            mirror.apply(*events, cluster=cluster, token=token)
        asked.append(sum(query["sql"].startswith("SELECT") for query in captured))

    assert asked[0] == asked[1]


def test_what_is_gone_at_once_asks_no_more_than_one(cluster):
    token = leases.acquire(cluster, "test")
    mirror.apply(*listed(targets.WORKSPACES, 41), cluster=cluster, token=token)
    asked = []
    for left in (40, 0):
        uids = frozenset(f"uid-team-a-ws-{n}" for n in range(left))
        rest = Listed(target=targets.WORKSPACES, uids=uids, namespace="", resource_version="900")
        with CaptureQueriesContext(connection) as captured:
            mirror.apply(rest, cluster=cluster, token=token)
        asked.append(sum(query["sql"].startswith("SELECT") for query in captured))

    assert Workspace.objects.filter(deleted_at=None).count() == 0
    assert asked[1] < asked[0] + 3


def test_recheck_locks_nothing_while_nothing_moves(cluster):
    token = leases.acquire(cluster, "test")
    mirror.apply(*listed(targets.WORKSPACES, 40), cluster=cluster, token=token)
    mirror.recheck(cluster=cluster, token=token)

    with CaptureQueriesContext(connection) as captured:
        mirror.recheck(cluster=cluster, token=token)

    assert len(captured) == 4
    assert {query["sql"].split()[0] for query in captured} == {"SELECT"}


def test_what_never_was_ours_goes_without_a_lock(cluster):
    token = leases.acquire(cluster, "test")

    with CaptureQueriesContext(connection) as captured:
        mirror.apply(Gone(target=targets.JOBS, uid="uid-x"), cluster=cluster, token=token)

    assert len(captured) == 1


def test_sweep_of_many_is_done_in_portions(cluster):
    token = leases.acquire(cluster, "test")
    mirror.apply(*listed(targets.WORKSPACES, 60), cluster=cluster, token=token)
    empty = Listed(
        target=targets.WORKSPACES, uids=frozenset(), namespace="", resource_version="900"
    )

    with CaptureQueriesContext(connection) as captured:
        mirror.apply(empty, cluster=cluster, token=token)

    assert Workspace.objects.filter(deleted_at=None).count() == 0
    fences = [query for query in captured if "watchlease" in query["sql"]]
    assert len(fences) == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others have more than one writer")
def test_a_first_list_leaves_others_room_to_write(real_database, cluster):
    token = leases.acquire(cluster, "test")
    done = threading.Event()

    def fill(prefix):
        raws = [builders.raw_workspace(f"{prefix}-{n}") for n in range(mirror.AT_ONCE)]
        try:
            for version in itertools.count():
                for raw in raws:
                    raw["metadata"]["resourceVersion"] = str(version)
                events = [Seen(target=targets.WORKSPACES, raw=raw, listed=True) for raw in raws]
                mirror.apply(*events, cluster=cluster, token=token)
                if done.is_set():
                    return
        finally:
            connection.close()

    fillers = [threading.Thread(target=fill, args=(prefix,)) for prefix in "abc"]
    for filler in fillers:
        filler.start()
    began = time.monotonic()
    try:
        for _ in range(10):
            Cluster.objects.filter(pk=cluster.pk).update(last_error="written")
        took = time.monotonic() - began
    finally:
        done.set()
        for filler in fillers:
            filler.join()

    assert took < 3
