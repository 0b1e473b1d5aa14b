"""The gateway and the reflector against a server that behaves as Kubernetes does."""

from __future__ import annotations

import threading
import time

import pytest

from clusters import services
from clusters.errors import Conflict, Denied, Invalid, NotFound
from clusters.gateway import Gateway
from clusters.models import ClusterKind
from clusters.targets import NAMESPACES, PODS, WORKSPACES, Target
from clusters.watching import Gone, Listed, Seen, watch
from tests.servers import run_sandbox

NOT_SERVED = Target(group="kaito.sh", version="v9", plural="workspaces", kind="Workspace")


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox(speed=100) as running:
        yield running


@pytest.fixture
def gateway(sandbox):
    made = gateway_of(sandbox, "kaitoweb")
    yield made
    made.close()


def gateway_of(sandbox, user):
    connection = services.parse_kubeconfig(sandbox.kubeconfig(user))
    return Gateway(services._built("sandbox", ClusterKind.SANDBOX, connection))


def workspace(name, **more):
    metadata = {"namespace": "default", "name": name}
    resource = {
        "instanceType": "Standard_NC24ads_A100_v4",
        "labelSelector": {"matchLabels": {"apps": name}},
    }
    body = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": metadata}
    return {
        **body,
        "resource": resource,
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        **more,
    }


def remove(gateway, created):
    metadata = created["metadata"]
    gateway.delete(WORKSPACES, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def test_create_then_the_name_is_taken(gateway):
    created = gateway.create(WORKSPACES, workspace("twice"))

    with pytest.raises(Conflict) as caught:
        gateway.create(WORKSPACES, workspace("twice"))

    assert (caught.value.kind, created["metadata"]["managedFields"][0]["manager"]) == (
        "exists",
        "kaitoweb",
    )
    remove(gateway, created)


def test_dry_run_keeps_nothing(gateway):
    gateway.create(WORKSPACES, workspace("dry"), dry_run=True)

    with pytest.raises(NotFound) as caught:
        gateway.get(WORKSPACES, "default", "dry")
    assert caught.value.reason == "NotFound"


def test_kaitos_refusal_is_ours_with_its_words(gateway):
    spoilt = workspace("spoilt", inference={"preset": {"name": "no-such-model"}})

    with pytest.raises(Invalid) as caught:
        gateway.create(WORKSPACES, spoilt, dry_run=True)

    assert caught.value.message == "KAITO refused it."
    assert "no-such-model" in caught.value.detail


def test_unknown_fields_are_invalid_in_post_and_apply(gateway):
    spoilt = workspace("spoilt", nonsense=1)

    with pytest.raises(Invalid):
        gateway.create(WORKSPACES, spoilt)
    with pytest.raises(Invalid) as caught:
        gateway.apply(WORKSPACES, spoilt)
    assert [c.field for c in caught.value.causes] == ["nonsense"]


def test_a_field_of_another_manager_is_owned(sandbox, gateway):
    created = gateway_of(sandbox, "admin").create(WORKSPACES, workspace("owned"))
    patch = {"metadata": {"annotations": {"a": "1"}}}
    applied = {
        **workspace("owned"),
        "metadata": {"namespace": "default", "name": "owned", "annotations": {"a": "2"}},
    }
    gateway.patch_merge(WORKSPACES, "default", "owned", patch)

    with pytest.raises(Conflict) as caught:
        gateway.apply(WORKSPACES, {k: applied[k] for k in ("apiVersion", "kind", "metadata")})

    assert (caught.value.kind, [c.field for c in caught.value.causes]) == (
        "owned",
        [".metadata.annotations.a"],
    )
    remove(gateway, created)


def test_delete_of_another_object_is_refused(gateway):
    created = gateway.create(WORKSPACES, workspace("again"))

    with pytest.raises(Conflict) as caught:
        gateway.delete(WORKSPACES, "default", "again", uid="another")

    assert caught.value.kind == "uid"
    remove(gateway, created)


def test_a_viewer_is_denied_with_the_missing_right(sandbox):
    with pytest.raises(Denied) as caught:
        gateway_of(sandbox, "viewer").create(WORKSPACES, workspace("mine"))

    assert (
        caught.value.message == "kaitoweb may not create workspaces.kaito.sh in namespace default."
    )


def test_what_is_not_served_is_told_from_what_is_not_there(gateway):
    with pytest.raises(NotFound) as caught:
        gateway.list(NOT_SERVED)

    assert caught.value.reason == "NotServed"


def test_watch_follows_a_life_and_pages_its_list(sandbox, gateway):
    names = [f"life-{n}" for n in range(3)]
    made = [gateway.create(WORKSPACES, workspace(name)) for name in names]
    stop, seen = threading.Event(), []

    for event in watch(gateway, WORKSPACES, stop=stop):
        if isinstance(event, Listed):
            seen.append(("Listed", len(event.uids)))
            remove(gateway, made[0])
        elif isinstance(event, Seen) and not event.listed:
            seen.append(("Seen", event.raw["metadata"]["uid"] == made[0]["metadata"]["uid"]))
        elif isinstance(event, Gone):
            stop.set()

    assert event.uid == made[0]["metadata"]["uid"]
    assert seen[0] == ("Listed", 3)
    for left in made[1:]:
        remove(gateway, left)


def test_watch_hears_a_change_within_moments(sandbox):
    admin, stop, heard = gateway_of(sandbox, "admin"), threading.Event(), []
    fresh = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    began = 0.0

    for event in watch(admin, NAMESPACES, stop=stop):
        if isinstance(event, Listed):
            began = time.monotonic()
            threading.Timer(0.1, admin.create, (NAMESPACES, fresh)).start()
        elif isinstance(event, Seen) and not event.listed:
            heard.append(
                (event.raw["metadata"]["name"], time.monotonic() - began < 10)
            )  # no list comes sooner than after minutes
            stop.set()

    assert heard == [("fresh", True)]


def test_log_lines_of_a_pod_that_is_not_there(gateway):
    with pytest.raises(NotFound):
        gateway.log_lines("default", "none-0", container="main", tail=10)
    assert gateway.list(PODS).resource_version != ""
