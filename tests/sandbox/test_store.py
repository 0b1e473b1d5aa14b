"""The store by itself: versions, generations, ownership, deletion, the event log."""

import pytest

from sandbox.clock import Clock
from sandbox.cluster import Cluster
from sandbox.resources import CONFIGMAPS, NAMESPACES, NODES, PODS
from sandbox.status import StatusError
from sandbox.store import Store
from tests.sandbox.widgets import WIDGET_CRD, WIDGETS, widget


@pytest.fixture
def store():
    return Store(now=Clock().now)


@pytest.fixture
def furnished():
    """With garbage collection."""
    cluster = Cluster()
    cluster.install_crd(WIDGET_CRD)
    return cluster.store


def owned(owner, name="child", **reference):
    metadata = {
        "name": name,
        "namespace": "default",
        "ownerReferences": [
            {
                "apiVersion": "example.com/v1",
                "kind": "Widget",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                **reference,
            }
        ],
    }
    return {"metadata": metadata}


def names(store, resource, namespace=None):
    return [obj["metadata"]["name"] for obj in store.list(resource, namespace)]


def test_create_sets_what_the_server_owns(store):
    created = store.create(WIDGETS, widget(), manager="alice")

    metadata = created["metadata"]
    assert (metadata["generation"], metadata["resourceVersion"]) == (1, str(store.version))
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert [(entry["manager"], entry["operation"]) for entry in metadata["managedFields"]] == [
        ("alice", "Update")
    ]
    assert (created["apiVersion"], created["kind"]) == ("example.com/v1", "Widget")


def test_empty_metadata_is_left_out(store):
    empty = {"labels": {}, "annotations": {}, "finalizers": []}
    body = widget()
    body["metadata"] |= empty | {"labels": {"a": "1"}}
    created = store.create(WIDGETS, body, manager="alice")
    kept = empty.keys() & created["metadata"].keys()

    created["metadata"] |= {"labels": {}}
    updated = store.update(WIDGETS, created, manager="alice")

    assert (kept, empty.keys() & updated["metadata"].keys()) == ({"labels"}, set())


