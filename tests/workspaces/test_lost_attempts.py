"""What becomes of a wish when an attempt was lost: its end tells what that attempt did, or says that nobody knows."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now

import audit.services
from accounts.people import Caller
from audit.models import Entry
from clusters.errors import Denied, NotFound, Unreachable
from tests.workspaces import builders, memory
from tests.workspaces.builders import SPEC
from workspaces import operations, services
from workspaces.models import Operation
from workspaces.operations import states, sweeping

pytestmark = pytest.mark.django_db

LOST_ANSWER = Unreachable("Timeout", "The cluster did not answer in time.", outcome_unknown=True)
DENIED = Denied("Forbidden", "kaitoweb may not do this.", 403)
REJECTED = Denied("Unauthorized", "The cluster does not accept the sign-in.", 401)
NOT_SERVED = NotFound("NotServed", "The cluster does not know this kind of object.", 404)
UNSURE = "It may have been carried out all the same: look before you ask for it again."


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Neither broker nor pub/sub here."""
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(sweeping, "dispatch", lambda *ids: True)


@pytest.fixture
def api(monkeypatch):
    return memory.use(monkeypatch, memory.MemoryGateway())


@pytest.fixture
def wish(dora):
    cluster = builders.make_cluster()
    return services.deploy_workspace(SPEC, cluster=cluster, by=Caller(person=dora), key="k")


@pytest.fixture
def deletion(dora, api):
    made = api.create(None, builders.raw_workspace())
    cluster = builders.make_cluster()
    workspace = builders.make_workspace(cluster=cluster, uid=made["metadata"]["uid"])
    api.writes.clear()
    return services.delete_workspace(workspace, by=Caller(person=dora), key="k")


def lose(times=1):
    """The worker that has it falls silent."""
    for _ in range(times):
        wish = Operation.objects.get()
        states.mark_running(wish.pk, worker="killed")
        Operation.objects.update(heartbeat_at=Now() - timedelta(seconds=9))
        operations.sweep()


def tried_again(wish):
    Operation.objects.update(not_before=None)
    operations.carry_out(wish.pk)
    wish.refresh_from_db()
    return wish.status, wish.error


def outcomes():
    return list(Entry.objects.order_by("seq").values_list("outcome", flat=True))


def test_wish_that_lost_three_workers_is_not_sent_again(api, wish):
    lose(3)

    words = "3 workers were lost while carrying this out; it is not tried again."
    assert tried_again(wish) == ("failed", words)
    assert (wish.lost_workers, api.writes) == (3, [])
    assert outcomes() == ["requested", "failed"]


