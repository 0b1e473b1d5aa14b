"""The failure matrix of the watch, rows about the watcher as a whole: its database, its lease, its clock and its end."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import OperationalError, connection

from clusters import leases, services
from clusters.models import Cluster, ClusterKind, ClusterState, WatchLease
from clusters.targets import WORKSPACES
from clusters.watching import Seen
from sandbox.kubeconfig import kubeconfig
from tests.faults import matrix
from tests.faults.matrix import QUICK, wait_for
from tests.knobs import WORKSPACE_WATCHES
from tests.wires import Wire
from tests.workspaces.conftest import _template, real_database  # noqa: F401 - fixtures
from workspaces import mirror
from workspaces.models import Transition, Workspace
from workspaces.watcher import following, pulse
from workspaces.watcher.session import Session
from workspaces.watcher.supervising import Supervisor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("real_database"), *matrix.MARKS]

WORKSPACE_PATHS = {"path": "/workspaces", "user": "system:serviceaccount:kaitoweb:kaitoweb"}


@pytest.fixture(autouse=True)
def _paces(monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(pulse, "PULSE_S", 0.1)
    monkeypatch.setattr(pulse, "EAGER_S", 0.05)
    monkeypatch.setattr(following, "RETRY_S", 0.05)
    monkeypatch.setattr("workspaces.watcher.session.RETRY_S", 0.05)


def connected(ground, *, endpoint="", token=""):
    sandbox = ground.sandbox
    text = kubeconfig(
        endpoint or ground.endpoint,
        "kaitoweb",
        token or sandbox.tokens["kaitoweb"],
        sandbox.cluster.certificate.authority_pem,
    )
    return services.ensure_cluster(name="field", kind=ClusterKind.SANDBOX, kubeconfig_text=text)


@contextmanager
def session(ground, *, timing=QUICK, targets=(WORKSPACES,)):
    cluster = connected(ground)
    made = Session(cluster, leases.acquire(cluster, "test"), targets, timing)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.join(3)


def rows():
    return dict(Workspace.objects.filter(deleted_at=None).values_list("uid", "resource_version"))


def is_level(ground):
    return rows() == ground.objects()


def settled(ground):
    wait_for(lambda: ground.watches() and is_level(ground))


def state_of(running):
    running.write_health()
    return Cluster.objects.get().state


def wait_state(running, state, words=""):
    wait_for(
        lambda: state_of(running) == state and words in Cluster.objects.get().last_error,
        f"not {state} {words}",
    )


def test_row02_silent_cluster_is_called_unreachable_and_nothing_is_lost(ground):
    ground.create("a")
    with session(ground) as running:
        settled(ground)
        wait_state(running, ClusterState.OK)
        ground.knobs.freeze(match=WORKSPACE_PATHS)
        ground.wire.cut()
        ground.wire.refuse()
        wait_state(running, ClusterState.UNREACHABLE, "Nothing answers")
        ground.create("b")
        assert len(rows()) == 1
        ground.knobs.reset()
        ground.wire.accept()
        wait_for(lambda: is_level(ground))
        wait_state(running, ClusterState.OK)


def test_row11_rejected_credentials_are_told_and_new_ones_tried_at_once(ground):
    ground.create("a")
    tokens = ground.sandbox.cluster.authority.tokens
    before = tokens["kaitoweb"]
    connected(ground)
    supervisor = Supervisor()
    try:
        supervisor.step()
        settled(ground)
        (running,) = supervisor._sessions.values()
        tokens["kaitoweb"] = "another-token"
        ground.wire.cut()
        wait_state(running, ClusterState.DENIED, "does not accept kaitoweb's credentials")
        assert len(rows()) == 1
        ground.create("b")

        connected(ground)
        supervisor.step()

        wait_for(lambda: is_level(ground))
        (running,) = supervisor._sessions.values()
        wait_state(running, ClusterState.OK)
    finally:
        tokens["kaitoweb"] = before
        supervisor._end(list(supervisor._sessions))


def test_row12_right_lost_and_found_again(ground):
    """Noticed by the pulse although the watch that is open goes on; rows are kept; no restart is needed."""
    ground.create("a", "b")
    with session(ground, timing=replace(QUICK, denied_s=60, idle_s=60)) as running:
        settled(ground)
        wait_state(running, ClusterState.OK)
        ground.knobs.fail(403, reason="Forbidden", message="No.", match=WORKSPACE_PATHS)
        wait_state(running, ClusterState.DENIED)
        stream = Cluster.objects.get().streams["workspaces"]
        assert (stream["state"], stream["status"]) == ("stale", 403)

        ground.knobs.cut(match=WORKSPACE_WATCHES)
        wait_for(lambda: running.health._kinds["workspaces"].worst.error)
        ground.delete("a")
        assert len(rows()) == 2

        ground.knobs.reset()
        wait_for(lambda: is_level(ground))
        wait_state(running, ClusterState.OK)


def test_row13_kind_removed_and_back(ground):
    ground.create("a", "b")
    with session(ground, timing=replace(QUICK, not_served_s=60)) as running:
        settled(ground)
        ground.knobs.fail(404, body="404 page not found\n", match=WORKSPACE_PATHS)
        ground.knobs.cut(match=WORKSPACE_WATCHES)
        wait_state(running, ClusterState.KAITO_MISSING)
        wait_for(lambda: running.health._kinds["workspaces"].worst.error)
        ground.delete("a")
        assert len(rows()) == 2

        ground.knobs.reset()
        wait_for(lambda: is_level(ground))
        wait_state(running, ClusterState.OK)


def test_row14_rows_follow_a_restored_cluster(ground):
    timing = replace(QUICK, watch_s=(1, 1), check_s=(0, 0), idle_s=5)
    ground.create("a", "b")
    backup = ground.backup()
    ground.sandbox.call(lambda cluster: cluster.store.resume(cluster.store.version + 1000))
    ground.change("a", newer="yes")
    ground.create("c")
    with session(ground, timing=timing):
        settled(ground)
        with ground.away():
            ground.restore(backup)
        wait_for(lambda: is_level(ground))
        ground.change("a", restored="yes")
        wait_for(lambda: is_level(ground))


def test_row15_doubled_and_swapped_events_are_written_once(ground):
    ground.create("a")
    with session(ground):
        settled(ground)
        before = set(Transition.objects.values_list("pk", flat=True))
        ground.knobs.watch(match=WORKSPACE_WATCHES, duplicate_next=3, reorder_next=2)
        for number in range(4):
            ground.change("a", number=str(number))
        ground.create("b")
        wait_for(lambda: is_level(ground))
    made = Transition.objects.exclude(pk__in=before)
    told = list(made.values_list("workspace_uid", "subject", "before", "after", "reason"))
    assert len(told) == len(set(told))
    assert {uid for uid, *_ in told} == {ground.uid("b")}


@pytest.mark.parametrize("lost", ["a new object", "a change", "a deletion"])
def test_lost_event_is_found_by_comparison(ground, lost):
    """F16: nothing tells that the watch has lost it; the next comparison does."""
    ground.create("a")
    ground.knobs.bookmarks(period_s=0.05)
    timing = replace(QUICK, watch_s=(1, 1), idle_s=5, check_s=(0, 0))
    with session(ground, timing=timing):
        settled(ground)
        ground.knobs.watch(match=WORKSPACE_WATCHES, drop_next=1)
        {
            "a new object": lambda: ground.create("b"),
            "a change": lambda: ground.change("a", changed="yes"),
            "a deletion": lambda: ground.delete("a"),
        }[lost]()
        wait_for(lambda: is_level(ground))
    assert ground.lists() == 2


def test_row18_only_one_of_two_watchers_writes(ground):
    """The lease passes on, and the former holder's next write ends it."""
    ground.create("a")
    with session(ground) as former:
        settled(ground)
        WatchLease.objects.update(expires_at=None)
        with session(ground) as latter:
            assert latter.token == former.token + 1
            ground.create("b")
            assert former.lost.wait(matrix.WAIT_S)
            wait_for(lambda: not any(thread.is_alive() for thread in former._threads))
            wait_for(lambda: is_level(ground))
            assert not latter.lost.is_set()