def test_create_keeps_a_given_creation_time(store):
    obj = widget() | {"metadata": {"name": "w", "creationTimestamp": "2026-01-02T03:04:05Z"}}

    created = store.create(WIDGETS, obj, manager="alice")

    assert created["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"


def test_create_refuses_a_taken_name(store):
    store.create(WIDGETS, widget(), manager="alice")

    with pytest.raises(StatusError) as caught:
        store.create(WIDGETS, widget(), manager="alice")

    assert (caught.value.code, caught.value.status["reason"]) == (409, "AlreadyExists")
    assert caught.value.status["message"] == 'widgets.example.com "w" already exists'


def test_create_generates_a_name(store):
    created = store.create(
        CONFIGMAPS, {"metadata": {"generateName": "c-", "namespace": "default"}}, manager="alice"
    )

    assert len(created["metadata"]["name"]) == len("c-") + 5
    assert names(store, CONFIGMAPS) == [created["metadata"]["name"]]


def test_a_given_name_wins_over_a_generated_one(store):
    metadata = {"name": "c", "generateName": "c-", "namespace": "default"}

    store.create(CONFIGMAPS, {"metadata": metadata}, manager="alice")

    assert names(store, CONFIGMAPS) == ["c"]


def test_dry_run_changes_nothing(store):
    kept = store.create(WIDGETS, widget(), manager="alice")
    version = store.version

    store.create(WIDGETS, widget("other"), manager="alice", dry_run=True)
    store.update(WIDGETS, kept | {"spec": {"size": 9}}, manager="alice", dry_run=True)
    store.delete(WIDGETS, "default", "w", dry_run=True)

    assert store.list(WIDGETS) == [kept]
    assert store.version == version


def test_a_copy_is_nobody_elses(store):
    store.create(WIDGETS, widget(), manager="alice")

    store.get(WIDGETS, "default", "w")["spec"]["size"] = 99

    assert store.get(WIDGETS, "default", "w")["spec"] == {"size": 1}


def test_generation_rises_with_the_wish_only(store):
    obj = store.create(WIDGETS, widget(), manager="alice")

    labelled = store.update(
        WIDGETS, obj | {"metadata": obj["metadata"] | {"labels": {"a": "b"}}}, manager="alice"
    )
    wished = store.update(WIDGETS, labelled | {"spec": {"size": 2}}, manager="alice")
    observed = store.update(
        WIDGETS, wished | {"status": {"phase": "Ready"}}, manager="k", subresource="status"
    )

    generations = [each["metadata"]["generation"] for each in (labelled, wished, observed)]
    assert generations == [1, 2, 2]


def test_main_endpoint_leaves_the_status_and_the_status_endpoint_the_rest(store):
    obj = store.create(WIDGETS, widget(), manager="alice")
    store.update(
        WIDGETS,
        obj | {"spec": {"size": 5}, "status": {"phase": "Ready"}},
        manager="k",
        subresource="status",
    )

    obj = store.get(WIDGETS, "default", "w")
    after = store.update(
        WIDGETS, obj | {"spec": {"size": 3}, "status": {"phase": "No"}}, manager="alice"
    )

    assert (obj["spec"], obj["status"]) == ({"size": 1}, {"phase": "Ready"})
    assert (after["spec"], after["status"]) == ({"size": 3}, {"phase": "Ready"})


def test_a_write_that_changes_nothing_is_none(store):
    obj = store.create(WIDGETS, widget(), manager="alice")
    version = store.version

    assert store.update(WIDGETS, obj, manager="bob") == obj
    assert store.version == version


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"resourceVersion": "1"}, "the object has been modified"),
        ({"uid": "other"}, "Precondition failed: UID in precondition: other"),
    ],
)
def test_update_from_something_else_conflicts(store, metadata, text):
    obj = store.create(WIDGETS, widget(), manager="alice")

    with pytest.raises(StatusError, match=text) as caught:
        store.update(WIDGETS, obj | {"metadata": obj["metadata"] | metadata}, manager="alice")

    assert caught.value.code == 409


def test_update_takes_ownership_of_what_it_changed(store):
    obj = store.create(WIDGETS, widget(colour="red"), manager="alice")

    changed = store.update(WIDGETS, obj | {"spec": {"size": 1, "colour": "blue"}}, manager="bob")

    owners = {entry["manager"]: entry["fieldsV1"] for entry in changed["metadata"]["managedFields"]}
    assert owners == {
        "alice": {"f:spec": {".": {}, "f:size": {}}},
        "bob": {"f:spec": {"f:colour": {}}},
    }


def test_removing_a_field_ends_its_ownership(store):
    obj = store.create(WIDGETS, widget(colour="red"), manager="alice")

    changed = store.update(WIDGETS, obj | {"spec": {"size": 1}}, manager="bob")

    owners = {entry["manager"]: entry["fieldsV1"] for entry in changed["metadata"]["managedFields"]}
    assert owners == {"alice": {"f:spec": {".": {}, "f:size": {}}}}


def test_a_status_has_an_owner_of_its_own(store):
    obj = store.create(WIDGETS, widget(), manager="alice")

    changed = store.update(
        WIDGETS, obj | {"status": {"phase": "Ready"}}, manager="alice", subresource="status"
    )

    entries = changed["metadata"]["managedFields"]
    assert [(entry.get("subresource"), sorted(entry["fieldsV1"])) for entry in entries] == [
        (None, ["f:spec"]),
        ("status", ["f:status"]),
    ]


def test_finalizers_hold_an_object_back(store):
    obj = widget()
    obj["metadata"]["finalizers"] = ["example.com/wait"]
    store.create(WIDGETS, obj, manager="alice")

    deleted = store.delete(WIDGETS, "default", "w")
    again = store.delete(WIDGETS, "default", "w")

    assert deleted["metadata"]["deletionTimestamp"].endswith("Z")
    assert deleted["metadata"]["generation"] == 2
    assert again == deleted
    deleted["metadata"]["finalizers"] = []
    store.update(WIDGETS, deleted, manager="k")
    assert store.list(WIDGETS) == []


