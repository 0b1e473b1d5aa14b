"""What the watcher says of a cluster that it sees in part only, or that refuses it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters import leases
from clusters.errors import Denied, NotFound, Unreachable
from clusters.models import Cluster
from clusters.targets import PODS, WORKSPACES
from clusters.watching import Alive, Listed, Stale
from tests.workspaces import builders
from workspaces.watcher import pulse
from workspaces.watcher.following import Context
from workspaces.watcher.health import Health

FORBIDDEN = Denied("Forbidden", "No.", 403)
REJECTED = Denied("Unauthorized", "Who?", 401)
DOWN = Unreachable("Refused", "Nobody answers.")
FAILING = Unreachable("InternalError", "Broken.", 500)


@pytest.fixture
def health():
    return Health((WORKSPACES, PODS))


def in_namespace(namespace):
    return replace(WORKSPACES, namespace=namespace)


def listed(namespace=""):
    target = in_namespace(namespace)
    return Listed(target=target, uids=frozenset(), namespace=namespace, resource_version="1")


def stale(error, namespace=""):
    return Stale(target=in_namespace(namespace), error=error, retry_in_s=1)


def written(health):
    cluster = Cluster.objects.first() or builders.make_cluster(state="unknown")
    token = leases.acquire(cluster, "w") or cluster.watch_lease.token
    health.write(cluster, token)
    cluster.refresh_from_db()
    return cluster


@pytest.mark.django_db
def test_health_of_some_namespaces_is_that_of_the_worst(health):
    health.note(stale(FORBIDDEN))
    health.narrow(WORKSPACES, ["b", "a"])
    health.note_pulse(None)
    assert health.namespaces(WORKSPACES) == ("a", "b")

    health.note(listed("a"))
    assert written(health).state == "unknown"  # b is still to come
    health.note(listed("b"))
    cluster = written(health)
    stream = cluster.streams["workspaces"]
    assert (cluster.state, cluster.last_error) == ("ok", "")
    assert (stream["state"], stream["namespaces"]) == ("ok", ["a", "b"])

    health.note(stale(DOWN, "b"))
    assert (written(health).state, written(health).last_error) == ("unreachable", "Nobody answers.")


@pytest.mark.django_db
def test_health_forgets_a_namespace_that_is_no_longer_followed(health):
    health.narrow(WORKSPACES, ["a", "b"])
    health.note(listed("a"))
    health.note(stale(FORBIDDEN, "b"))
    health.narrow(WORKSPACES, ["a"])
    health.note(stale(FORBIDDEN, "b"))  # a last word of its thread
    health.note_pulse(None)

    cluster = written(health)

    assert (cluster.state, cluster.streams["workspaces"]["namespaces"]) == ("ok", ["a"])


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (FORBIDDEN, "denied"),
        (REJECTED, "denied"),
        (NotFound("NotServed", "No.", 404), "kaito-missing"),
    ],
)
@pytest.mark.django_db
def test_refused_pulse_is_told_of_the_workspaces(health, error, state):
    """Their watch may go on for a while, and the server is there."""
    health.note(listed())
    health.note_pulse(error)
    health.note(Alive(target=WORKSPACES))

    cluster = written(health)

    assert cluster.state == state
    told = cluster.streams["workspaces"]
    assert (told["state"], told["status"]) == ("stale", error.status)
    assert cluster.streams["pulse"]["state"] == "ok"
    assert cluster.last_contact_at

    health.note_pulse(None)
    assert (written(health).state, written(health).streams["workspaces"]["state"]) == ("ok", "ok")


@pytest.mark.django_db
def test_polling_is_told(health):
    health.note(Alive(target=WORKSPACES, polling=True))
    health.note(listed())
    assert written(health).streams["workspaces"]["polling"] is True
    health.note(Alive(target=WORKSPACES))
    assert "polling" not in written(health).streams["workspaces"]


@pytest.mark.parametrize(
    ("events", "sleeps"),
    [
        ([listed()], False),
        ([stale(DOWN)], True),
        ([stale(FORBIDDEN)], True),
        ([stale(FAILING)], True),
        ([listed(), Stale(target=PODS, error=DOWN, retry_in_s=1)], True),
        ([listed(), Stale(target=PODS, error=FORBIDDEN, retry_in_s=1)], False),
    ],
)
def test_watches_are_woken_only_from_what_the_pulse_shows_to_be_over(health, events, sleeps):
    for event in events:
        health.note(event)
    assert health.has_sleepers is sleeps


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (None, pulse.PULSE_S),
        (FORBIDDEN, pulse.PULSE_S),
        (NotFound("NotServed", "No.", 404), pulse.PULSE_S),
        (REJECTED, 60),
        (DOWN, pulse.EAGER_S),
        (FAILING, pulse.PULSE_S),
        (Unreachable("TooManyRequests", "Slow.", 429, retry_after_s=20), 20),
    ],
)
def test_pulse_beats_as_fast_as_it_may(error, pause):
    pauses = [pulse._pause_s(error, 60) for _ in range(20)]
    assert pause <= min(pauses) <= max(pauses) <= pause * 1.1


class Scripted:
    """A gateway that answers one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def try_list(self, _target):
        if error := self.answers.pop(0):
            raise error


def test_pulse_asks_again_soon_after_a_first_rejection(health, monkeypatch):
    """A token may be on its way; a minute of "rejected" on the page would be a lie."""
    api = Scripted(REJECTED, REJECTED, None, REJECTED)
    monkeypatch.setattr("clusters.gateway.for_cluster", lambda cluster: api)
    beating = pulse.Pulse(Context(cluster=Cluster(name="c"), health=health, take=lambda _: None))

    rests = []
    for _ in range(4):
        beating._beat()
        rests.append(beating._rest_s())

    assert rests == [pulse.EAGER_S, 60, pulse.PULSE_S, pulse.EAGER_S]