def test_row19_database_away(ground, monkeypatch):
    """Events wait where they are, in the stream, and none is lost."""
    ground.create("a")
    apply, away, tried = mirror.apply, threading.Event(), threading.Event()

    def refused(*events, **options):
        if away.is_set():
            if isinstance(events[0], Seen):
                tried.set()
            raise OperationalError("the database is away")
        apply(*events, **options)

    monkeypatch.setattr(mirror, "apply", refused)
    monkeypatch.setattr("workspaces.watcher.session.RETRY_S", 0.1)
    with session(ground):
        settled(ground)
        away.set()
        ground.create("first")
        wait_for(tried.is_set)
        for number in range(20):
            ground.change("a", number=str(number))
        ground.create("b")
        ground.delete("b")
        ground.create("c")
        away.clear()
        wait_for(lambda: is_level(ground))
    assert ground.lists() == 1  # it needed no comparison to find out


def test_row20_clock_jumps(ground, monkeypatch):
    """Neither way does it end a watch, or begin a list."""
    ground.create("a")
    real = time.time
    with session(ground) as running:
        settled(ground)
        for hours in (1, -1):
            monkeypatch.setattr(time, "time", lambda hours=hours: real() + hours * 3600)
            ground.change("a", hours=str(hours))
            wait_for(lambda: is_level(ground))
        assert state_of(running) == ClusterState.OK
    assert (ground.lists(), len(ground.watches())) == (1, 1)