def test_wish_that_lost_three_workers_but_was_carried_out_has_succeeded(api, wish):
    api.create(None, wish.manifest)
    lose(3)

    assert tried_again(wish) == ("succeeded", "")
    assert wish.uid == "uid-1"
    assert outcomes() == ["requested", "succeeded"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_deletion_that_lost_three_workers_ends_as_what_it_did(api, deletion, is_gone):
    lose(3)
    if is_gone:
        api.objects.clear()

    assert tried_again(deletion)[0] == ("succeeded" if is_gone else "failed")
    assert api.writes == []


def test_wish_whose_last_look_kills_a_worker_too_says_that_nobody_knows(api, wish):
    lose(4)

    wish.refresh_from_db()
    words = "3 workers were lost while carrying this out; it is not tried again."
    assert (wish.status, wish.error) == ("failed", f"{words} {UNSURE}")


@pytest.mark.parametrize("error", [DENIED, NOT_SERVED], ids=["denied", "not served"])
def test_wish_that_can_no_longer_look_says_that_nobody_knows(api, wish, monkeypatch, error):
    """It was sent, its answer lost, and then the right to read was taken away, or KAITO: it was carried out all the same."""
    api.script = [(LOST_ANSWER, "after"), error]
    operations.carry_out(wish.pk)
    monkeypatch.setattr(api, "get", raising(error))

    assert tried_again(wish) == ("failed", f"{error.message} {UNSURE}")


def test_last_look_at_a_deletion_where_the_kind_is_not_served_says_that_nobody_knows(
    api, deletion, monkeypatch
):
    lose(3)
    monkeypatch.setattr(api, "get", raising(NOT_SERVED))

    assert tried_again(deletion) == ("failed", f"{NOT_SERVED.message} {UNSURE}")


def raising(error):
    def fail(*_):
        raise error

    return fail


@pytest.mark.parametrize("when", ["before", "after"])
def test_deletion_that_is_refused_after_a_lost_answer_says_that_nobody_knows(api, deletion, when):
    api.script = [(LOST_ANSWER, "after") if when == "after" else LOST_ANSWER, DENIED]
    operations.carry_out(deletion.pk)

    assert tried_again(deletion) == ("failed", f"kaitoweb may not do this. {UNSURE}")


@pytest.mark.parametrize("wish_of", ["creation", "deletion"])
def test_wish_outlives_more_than_one_rejected_sign_in(api, request, monkeypatch, wish_of):
    """Renewing it takes a person minutes; the second attempt looks before it sends, and is rejected there."""
    asked = request.getfixturevalue({"creation": "wish"}.get(wish_of, wish_of))
    api.script = [REJECTED]
    operations.carry_out(asked.pk)
    with monkeypatch.context() as expired:
        expired.setattr(api, "get", raising(REJECTED))
        expired.setattr(api, "delete", lambda *_, **__: raising(REJECTED)())
        waiting = tried_again(asked)

    assert waiting == ("queued", REJECTED.message)
    assert tried_again(asked) == ("succeeded", "")


def test_first_attempt_that_is_refused_is_refused(api, deletion):
    api.script = [DENIED]

    assert tried_again(deletion) == ("refused", "kaitoweb may not do this.")


def test_wish_of_a_cluster_that_was_disconnected_meanwhile_says_that_nobody_knows(api, wish):
    api.script = [(LOST_ANSWER, "after")]
    operations.carry_out(wish.pk)
    wish.cluster.disconnected_at = builders.NOW
    wish.cluster.save()

    assert tried_again(wish) == (
        "failed",
        f"The cluster {wish.cluster.name} was disconnected. {UNSURE}",
    )


def test_object_that_came_and_went_unseen_is_not_made_again(api, wish):
    """Somebody deleted it before the watch, which was down, saw it; but the cluster's events remember it."""
    api.script = [(LOST_ANSWER, "after")]
    operations.carry_out(wish.pk)
    api.objects.clear()
    api.events = [event_about("uid-1", after_s=1)]

    assert tried_again(wish) == ("succeeded", "")
    assert (wish.uid, api.writes) == ("uid-1", [("create", "phi-4")])


@pytest.mark.parametrize(
    ("uid", "after_s"), [("uid-old", -60), ("uid-known", 1), ("", 1)], ids=["old", "known", "none"]
)
def test_events_of_other_objects_are_no_sign(api, wish, uid, after_s):
    api.script = [LOST_ANSWER]
    operations.carry_out(wish.pk)
    builders.make_workspace(cluster=wish.cluster, uid="uid-known", story="gone")
    api.events = [event_about(uid, after_s=after_s)]

    assert tried_again(wish) == ("succeeded", "")
    assert api.writes == [("create", "phi-4")] * 2


def event_about(uid, *, after_s):
    begun = Operation.objects.get().started_at
    event = builders.raw_event("Created", at=begun + timedelta(seconds=after_s))
    event["involvedObject"]["uid"] = uid
    return event


def test_last_tries_are_made_one_at_a_time(api, dora, wish):
    """Of two that were beside a killer, neither goes down with it once it has lost two workers."""
    other = services.deploy_workspace(
        replace(SPEC, name="other"), cluster=wish.cluster, by=Caller(person=dora), key="other"
    )
    Operation.objects.update(lost_workers=2)

    first = states.mark_running(wish.pk, worker="a")
    assert states.mark_running(other.pk, worker="b") is None
    states.mark_lost(first)

    assert states.mark_running(other.pk, worker="b").pk == other.pk


def test_fresh_wish_need_not_wait_for_a_suspect(api, dora, wish):
    Operation.objects.update(lost_workers=2)
    states.mark_running(wish.pk, worker="a")
    fresh = services.deploy_workspace(
        replace(SPEC, name="fresh"), cluster=wish.cluster, by=Caller(person=dora), key="fresh"
    )

    assert states.mark_running(fresh.pk, worker="b").pk == fresh.pk


def test_end_that_cannot_be_written_is_found_out_again(api, wish, monkeypatch):
    """The audit's disk is full: the wish is neither ended without its entry nor counted as a lost worker."""
    with monkeypatch.context() as full:
        full.setattr(audit.services, "record", fail)
        operations.carry_out(wish.pk)
    wish.refresh_from_db()
    assert (wish.status, wish.lost_workers) == ("queued", 0)

    assert tried_again(wish) == ("succeeded", "")
    assert (api.writes, outcomes()) == ([("create", "phi-4")], ["requested", "succeeded"])


def test_sweep_goes_on_where_an_end_cannot_be_written(api, wish, monkeypatch):
    Operation.objects.update(lost_workers=3)
    monkeypatch.setattr(audit.services, "record", fail)

    lose()

    wish.refresh_from_db()
    assert wish.status == "running"


def fail(**_):
    raise DatabaseError("could not extend file: No space left on device")
