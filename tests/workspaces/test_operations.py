"""One wish, carried out once, whatever happens to the worker, the answer or the broker."""

import time
import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.people import Caller
from audit.models import Entry
from clusters.errors import Conflict, Denied, Invalid, NotFound, Unreachable
from clusters.models import Cluster
from kaitoweb.celery import app, broker_url
from tests.workspaces import builders, memory
from tests.workspaces.builders import SPEC
from workspaces import feed, operations, services
from workspaces.models import Operation
from workspaces.operations import heartbeats, states, sweeping
from workspaces.operations.states import Ending
from workspaces.types import OperationStatus

pytestmark = pytest.mark.django_db

LOST_ANSWER = Unreachable("Timeout", "The cluster did not answer in time.", outcome_unknown=True)
TIMED_OUT = Unreachable("Timeout", "The cluster took too long.", 504, outcome_unknown=True)
BUSY = Unreachable("TooManyRequests", "The cluster is busy.", 429, retry_after_s=7)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Neither broker nor pub/sub here."""
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)


@pytest.fixture
def sent(monkeypatch):
    """Ids that the sweep sent to workers."""
    ids = []
    monkeypatch.setattr(sweeping, "dispatch", lambda *given: ids.extend(given) or True)
    return ids


@pytest.fixture
def api(monkeypatch):
    return memory.use(monkeypatch, memory.MemoryGateway())


@pytest.fixture
def wish(dora):
    cluster = builders.make_cluster()
    return services.deploy_workspace(SPEC, cluster=cluster, by=Caller(person=dora), key="k")


def deletion(dora, api, uid=""):
    cluster = builders.make_cluster()
    made = api.create(None, builders.raw_workspace())
    workspace = builders.make_workspace(cluster=cluster, uid=uid or made["metadata"]["uid"])
    api.writes.clear()
    return services.delete_workspace(workspace, by=Caller(person=dora), key="k")


def make_due(operation):
    Operation.objects.filter(pk=operation.pk).update(not_before=None)


def outcomes():
    return list(Entry.objects.order_by("seq").values_list("outcome", flat=True))


def status(operation):
    operation.refresh_from_db()
    return operation.status


def test_carry_out_creates_what_was_asked(api, wish):
    operations.carry_out(wish.pk)

    made = api.objects["team-a", "phi-4"]
    assert status(wish) == "succeeded"
    assert {k: v for k, v in made["metadata"].items() if k not in {"uid", "resourceVersion"}} == (
        wish.manifest["metadata"]
    )
    assert (wish.uid, wish.attempts, wish.error) == ("uid-1", 1, "")
    assert wish.created_at <= wish.started_at <= wish.finished_at


def test_end_is_announced_only_after_its_commit(
    api, wish, monkeypatch, django_capture_on_commit_callbacks
):
    """A page that asked sooner would read "running", and not ask again."""
    running, announced = states.mark_running(wish.pk, worker="w"), []
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: announced.extend(topics))
    with django_capture_on_commit_callbacks() as callbacks:
        states.mark_finished(running, Ending(status=OperationStatus.SUCCEEDED, uid="uid-1"))

    assert (announced, len(callbacks)) == ([], 1)
    callbacks[0]()
    assert announced == [f"operation-{wish.pk}", "workspaces"]


def test_carry_out_leaves_one_outcome_entry_beside_the_request(api, wish):
    operations.carry_out(wish.pk)

    assert outcomes() == ["requested", "succeeded"]
    entry = Entry.objects.get(outcome="succeeded")
    assert (entry.action, entry.operation_id, entry.uid) == ("workspace.create", wish.pk, "uid-1")
    assert (entry.actor_name, entry.actor_key) == ("dora", f"u{wish.person.pk}")
    assert entry.detail == {"error": "", "cluster_said": "", "attempts": 1}
    assert entry.duration_ms >= 0


def test_carry_out_twice_changes_the_cluster_once(api, wish):
    operations.carry_out(wish.pk)
    operations.carry_out(wish.pk)

    assert api.writes == [("create", "phi-4")]
    assert outcomes() == ["requested", "succeeded"]


def test_of_two_workers_that_saw_it_waiting_one_takes_it(api, wish):
    """Both read the row before either took it: the update decides."""
    first = states.mark_running(wish.pk, worker="first")

    assert first.taken_by == "first"
    assert states.mark_running(wish.pk, worker="second") is None


def test_finished_wish_is_not_taken_again(api, wish):
    operations.carry_out(wish.pk)

    assert states.mark_running(wish.pk, worker="late") is None
    assert status(wish) == "succeeded"


def test_carry_out_leaves_what_another_has_taken(api, wish):
    states.mark_running(wish.pk, worker="another")

    operations.carry_out(wish.pk)

    assert (status(wish), wish.taken_by, api.writes) == ("running", "another", [])


def test_carry_out_ignores_an_unknown_id(api):
    operations.carry_out(uuid.uuid4())

    assert api.writes == []


def test_carry_out_waits_until_it_is_due(api, wish):
    Operation.objects.filter(pk=wish.pk).update(not_before=timezone.now() + timedelta(seconds=30))

    operations.carry_out(wish.pk)

    assert (status(wish), api.writes) == ("queued", [])


def test_carry_out_fails_when_another_has_the_name(api, wish):
    api.create(None, builders.raw_workspace())

    operations.carry_out(wish.pk)

    assert status(wish) == "failed"
    assert wish.error == "A workspace phi-4 exists already in team-a."
    assert outcomes() == ["requested", "failed"]


def test_carry_out_says_when_the_name_is_still_being_deleted(api, wish):
    metadata = {"deletionTimestamp": builders.stamp(builders.NOW)}
    api.create(None, builders.raw_workspace(metadata=metadata))

    operations.carry_out(wish.pk)

    assert status(wish) == "failed"
    assert wish.error == "A workspace phi-4 is still being deleted in team-a."


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (Invalid("BadRequest", "KAITO refuses it.", 400, "admission webhook …"), "refused"),
        (Denied("Forbidden", "Not allowed.", 403, "admission webhook …"), "refused"),
        (NotFound("NotServed", "KAITO is not installed.", 404, "admission webhook …"), "failed"),
        (Conflict("Conflict", "In the way.", 409, "admission webhook …", kind="owned"), "failed"),
    ],
)
def test_carry_out_ends_at_once_with_our_sentence_and_theirs(api, wish, error, ending):
    api.script = [error]

    operations.carry_out(wish.pk)

    assert status(wish) == ending
    assert (wish.error, wish.error_detail) == (error.message, "admission webhook …")
    assert outcomes() == ["requested", ending]
    assert Entry.objects.get(outcome=ending).detail == {
        "error": error.message,
        "cluster_said": "admission webhook …",
        "attempts": 1,
    }


def test_carry_out_fails_on_a_disconnected_cluster(api, wish):
    wish.cluster.disconnected_at = timezone.now()
    wish.cluster.save(update_fields=["disconnected_at"])

    operations.carry_out(wish.pk)

    assert (status(wish), wish.error) == ("failed", "The cluster sandbox was disconnected.")
    assert api.writes == []


def test_wish_waits_for_a_sign_in_that_has_expired(api, wish):
    api.script = [Denied("Unauthorized", "The cluster does not accept the sign-in.", 401)]

    operations.carry_out(wish.pk)
    waiting = (status(wish), wish.error, outcomes())
    make_due(wish)
    operations.carry_out(wish.pk)

    assert waiting == ("queued", "The cluster does not accept the sign-in.", ["requested"])
    assert (status(wish), outcomes()) == ("succeeded", ["requested", "succeeded"])


def test_unreachable_cluster_is_tried_again_later(api, wish):
    api.script = [LOST_ANSWER]

    operations.carry_out(wish.pk)

    assert (status(wish), wish.attempts) == ("queued", 1)
    assert wish.error == "The cluster did not answer in time."
    assert 0.5 < (wish.not_before - timezone.now()).total_seconds() <= 1
    assert outcomes() == ["requested"]

    make_due(wish)
    operations.carry_out(wish.pk)

    assert (status(wish), wish.attempts, wish.error) == ("succeeded", 2, "")
    assert outcomes() == ["requested", "succeeded"]


@pytest.mark.parametrize(
    ("attempts", "error", "delay_s"),
    [(0, LOST_ANSWER, 1), (2, LOST_ANSWER, 4), (8, LOST_ANSWER, 30), (0, BUSY, 7), (4, BUSY, 16)],
)
def test_unreachable_cluster_is_left_alone_longer_each_time(api, wish, attempts, error, delay_s):
    Operation.objects.filter(pk=wish.pk).update(attempts=attempts)
    api.script = [error]

    operations.carry_out(wish.pk)

    wish.refresh_from_db()
    assert (wish.not_before - timezone.now()).total_seconds() == pytest.approx(delay_s, abs=0.5)


def test_unreachable_cluster_is_given_up_after_ten_minutes(api, wish):
    Operation.objects.filter(pk=wish.pk).update(
        attempts=20, started_at=timezone.now() - timedelta(minutes=9, seconds=45)
    )
    api.script = [LOST_ANSWER]

    operations.carry_out(wish.pk)

    assert status(wish) == "failed"
    assert wish.error == (
        "The cluster did not answer in time. Given up after 21 attempts. "
        "It may have been carried out all the same: look before you ask for it again."
    )
    assert outcomes() == ["requested", "failed"]


@pytest.mark.parametrize("error", [LOST_ANSWER, TIMED_OUT], ids=["no answer", "504"])
def test_lost_answer_of_a_creation_is_recognised_by_the_operation_id(api, wish, error):
    api.script = [(error, "after")]
    operations.carry_out(wish.pk)
    make_due(wish)

    operations.carry_out(wish.pk)

    assert (status(wish), wish.uid) == ("succeeded", "uid-1")
    assert api.writes == [("create", "phi-4")]


def test_lost_answer_of_a_creation_is_recognised_in_the_mirror_when_the_object_is_gone(api, wish):
    api.script = [(LOST_ANSWER, "after")]
    operations.carry_out(wish.pk)
    make_due(wish)
    builders.make_workspace(
        cluster=wish.cluster, uid="uid-1", story="gone", fields={"operation_id": wish.pk}
    )
    api.objects.clear()

    operations.carry_out(wish.pk)

    assert (status(wish), wish.uid) == ("succeeded", "uid-1")
    assert api.writes == [("create", "phi-4")]


def test_conflict_with_the_own_object_is_a_success(api, wish):
    api.create(None, wish.manifest)
    api.writes.clear()

    operations.carry_out(wish.pk)

    assert (status(wish), wish.uid) == ("succeeded", "uid-1")
    assert api.writes == [("create", "phi-4")]


def test_conflict_with_an_object_that_is_gone_again_stays_a_conflict(api, wish):
    api.script = [Conflict("AlreadyExists", "It exists.", kind="exists")]

    operations.carry_out(wish.pk)

    assert (status(wish), wish.error) == ("failed", "It exists.")


def test_carry_out_deletes_by_uid(api, dora):
    wish = deletion(dora, api)

    operations.carry_out(wish.pk)

    assert (status(wish), api.objects) == ("succeeded", {})
    assert outcomes() == ["requested", "succeeded"]


def test_deleting_what_is_gone_is_a_success(api, dora):
    wish = deletion(dora, api)
    api.objects.clear()

    operations.carry_out(wish.pk)

    assert status(wish) == "succeeded"


def test_deleting_spares_a_namesake(api, dora):
    wish = deletion(dora, api, uid="uid-of-the-former")

    operations.carry_out(wish.pk)

    assert status(wish) == "succeeded"
    assert list(api.objects) == [("team-a", "phi-4")]


def test_deleting_fails_on_another_conflict(api, dora):
    wish = deletion(dora, api)
    api.script = [Conflict("Conflict", "In the way.", kind="stale")]

    operations.carry_out(wish.pk)

    assert (status(wish), wish.error) == ("failed", "In the way.")


def test_mistake_of_ours_counts_like_a_lost_worker(api, wish, caplog):
    api.script = [ZeroDivisionError()]

    operations.carry_out(wish.pk)

    assert (status(wish), wish.lost_workers) == ("queued", 1)
    assert caplog.records[-1].message == f"Operation {wish.pk} stumbled"


def test_loser_of_a_takeover_records_nothing(api, wish):
    """The first worker stands still in the middle, another finishes, then the first comes back."""

    def stand_still():
        Operation.objects.filter(pk=wish.pk).update(status="queued")
        operations.carry_out(wish.pk)

    api.script = [stand_still]

    operations.carry_out(wish.pk)

    assert (status(wish), wish.attempts) == ("succeeded", 2)
    assert outcomes() == ["requested", "succeeded"]


def test_loser_of_a_takeover_sends_nothing(api, wish, monkeypatch):
    """It was superseded between taking the row and sending."""
    original = states.mark_running

    def superseded(operation_id, *, worker):
        taken = original(operation_id, worker=worker)
        Operation.objects.filter(pk=operation_id).update(attempts=5)
        return taken

    monkeypatch.setattr(states, "mark_running", superseded)

    operations.carry_out(wish.pk)

    assert api.writes == []
    assert outcomes() == ["requested"]


def test_finished_row_never_changes(api, wish):
    operations.carry_out(wish.pk)
    wish.refresh_from_db()

    assert states.mark_finished(wish, Ending(status=OperationStatus.FAILED, error="x")) is False
    assert states.mark_queued(wish, after_s=1) is False
    assert states.mark_lost(wish) is False

    assert (status(wish), wish.error) == ("succeeded", "")


def test_heartbeat_renews_a_running_row_only(wish, django_assert_num_queries):
    running = states.mark_running(wish.pk, worker="w")
    Operation.objects.filter(pk=wish.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))

    assert heartbeats._renewed(running) is True
    wish.refresh_from_db()
    assert timezone.now() - wish.heartbeat_at < timedelta(seconds=5)

    Operation.objects.filter(pk=wish.pk).update(attempts=2)
    assert heartbeats._renewed(running) is False


def test_delete_is_not_done_when_the_cluster_does_not_know_the_kind(api, dora):
    wish = deletion(dora, api)
    api.script = [NotFound("NotServed", "The cluster does not know this kind of object.", 404)]

    operations.carry_out(wish.pk)

    assert (status(wish), outcomes()) == ("failed", ["requested", "failed"])


def test_wish_ends_at_once_when_the_credentials_cannot_be_opened(wish):
    Cluster.objects.update(sealed_credentials="sealed under a former key")

    operations.carry_out(wish.pk)

    assert (status(wish), outcomes()) == ("refused", ["requested", "refused"])
    assert wish.error == "The stored credentials cannot be opened; was SECRET_KEY changed?"


def test_worker_with_a_wrong_clock_does_not_give_up_early(api, wish, monkeypatch):
    late = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr(timezone, "now", lambda: late)
    api.script = [LOST_ANSWER]

    operations.carry_out(wish.pk)

    assert status(wish) == "queued"


@pytest.mark.postgres
def test_wish_that_waited_for_a_month_ends_all_the_same(api, wish):
    Operation.objects.update(created_at=timezone.now() - timedelta(days=31))

    operations.carry_out(wish.pk)

    assert (status(wish), outcomes()) == ("succeeded", ["requested", "succeeded"])


AHEAD = timedelta(hours=1)  # what a clock that is put back leaves behind


def test_wish_is_due_although_the_clock_was_put_back(api, wish, sent):
    Operation.objects.update(
        created_at=Now() + AHEAD, dispatched_at=Now() + AHEAD, not_before=Now() + AHEAD
    )

    assert operations.sweep() == 1
    operations.carry_out(wish.pk)

    assert (status(wish), sent) == ("succeeded", [wish.pk])


def test_new_wish_is_sent_although_the_clock_was_put_back(wish, sent):
    Operation.objects.update(created_at=Now() + AHEAD)

    assert operations.sweep() == 1


def test_lost_worker_is_noticed_although_the_clock_was_put_back(wish, sent):
    states.mark_running(wish.pk, worker="killed")
    Operation.objects.update(heartbeat_at=Now() + AHEAD)

    operations.sweep()

    assert (status(wish), wish.lost_workers) == ("queued", 1)


def test_sweep_sends_what_was_never_dispatched(wish, sent, settings):
    assert operations.sweep() == 0

    settings.KAITOWEB_DISPATCH_AFTER_S = 0
    assert operations.sweep() == 1

    assert sent == [wish.pk]


def test_sweep_does_not_send_again_at_once(wish, sent):
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=10))

    assert [operations.sweep(), operations.sweep()] == [1, 0]
    Operation.objects.update(dispatched_at=Now() - timedelta(seconds=10))

    assert operations.sweep() == 1
    assert sent == [wish.pk, wish.pk]


def test_sweep_sends_what_is_due_again(wish, sent, api):
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=10))
    api.script = [LOST_ANSWER]
    operations.carry_out(wish.pk)
    assert operations.sweep() == 0

    Operation.objects.update(not_before=timezone.now() - timedelta(milliseconds=10))

    assert operations.sweep() == 1
    assert sent == [wish.pk]


def test_sweep_sends_at_once_what_was_sent_for_an_earlier_attempt(wish, sent, api):
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=10))
    operations.sweep()
    api.script = [LOST_ANSWER]
    operations.carry_out(wish.pk)
    make_due(wish)

    assert operations.sweep() == 1


def test_sweep_keeps_what_the_broker_did_not_take(wish, monkeypatch):
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=10))
    monkeypatch.setattr(sweeping, "dispatch", lambda *ids: False)
    operations.sweep()

    wish.refresh_from_db()
    assert (wish.status, wish.dispatched_at) == ("queued", None)


def test_sweep_takes_over_from_a_silent_worker(wish, sent, api):
    states.mark_running(wish.pk, worker="killed")
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    assert operations.sweep() == 0
    Operation.objects.update(heartbeat_at=Now() - timedelta(seconds=9))

    assert operations.sweep() == 2

    assert (status(wish), wish.lost_workers, sent) == ("queued", 1, [wish.pk])
    operations.carry_out(wish.pk)
    assert (status(wish), wish.attempts) == ("succeeded", 2)


def test_sweep_leaves_finished_rows_alone(wish, sent, api):
    operations.carry_out(wish.pk)
    old = timezone.now() - timedelta(hours=1)
    Operation.objects.update(created_at=old, heartbeat_at=old)

    assert operations.sweep() == 0


@pytest.fixture
def broker(valkey):
    before = app.conf.broker_url
    app.conf.broker_url = broker_url(valkey.url)
    yield valkey
    app.conf.broker_url = before


def test_dispatch_puts_only_the_id_into_the_broker(broker, wish):
    assert operations.dispatch(wish.pk) is True

    (message,) = broker.client.lrange("kaitoweb:kaitoweb", 0, -1)
    assert str(wish.pk).encode() in message
    assert b"phi-4" not in message


def test_dispatch_works_on_a_broker_that_forgot_everything(broker, wish):
    operations.dispatch(wish.pk)
    broker.client.flushall()

    assert operations.dispatch(wish.pk, wish.pk) is True

    assert broker.client.llen("kaitoweb:kaitoweb") == 2


def test_dispatch_without_a_broker_gives_up_at_once(broker, wish, tmp_path, caplog):
    app.conf.broker_url = broker_url(f"unix://{tmp_path}/nobody.sock")
    started = time.monotonic()

    assert operations.dispatch(wish.pk) is False

    assert time.monotonic() - started < 4  # 0.1 s on an idle machine
    assert caplog.records[-1].message.startswith("Not dispatched, the sweep will try again")


def test_dispatch_leaves_a_broker_alone_that_has_just_failed(broker, wish, tmp_path):
    app.conf.broker_url = broker_url(f"unix://{tmp_path}/nobody.sock")
    operations.dispatch(wish.pk)
    app.conf.broker_url = broker_url(broker.url)

    assert (operations.dispatch(wish.pk), broker.client.llen("kaitoweb:kaitoweb")) == (False, 0)

    feed._Quiet.until = 0.0
    assert (operations.dispatch(wish.pk), broker.client.llen("kaitoweb:kaitoweb")) == (True, 1)