def test_delete_checks_its_preconditions(store):
    store.create(WIDGETS, widget(), manager="alice")

    with pytest.raises(StatusError, match=r"the UID in the precondition \(x\) does not"):
        store.delete(WIDGETS, "default", "w", uid="x")
    with pytest.raises(StatusError, match=r"the ResourceVersion in the precondition \(1\)"):
        store.delete(WIDGETS, "default", "w", resource_version="1")

    assert names(store, WIDGETS) == ["w"]


def test_a_running_pod_is_given_time_to_stop(store):
    pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"nodeName": "n"}}
    store.create(PODS, pod, manager="k")

    deleted = store.delete(PODS, "default", "p")

    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 30
    assert names(store, PODS) == ["p"]
    store.delete(PODS, "default", "p", grace_s=0)
    assert names(store, PODS) == []


@pytest.mark.parametrize(
    "rest",
    [{"spec": {}}, {"spec": {"nodeName": "n"}, "status": {"phase": "Succeeded"}}],
)
def test_a_pod_that_does_not_run_goes_at_once(store, rest):
    store.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, **rest}, manager="k")

    store.delete(PODS, "default", "p")

    assert names(store, PODS) == []


def test_list_is_sorted_and_scoped(store):
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y"), ("ab", "w")):
        store.create(
            CONFIGMAPS, {"metadata": {"name": name, "namespace": namespace}}, manager="alice"
        )

    assert names(store, CONFIGMAPS) == ["y", "z", "w", "x"]
    assert names(store, CONFIGMAPS, "a") == ["y", "z"]
    assert store.count(CONFIGMAPS, "a") == 2


def test_dependents_go_with_their_owner(furnished):
    owner = furnished.create(WIDGETS, widget(), manager="alice")
    child = furnished.create(CONFIGMAPS, owned(owner), manager="k")
    furnished.create(CONFIGMAPS, owned(child, "grandchild"), manager="k")

    furnished.delete(WIDGETS, "default", "w")

    assert names(furnished, CONFIGMAPS) == []


def test_a_dependent_stays_while_another_owner_lives(furnished):
    one = furnished.create(WIDGETS, widget("one"), manager="alice")
    two = furnished.create(WIDGETS, widget("two"), manager="alice")
    child = owned(one)
    child["metadata"]["ownerReferences"] += owned(two)["metadata"]["ownerReferences"]
    furnished.create(CONFIGMAPS, child, manager="k")

    furnished.delete(WIDGETS, "default", "one")

    kept = furnished.get(CONFIGMAPS, "default", "child")
    assert [ref["name"] for ref in kept["metadata"]["ownerReferences"]] == ["two"]


def test_a_dependent_of_nobody_goes_at_once(furnished):
    owner = furnished.create(WIDGETS, widget(), manager="alice")
    furnished.delete(WIDGETS, "default", "w")

    furnished.create(CONFIGMAPS, owned(owner), manager="k")

    assert names(furnished, CONFIGMAPS) == []


def test_orphan_deletion_leaves_the_dependents(furnished):
    owner = furnished.create(WIDGETS, widget(), manager="alice")
    furnished.create(CONFIGMAPS, owned(owner), manager="k")

    furnished.delete(WIDGETS, "default", "w", propagation="Orphan")

    assert names(furnished, WIDGETS) == []
    assert "ownerReferences" not in furnished.get(CONFIGMAPS, "default", "child")["metadata"]


