"""A cluster that does not answer holds one thread of a worker, and not all."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.people import Caller
from clusters.errors import Unreachable
from clusters.models import Cluster, ClusterState
from tests.workspaces import builders, memory
from tests.workspaces.builders import SPEC
from workspaces import operations, services
from workspaces.models import Operation
from workspaces.operations import carrying
from workspaces.operations.turns import FOR_ONE_CLUSTER, FOR_SUSPECTS, Turns
from workspaces.types import OperationStatus

SILENT = Unreachable("Timeout", "No answer.")
BUSY = Unreachable("TooManyRequests", "Slow down.", 429)


def cluster(number, **values):
    return Cluster(pk=number, **values)


def granted(turns, *clusters):
    """How each fares while the former ones go on."""
    if not clusters:
        return []
    with turns.turn(clusters[0]) as first:
        return [first, *granted(turns, *clusters[1:])]


def test_one_cluster_leaves_a_thread_to_others():
    turns = Turns()
    asked = [cluster(1)] * (FOR_ONE_CLUSTER + 1) + [cluster(2)]
    assert granted(turns, *asked) == [True] * FOR_ONE_CLUSTER + [False, True]
    assert granted(turns, *asked[:-2]) == [True] * FOR_ONE_CLUSTER


def test_suspects_share_one_thread():
    turns = Turns()
    turns.heard(cluster(1), SILENT)
    down = cluster(2, state=ClusterState.UNREACHABLE)
    asked = [cluster(1), cluster(1), down, cluster(3)]
    assert granted(turns, *asked) == [True, False, False, True]
    assert FOR_SUSPECTS == 1


@pytest.mark.parametrize(
    ("error", "seconds", "is_suspect"),
    [
        (SILENT, -1, True),
        (SILENT, None, True),
        (SILENT, +1, False),
        (BUSY, -1, False),
        (None, -1, False),
    ],
    ids=["silent", "never heard", "heard by the watch since", "busy", "well"],
)
def test_suspicion_ends_with_a_sign_of_life(error, seconds, is_suspect):
    turns = Turns()
    turns.heard(cluster(1), SILENT)
    turns.heard(cluster(1), error)
    contact = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    seen = cluster(1, last_contact_at=contact)
    assert granted(turns, seen, seen) == [True, not is_suspect]


@pytest.mark.django_db
def test_crowded_operation_waits_and_is_no_attempt(dora, monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(carrying, "turns", Turns())
    api = memory.use(monkeypatch, memory.MemoryGateway())
    down = builders.make_cluster(state=ClusterState.UNREACHABLE)
    wish = services.deploy_workspace(SPEC, cluster=down, by=Caller(person=dora), key="k")
    with carrying.turns.turn(down):
        operations.carry_out(wish.pk)
    wish.refresh_from_db()
    assert (wish.status, wish.attempts, wish.error) == ("queued", 0, carrying.CROWDED)
    assert api.writes == []

    Operation.objects.update(not_before=None)
    operations.carry_out(wish.pk)
    wish.refresh_from_db()
    assert (wish.status, len(api.writes)) == (OperationStatus.SUCCEEDED, 1)