def test_row21_stops_soon_and_goes_on_where_it_was(ground, monkeypatch):
    """What the rows hold is what a next watcher knows: it is not told again."""
    ground.create("a", "b")
    with session(ground) as running:
        settled(ground)
        began = time.monotonic()
        running.stop()
        running.join(2)
        assert time.monotonic() - began < 2
        assert not [t for t in threading.enumerate() if t.name.startswith("watch-field")]
    ground.change("b", changed="yes")
    seen, apply = [], mirror.apply

    def noted(*events, **options):
        seen.extend(e.raw["metadata"]["name"] for e in events if isinstance(e, Seen))
        apply(*events, **options)

    monkeypatch.setattr(mirror, "apply", noted)
    WatchLease.objects.update(expires_at=None)
    with session(ground):
        wait_for(lambda: is_level(ground))
    assert seen == ["b"]


def test_row22_address_edited_while_streaming(ground):
    ground.create("a")
    connected(ground)
    supervisor = Supervisor()
    with Wire(ground.wire.target) as other:
        try:
            supervisor.step()
            settled(ground)
            ground.wire.refuse()
            connected(ground, endpoint="https://{}:{}".format(*other.address))
            ground.create("b")

            supervisor.step()

            wait_for(lambda: is_level(ground))
            assert other.accepted > 0
        finally:
            supervisor._end(list(supervisor._sessions))


def test_watch_is_back_as_soon_as_the_server_is(ground):
    """F13: however long the pauses have become, the pulse ends them."""
    ground.create("a")
    timing = replace(QUICK, backoff_s=60, longest_unheard_s=120)
    with session(ground, timing=timing) as running:
        settled(ground)
        with ground.away():
            wait_for(lambda: running.health._kinds["workspaces"].worst.error)
            wait_state(running, ClusterState.UNREACHABLE)
            ground.create("b")
        wait_for(lambda: is_level(ground))


def test_row13_definition_deleted_and_installed_again(ground):
    """As an uninstalled KAITO: the cluster deletes the objects with their kind, and says so."""
    ground.create("a")
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with session(ground) as running, ground.admin() as admin:
        settled(ground)
        definition = admin.get(f"{path}/workspaces.kaito.sh").json()
        assert admin.delete(f"{path}/workspaces.kaito.sh").status_code == 200
        wait_state(running, ClusterState.KAITO_MISSING)
        wait_for(lambda: rows() == {})

        metadata = {"name": "workspaces.kaito.sh"}
        made = admin.post(path, json={**definition, "metadata": metadata})
        assert made.status_code == 201
        wait_state(running, ClusterState.OK)
        ground.create("b")
        wait_for(lambda: is_level(ground))


@pytest.mark.timeout(200)
def test_thousand_rows_survive_an_expired_version(ground):
    """F14: a relist of all, in which the rows never look fewer than they are. bench/ measures it with five thousand."""
    names = [f"w{number}" for number in range(1000)]
    ground.create(*names)
    with session(ground):
        wait_for(lambda: len(rows()) == 1000, limit_s=150)
        fewest, over = [1000], threading.Event()
        counting = threading.Thread(target=_count, args=(fewest, over))
        with ground.away():
            ground.delete(*names[:5])
            ground.create("x", "y")
            ground.knobs.compact()
            counting.start()
        wait_for(lambda: is_level(ground))
        over.set()
        counting.join()
    assert ground.lists() == 4  # two pages each
    assert min(fewest) >= 995


def _count(fewest, over):
    while not over.wait(0.05):
        fewest.append(len(rows()))
    connection.close()
