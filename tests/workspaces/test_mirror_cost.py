"""What one event costs: it must not depend on how many rows the cluster has."""

import copy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clusters import leases, targets
from clusters.watching import Seen
from tests.workspaces import builders
from workspaces import mirror

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
