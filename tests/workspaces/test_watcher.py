"""The watcher in this process, against the sandbox over loopback and a database in a file."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError

from clusters import gateway, leases, services
from clusters.errors import Denied, NotFound, Unreachable
from clusters.models import Cluster, ClusterKind, ClusterState, WatchLease
from clusters.targets import NAMESPACES, NODECLAIMS, PODS, WORKSPACES
from clusters.watching import Alive, Listed, Seen, Stale
from tests.servers import run_sandbox
from tests.workspaces import builders
from tests.workspaces.conftest import wait_until
from workspaces import mirror
from workspaces.models import Workspace
from workspaces.watcher import session
from workspaces.watcher.health import Health
from workspaces.watcher.supervising import Supervisor


@pytest.fixture(autouse=True)
def announced(monkeypatch):
    topics = []
    monkeypatch.setattr("workspaces.feed.publish", lambda *given: topics.extend(given))
    return topics


def connect(sandbox, name="sandbox"):
    return services.ensure_cluster(
        name=name, kind=ClusterKind.SANDBOX, kubeconfig_text=sandbox.kubeconfig("kaitoweb")
    )


@contextmanager
def supervising():
    supervisor = Supervisor()
    try:
        yield supervisor
    finally:
        supervisor._end(list(supervisor._sessions))


def watch_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("watch-")]


def manifest(name="phi-4"):
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name, "namespace": "default"},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": "phi-4"}},
    }


def create(cluster, name):
    gateway.for_cluster(cluster).create(WORKSPACES, manifest(name))


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox(speed=1) as running:
        yield running


def test_supervisor_mirrors_the_cluster_and_says_how_it_is(real_database, sandbox):
    cluster = connect(sandbox)
    with supervising() as supervisor:
        supervisor.step()
        wait_until(lambda: Cluster.objects.get().namespaces)
        create(cluster, "seen-live")

        row = wait_until(lambda: Workspace.objects.filter(name="seen-live").first())
        supervisor._health_at = 0
        supervisor.step()

    assert row.cluster == cluster
    cluster.refresh_from_db()
    assert cluster.state == ClusterState.OK
    assert cluster.last_list_at <= cluster.last_contact_at
    assert cluster.streams["workspaces"]["state"] == "ok"
    assert "default" in cluster.namespaces
    assert cluster.capabilities["kubernetes_version"]


def test_supervisor_stands_by_while_another_holds_the_lease(real_database, sandbox):
    cluster = connect(sandbox)
    leases.acquire(cluster, "other")
    with supervising() as supervisor:
        supervisor.step()

        assert supervisor._sessions == {}

        WatchLease.objects.update(expires_at=builders.NOW.replace(year=2020))
        supervisor.step()
        assert list(supervisor._sessions) == [cluster.pk]


def test_supervisor_stops_when_its_lease_is_lost(real_database, sandbox):
    cluster = connect(sandbox)
    with supervising() as supervisor:
        supervisor.step()
        WatchLease.objects.update(holder="other", token=99)
        supervisor._renewed_at[cluster.pk] = 0

        supervisor.step()
        wait_until(lambda: not watch_threads())
        supervisor.step()

        assert supervisor._sessions == {}
    assert WatchLease.objects.values_list("holder", "token").get() == ("other", 99)


def test_session_stops_by_itself_when_fenced_out(real_database, sandbox):
    cluster = connect(sandbox)
    with supervising() as supervisor:
        supervisor.step()
        (watched,) = supervisor._sessions.values()
        wait_until(lambda: watched.health._kinds["workspaces"].worst.state == "ok")
        WatchLease.objects.update(token=99)

        create(cluster, "too-late")

        assert watched.lost.wait(3)
    assert not Workspace.objects.filter(name="too-late").exists()


def test_supervisor_begins_anew_when_the_connection_was_edited(real_database, sandbox):
    cluster = connect(sandbox)
    with supervising() as supervisor:
        supervisor.step()
        (first,) = supervisor._sessions.values()
        Cluster.objects.update(revision=7)

        supervisor.step()

        (second,) = supervisor._sessions.values()
        assert second is not first
        assert (second.cluster.revision, second.token) == (7, first.token + 1)
    assert cluster.pk == second.cluster.pk


def test_supervisor_lets_go_of_a_disconnected_cluster(real_database, sandbox):
    connect(sandbox)
    with supervising() as supervisor:
        supervisor.step()
        Cluster.objects.update(disconnected_at=builders.NOW)

        supervisor.step()

        assert (supervisor._sessions, watch_threads()) == ({}, [])
    assert WatchLease.objects.get().holder == ""


def test_supervisor_stops_within_two_seconds_and_releases(real_database, sandbox):
    connect(sandbox)
    supervisor = Supervisor()
    supervisor.start()
    wait_until(lambda: WatchLease.objects.exclude(holder="").exists())

    supervisor.stop()

    assert watch_threads() == []
    assert WatchLease.objects.get().holder == ""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_supervisor_stops_although_the_cluster_is_silent(real_database, sandbox, scheme):
    """In the middle of a handshake threads are left to the end of the process; they write nothing."""
    cluster = connect(sandbox)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        Cluster.objects.update(endpoint=f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
        supervisor = Supervisor()
        supervisor.start()
        wait_until(lambda: len(watch_threads()) == len(session.TARGETS) + 2 + 1)
        time.sleep(0.2)
        began = time.monotonic()

        supervisor.stop()

        assert time.monotonic() - began < 4  # a request would last ten
        if scheme == "http":
            wait_until(lambda: not watch_threads())
    wait_until(lambda: not watch_threads())
    assert WatchLease.objects.get(cluster=cluster).holder == ""


def test_event_is_tried_again_while_the_database_is_away(real_database, sandbox, monkeypatch):
    cluster = connect(sandbox)
    monkeypatch.setattr(session, "RETRY_S", 0.01)
    apply, failures = mirror.apply, [OperationalError("locked"), OperationalError("locked")]

    def flaky(*events, **options):
        if isinstance(events[0], Seen) and failures:
            raise failures.pop()
        apply(*events, **options)

    monkeypatch.setattr(mirror, "apply", flaky)
    create(cluster, "late-but-there")
    with supervising() as supervisor:
        supervisor.step()

        wait_until(lambda: Workspace.objects.filter(name="late-but-there").exists())
    assert failures == []


def test_credentials_that_cannot_be_opened_are_told(real_database, sandbox):
    cluster = connect(sandbox)
    Cluster.objects.update(sealed_credentials="sealed under a former key")
    with supervising() as supervisor:
        supervisor.step()
        (watched,) = supervisor._sessions.values()
        wait_until(lambda: watched.health._refusal.error)
        watched.write_health()

    cluster.refresh_from_db()
    words = "The stored credentials cannot be opened; was SECRET_KEY changed?"
    assert (cluster.state, cluster.last_error) == (ClusterState.DENIED, words)


def test_odd_event_does_not_hide_the_others(real_database, sandbox, monkeypatch, caplog):
    cluster = connect(sandbox)
    apply = mirror.apply

    def picky(*events, **options):
        names = [e.raw["metadata"]["name"] for e in events if isinstance(e, Seen)]
        if "odd-one" in names:
            raise ValueError("odd")
        apply(*events, **options)

    monkeypatch.setattr(mirror, "apply", picky)
    create(cluster, "odd-one")
    create(cluster, "plain-one")
    with supervising() as supervisor:
        supervisor.step()

        wait_until(lambda: Workspace.objects.filter(name="plain-one").exists())
    assert not Workspace.objects.filter(name="odd-one").exists()
    assert "An object of workspaces was skipped" in caplog.messages


def health_after(*events, pulse=None):
    health = Health((WORKSPACES, PODS, NODECLAIMS))
    for event in events:
        health.note(event)
    health.note_pulse(pulse)
    return health


def stale(target, error):
    return Stale(target=target, error=error, retry_in_s=1)


LISTED = Listed(target=WORKSPACES, uids=frozenset(), namespace="", resource_version="1")
DOWN = Unreachable("Refused", "Nobody answers.")


@pytest.mark.parametrize(
    ("events", "pulse", "state", "words"),
    [
        ([], None, "unknown", ""),
        ([LISTED], None, "ok", ""),
        ([LISTED, Alive(target=WORKSPACES)], None, "ok", ""),
        ([LISTED, stale(WORKSPACES, DOWN)], None, "unreachable", "Nobody answers."),
        ([LISTED, stale(WORKSPACES, DOWN), Alive(target=WORKSPACES)], None, "ok", ""),
        ([LISTED], DOWN, "unreachable", "Nobody answers."),
        ([stale(WORKSPACES, Denied("Forbidden", "No.", 403))], None, "denied", "No."),
        ([stale(WORKSPACES, NotFound("NotServed", "No.", 404))], None, "kaito-missing", "No."),
        ([LISTED, stale(NODECLAIMS, NotFound("NotServed", "No.", 404))], None, "ok", ""),
    ],
)
@pytest.mark.django_db
def test_health_sums_up_what_was_heard(events, pulse, state, words):
    cluster = builders.make_cluster(state="unknown")
    token = leases.acquire(cluster, "w")

    health_after(*events, pulse=pulse).write(cluster, token)

    cluster.refresh_from_db()
    assert (cluster.state, cluster.last_error) == (state, words)


@pytest.mark.django_db
def test_health_announces_more_than_the_clock(announced, django_capture_on_commit_callbacks):
    cluster = builders.make_cluster()
    token = leases.acquire(cluster, "w")
    health = health_after(LISTED)

    def write():
        announced.clear()
        with django_capture_on_commit_callbacks(execute=True):
            health.write(cluster, token)
        return list(announced)

    assert write() == ["clusters"]
    health.note(Alive(target=WORKSPACES))
    assert write() == []
    health.note(stale(PODS, DOWN))
    assert write() == ["clusters"]


@pytest.mark.django_db
def test_health_writes_over_what_others_wrote_meanwhile():
    cluster = builders.make_cluster()
    token = leases.acquire(cluster, "w")
    health = health_after(stale(WORKSPACES, DOWN))
    health.write(cluster, token)
    Cluster.objects.update(state="ok")

    health.write(cluster, token)

    assert Cluster.objects.get().state == "unreachable"


@pytest.mark.django_db
def test_health_of_a_former_holder_is_not_written():
    cluster = builders.make_cluster()
    token = leases.acquire(cluster, "w")

    with pytest.raises(leases.Lost):
        health_after(LISTED).write(cluster, token - 1)


@pytest.mark.django_db
def test_health_keeps_the_time_of_the_first_error():
    cluster = builders.make_cluster()
    token = leases.acquire(cluster, "w")
    health = health_after(stale(WORKSPACES, DOWN))
    health.write(cluster, token)
    first = Cluster.objects.get().last_error_at

    health.write(cluster, token)

    assert Cluster.objects.get().last_error_at == first


def test_targets_are_those_that_kaito_makes():
    assert [t.plural for t in session.TARGETS] == [
        "workspaces",
        "pods",
        "services",
        "statefulsets",
        "deployments",
        "jobs",
        "nodeclaims",
        "events",
    ]
    assert NAMESPACES not in session.TARGETS
