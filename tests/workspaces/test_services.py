"""The request side of the verbs: what is written, what is refused, what is sent to the broker."""

import contextlib
import socket
import threading
import time
from dataclasses import replace

import pytest
from django.db import connection, transaction

from accounts.people import Caller
from audit.models import Entry
from clusters.errors import Refused
from kaitoweb.celery import app
from tests.workspaces import builders
from tests.workspaces.builders import SPEC
from workspaces import feed, manifests, operations, services
from workspaces.models import Operation
from workspaces.types import Stamp

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster():
    return builders.make_cluster()


@pytest.fixture
def dispatched(monkeypatch):
    """Ids that went to the broker."""
    ids = []
    monkeypatch.setattr(operations, "dispatch", lambda *given: ids.extend(given) or True)
    return ids


@pytest.fixture
def by(dora):
    return Caller(person=dora, source_ip="10.1.2.3", request_id="r-1")


def entries():
    return list(Entry.objects.order_by("seq").values_list("action", "outcome", "actor_name"))


def test_deploy_workspace_writes_the_operation_whole(cluster, by):
    made = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k", reason="a trial")

    operation = Operation.objects.get()
    stamp = Stamp(operation_id=str(operation.pk), person_key=f"u{by.person.pk}")
    assert made == operation
    assert operation.manifest == manifests.workspace_manifest(SPEC, stamp=stamp)
    assert (operation.kind, operation.status) == ("create", "queued")
    assert (operation.cluster, operation.namespace, operation.name) == (cluster, "team-a", "phi-4")
    assert (operation.person, operation.person_name) == (by.person, "dora")
    assert (operation.reason, operation.request_id) == ("a trial", "r-1")
    assert (operation.source_ip, operation.idempotency_key) == ("10.1.2.3", "k")


def test_deploy_workspace_leaves_one_requested_entry(cluster, by):
    operation = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k", reason="a trial")

    entry = Entry.objects.get()
    assert (entry.action, entry.outcome) == ("workspace.create", "requested")
    assert (entry.actor_key, entry.actor_name) == (f"u{by.person.pk}", "dora")
    assert (entry.cluster, entry.namespace, entry.name) == ("sandbox", "team-a", "phi-4")
    assert (entry.operation_id, entry.reason) == (operation.pk, "a trial")
    assert (entry.before, entry.after) == (None, operation.manifest)


def test_deploy_workspace_keeps_no_token_of_the_reason(cluster, by):
    token = "hf_abcdefghijklmnopqrstuvwxyz"

    services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k", reason=f"try {token} now")

    assert Operation.objects.get().reason == Entry.objects.get().reason == "try [redacted] now"


def test_deploy_workspace_dispatches_after_the_commit(
    cluster, by, dispatched, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        operation = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")
        assert dispatched == []

    assert dispatched == [operation.pk]


def test_deploy_workspace_takes_a_manifest(cluster, by):
    manifest = manifests.workspace_manifest(SPEC) | {"tuning": None}

    operation = services.deploy_workspace(manifest, cluster=cluster, by=by, key="k")

    assert operation.manifest["tuning"] is None
    assert operation.manifest["metadata"]["annotations"]["kaitoweb/operation-id"] == str(
        operation.pk
    )


def test_deploy_workspace_twice_with_one_key_is_one_wish(
    cluster, by, dispatched, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        first = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")
        second = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    assert first == second
    assert dispatched == [first.pk]
    assert entries() == [("workspace.create", "requested", "dora")]


def test_deploy_workspace_refuses_a_used_key_for_something_else(cluster, by):
    services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    with pytest.raises(Refused, match="already used for create team-a/phi-4"):
        services.deploy_workspace(replace(SPEC, name="other"), cluster=cluster, by=by, key="k")

    assert Operation.objects.count() == 1


def test_deploy_workspace_keeps_the_keys_of_two_people_apart(cluster, by, alice):
    services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    services.deploy_workspace(
        replace(SPEC, name="other"), cluster=cluster, by=Caller(person=alice), key="k"
    )

    assert Operation.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"apiVersion": "kaito.sh/v1alpha1"}, "", "Only a Workspace of kaito.sh/v1beta1"),
        ({"kind": "RAGEngine"}, "", "Only a Workspace of kaito.sh/v1beta1"),
        ({"metadata": {"namespace": "team-a"}}, "name", "A name and a namespace"),
        ({"metadata": {"name": "m"}}, "namespace", "A name and a namespace"),
        (
            {"inference": {"template": {"spec": {"env": "hf_AbCdEfGhIjKlMnOpQrStUv"}}}},
            "",
            "token or password in plain text",
        ),
    ],
)
def test_deploy_workspace_refuses_a_manifest(cluster, by, change, field, words):
    manifest = manifests.workspace_manifest(SPEC) | change

    with pytest.raises(Refused, match=words) as caught:
        services.deploy_workspace(manifest, cluster=cluster, by=by, key="k")

    assert caught.value.field == field
    assert Operation.objects.count() == 0
    assert entries() == [("workspace.create", "refused", "dora")]