def test_foreground_deletion_waits_for_the_dependents(furnished):
    owner = furnished.create(WIDGETS, widget(), manager="alice")
    child = owned(owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["example.com/wait"]
    furnished.create(CONFIGMAPS, child, manager="k")

    furnished.delete(WIDGETS, "default", "w", propagation="Foreground")

    assert names(furnished, WIDGETS) == ["w"]
    held = furnished.get(CONFIGMAPS, "default", "child")
    held["metadata"]["finalizers"] = []
    furnished.update(CONFIGMAPS, held, manager="k")
    assert names(furnished, WIDGETS) == []


def test_foreground_deletion_does_not_wait_for_what_does_not_block(furnished):
    owner = furnished.create(WIDGETS, widget(), manager="alice")
    child = owned(owner)
    child["metadata"]["finalizers"] = ["example.com/wait"]
    furnished.create(CONFIGMAPS, child, manager="k")

    furnished.delete(WIDGETS, "default", "w", propagation="Foreground")

    assert names(furnished, WIDGETS) == []


def test_a_namespace_goes_when_it_is_empty(furnished):
    furnished.create(
        NAMESPACES,
        {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}},
        manager="k",
    )
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    furnished.create(WIDGETS, held, manager="alice")
    furnished.create(WIDGETS, widget("free"), manager="alice")

    furnished.delete(NAMESPACES, None, "default")

    namespace = furnished.get(NAMESPACES, None, "default")
    assert namespace["status"] == {"phase": "Terminating"}
    assert names(furnished, WIDGETS) == ["held"]
    last = furnished.get(WIDGETS, "default", "held")
    last["metadata"]["finalizers"] = []
    furnished.update(WIDGETS, last, manager="k")
    assert names(furnished, NAMESPACES) == []


def test_listeners_hear_events_in_order_whatever_they_write(store):
    heard = []

    def repeat(event):
        if event.resource is WIDGETS and event.type == "ADDED":
            store.create(NODES, {"metadata": {"name": "from-a-listener"}}, manager="k")

    store.listeners += [repeat, lambda event: heard.append(event.resource_version)]

    store.create(WIDGETS, widget(), manager="alice")

    assert heard == [2, 3]


def test_an_older_state_is_found_by_undoing(store):
    first = store.create(WIDGETS, widget("a"), manager="alice")
    gone = store.create(WIDGETS, widget("b"), manager="alice")
    version = store.version
    store.update(WIDGETS, first | {"spec": {"size": 2}}, manager="alice")
    store.delete(WIDGETS, "default", "b")
    store.create(WIDGETS, widget("c"), manager="alice")

    found = [stored.object for stored in store.snapshot_at(WIDGETS, None, version)]

    assert found == [first, gone]


def test_what_is_forgotten_is_gone_and_what_is_to_come_is_too_large(store):
    store.create(WIDGETS, widget(), manager="alice")
    store.compact()

    with pytest.raises(StatusError, match=r"too old resource version: 1 \(2\)") as expired:
        store.events_since(1)
    with pytest.raises(StatusError, match="Too large resource version: 3, current: 2") as large:
        store.events_since(3)

    assert (expired.value.code, large.value.code) == (410, 504)


@pytest.mark.asyncio
async def test_subscription_gives_what_was_missed_and_then_what_comes(store):
    store.create(WIDGETS, widget("a"), manager="alice")
    since = store.version
    store.create(WIDGETS, widget("b"), manager="alice")
    store.create(NODES, {"metadata": {"name": "n"}}, manager="alice")

    events = store.subscribe(WIDGETS, since=since)
    store.create(WIDGETS, widget("c"), manager="alice")
    store.close_subscriptions()

    assert [event.object["metadata"]["name"] async for event in events] == ["b", "c"]


@pytest.mark.asyncio
async def test_a_reader_that_falls_behind_is_cut_off(store, monkeypatch):
    monkeypatch.setattr("sandbox.subscriptions.BACKLOG_LIMIT", 2)
    events = store.subscribe(WIDGETS)
    for number in range(5):
        store.create(WIDGETS, widget(f"w{number}"), manager="alice")

    assert [event.object["metadata"]["name"] async for event in events] == ["w0", "w1", "w2"]