def test_deploy_workspace_refuses_a_viewer_and_records_it(cluster, bob):
    with pytest.raises(Refused, match="not change anything in team-a"):
        services.deploy_workspace(SPEC, cluster=cluster, by=Caller(person=bob), key="k")

    assert Operation.objects.count() == 0
    assert entries() == [("workspace.create", "refused", "bob")]


def test_deploy_workspace_refuses_a_disconnected_cluster(by):
    cluster = builders.make_cluster(disconnected_at=builders.NOW)

    with pytest.raises(Refused, match="sandbox is disconnected") as caught:
        services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    assert caught.value.field == "cluster"


@pytest.mark.parametrize(
    ("story", "words"), [("ready", "exists already"), ("deleting", "is still being deleted")]
)
def test_deploy_workspace_refuses_a_live_name(cluster, by, story, words):
    builders.make_workspace(cluster=cluster, story=story)

    with pytest.raises(Refused, match=f"phi-4 {words} in team-a") as caught:
        services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    assert caught.value.field == "name"


def test_deploy_workspace_allows_the_name_of_one_that_is_gone(cluster, by):
    builders.make_workspace(cluster=cluster, story="gone")

    assert services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k").status == "queued"


def test_deploy_workspace_refuses_a_name_under_way(cluster, by, alice):
    services.deploy_workspace(SPEC, cluster=cluster, by=Caller(person=alice), key="k")

    with pytest.raises(Refused, match="alice is already deploying phi-4"):
        services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")


def test_refusal_cannot_be_lost_in_a_transaction_of_the_caller(real_database, django_user_model):
    cluster = builders.make_cluster()
    bob = Caller(person=django_user_model.objects.create_user("bob"))

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        services.deploy_workspace(SPEC, cluster=cluster, by=bob, key="k")


def test_delete_workspace_is_bound_to_the_uid(cluster, by):
    workspace = builders.make_workspace(cluster=cluster)

    operation = services.delete_workspace(workspace, by=by, key="k", reason="too dear")

    assert (operation.kind, operation.uid) == ("delete", workspace.uid)
    assert (operation.manifest, operation.manifest_before) == (None, workspace.raw)
    entry = Entry.objects.get()
    assert (entry.action, entry.outcome, entry.uid) == (
        "workspace.delete",
        "requested",
        workspace.uid,
    )
    assert (entry.before, entry.after) == (workspace.raw, None)


@pytest.mark.parametrize(
    ("story", "words"), [("gone", "already gone"), ("deleting", "already being deleted")]
)
def test_delete_workspace_refuses_what_is_leaving(cluster, by, story, words):
    workspace = builders.make_workspace(cluster=cluster, story=story)

    with pytest.raises(Refused, match=words):
        services.delete_workspace(workspace, by=by, key="k")

    assert entries() == [("workspace.delete", "refused", "dora")]


def test_delete_workspace_refuses_a_viewer(cluster, bob):
    workspace = builders.make_workspace(cluster=cluster)

    with pytest.raises(Refused, match="not change anything"):
        services.delete_workspace(workspace, by=Caller(person=bob), key="k")

    assert Operation.objects.count() == 0


def test_delete_workspace_twice_with_one_key_is_one_wish(cluster, by):
    workspace = builders.make_workspace(cluster=cluster)

    first = services.delete_workspace(workspace, by=by, key="k")

    assert services.delete_workspace(workspace, by=by, key="k") == first
    assert Operation.objects.count() == 1


def test_deploy_workspace_waits_once_for_a_broker_that_does_not_answer(
    cluster, by, settings, monkeypatch, django_capture_on_commit_callbacks
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        monkeypatch.setattr(app.conf, "broker_url", settings.REDIS_URL)
        monkeypatch.setattr(feed._Quiet, "until", 0.0)
        began = time.monotonic()

        with django_capture_on_commit_callbacks(execute=True):
            services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

        assert time.monotonic() - began > 0.4
        assert connections(silent) == 1
    assert Operation.objects.get().status == "queued"


def connections(server):
    """How many wait to be taken."""
    server.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_deploy_workspace_without_a_broker_is_accepted(
    cluster, by, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(operations, "dispatch", lambda *ids: False)

    with django_capture_on_commit_callbacks(execute=True):
        operation = services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k")

    assert Operation.objects.get(pk=operation.pk).status == "queued"


def test_deploy_workspace_sent_twice_at_once_is_one_wish(
    real_database, dispatched, django_user_model
):
    dora = django_user_model.objects.create_user("dora", is_staff=True)
    cluster, by = builders.make_cluster(), Caller(person=dora)
    barrier, made = threading.Barrier(4), []

    def send():
        try:
            barrier.wait()
            made.append(services.deploy_workspace(SPEC, cluster=cluster, by=by, key="k").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 4
    assert dispatched == [Operation.objects.get().pk]
    assert set(made) == set(dispatched)
    assert entries() == [("workspace.create", "requested", "dora")]
