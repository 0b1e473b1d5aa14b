"""CRDs that come, change and go: what is served, what happens to objects and watches."""

import copy

import pytest

from sandbox.resources import CRDS
from tests.sandbox.conftest import Events
from tests.sandbox.test_persistence import restarted
from tests.sandbox.widgets import WIDGET_CRD, WIDGETS, WIDGETS_PATH, widget

CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATH = f"{CRDS_PATH}/widgets.example.com"


def gadgets(**names):
    crd = copy.deepcopy(WIDGET_CRD)
    crd["metadata"]["name"] = "gadgets.example.com"
    crd["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"} | names
    crd["spec"]["versions"] = crd["spec"]["versions"][:1]
    return crd


def conditions(crd):
    return {each["type"]: (each["status"], each["reason"]) for each in crd["status"]["conditions"]}


@pytest.mark.asyncio
async def test_a_new_definition_is_established_and_then_served(api):
    crd = gadgets()
    del crd["spec"]["versions"][0]["additionalPrinterColumns"]

    code, created = await api.post(CRDS_PATH, crd)
    found = await api.get(f"{CRDS_PATH}/gadgets.example.com")
    listed, _ = await api.call("GET", WIDGETS_PATH.replace("widgets", "gadgets"))

    assert (code, created["status"]["conditions"], listed) == (201, None, 200)
    assert conditions(found) == {
        "NamesAccepted": ("True", "NoConflicts"), "Established": ("True", "InitialNamesAccepted"),
    }  # fmt: skip
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"}
    assert found["status"]["acceptedNames"] == names
    assert found["status"]["storedVersions"] == ["v1"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("names", "reason", "message"),
    [
        ({"singular": "wd"}, "SingularConflict", '"wd" is already in use'),
        ({"kind": "Widget", "singular": "gadget"}, "KindConflict", '"Widget" is already in use'),
        ({"shortNames": ["gd", "wd"]}, "ShortNamesConflict", '"wd" is already in use'),
    ],
)
async def test_names_that_are_taken_are_not_served_until_they_are_free(api, names, reason, message):
    await api.post(CRDS_PATH, gadgets(**names))
    waiting = await api.get(f"{CRDS_PATH}/gadgets.example.com")
    before, _ = await api.call("GET", WIDGETS_PATH.replace("widgets", "gadgets"))
    await api.call("DELETE", PATH)
    after, _ = await api.call("GET", WIDGETS_PATH.replace("widgets", "gadgets"))

    assert conditions(waiting) == {
        "NamesAccepted": ("False", reason), "Established": ("False", "NotAccepted"),
    }  # fmt: skip
    assert waiting["status"]["conditions"][0]["message"] == message
    assert (before, after) == (404, 200)


@pytest.mark.asyncio
async def test_a_definition_that_goes_takes_objects_and_watches_along(api):
    await api.post(WIDGETS_PATH, widget("a"))
    await api.post(WIDGETS_PATH, widget("b"))
    listed = await api.get(WIDGETS_PATH)
    version = listed["metadata"]["resourceVersion"]

    async with api.open(f"{WIDGETS_PATH}?watch=1&resourceVersion={version}") as answer:
        events = Events(answer)
        code, gone = await api.call("DELETE", PATH)
        assert await events.brief(2) == [("DELETED", "a"), ("DELETED", "b")]
        assert await events.is_over()

    assert (code, gone["metadata"]["finalizers"]) == (
        200, ["customresourcecleanup.apiextensions.k8s.io"],
    )  # fmt: skip
    assert conditions(gone)["Terminating"] == ("True", "InstanceDeletionPending")
    assert [(await api.call("GET", path))[0] for path in (WIDGETS_PATH, PATH)] == [404, 404]
    async with api.open(f"{WIDGETS_PATH}?watch=1") as again:
        assert again.status == 404

    await api.post(CRDS_PATH, WIDGET_CRD)
    assert (await api.get(WIDGETS_PATH))["items"] == []


@pytest.mark.asyncio
async def test_objects_with_finalizers_hold_their_definition(api, cluster):
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    await api.post(WIDGETS_PATH, held)

    await api.call("DELETE", PATH)
    going = await api.get(PATH)
    refused, answer = await api.post(WIDGETS_PATH, widget("late"))
    shown = await api.get(f"{WIDGETS_PATH}/held")
    await api.merge(f"{WIDGETS_PATH}/held", {"metadata": {"finalizers": None}})
    gone, _ = await api.call("GET", PATH)

    assert conditions(going)["Terminating"] == ("True", "InstanceDeletionInProgress")
    assert (refused, answer["message"]) == (
        403,
        'widgets.example.com "late" is forbidden: create not allowed while custom resource '
        "definition is terminating",
    )  # fmt: skip
    assert ("deletionTimestamp" in shown["metadata"], gone) == (True, 404)


def test_a_deletion_goes_on_after_a_restart(cluster):
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    made = cluster.store.create(WIDGETS, held, manager="t")
    cluster.store.delete(CRDS, None, "widgets.example.com")

    again = restarted(cluster)
    made["metadata"]["finalizers"] = []
    del made["metadata"]["resourceVersion"]
    again.store.update(WIDGETS, made, manager="t")

    assert again.store.list(CRDS) == []


@pytest.mark.asyncio
async def test_stored_objects_follow_a_new_schema(api, cluster):
    await api.post(WIDGETS_PATH, widget(tags=["x"]))
    before = await api.get(f"{WIDGETS_PATH}/w")
    crd = await api.get(PATH)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["tags"]
    spec["properties"]["weight"] = {"type": "integer", "default": 3}

    await api.call("PUT", PATH, crd)

    after = await api.get(f"{WIDGETS_PATH}/w")
    listed = await api.get(WIDGETS_PATH)
    assert after["spec"] == {"size": 1, "colour": "red", "weight": 3}
    assert listed["items"] == [after]
    assert after["metadata"] == before["metadata"]


@pytest.mark.asyncio
async def test_a_version_is_served_and_unserved(api):
    old = WIDGETS_PATH.replace("/v1/", "/v1old/")
    await api.post(WIDGETS_PATH, widget())
    crd = await api.get(PATH)
    crd["spec"]["versions"][1]["served"] = False

    before, _ = await api.call("GET", old)
    await api.call("PUT", PATH, crd)
    after, _ = await api.call("GET", old)
    kept, _ = await api.call("GET", f"{WIDGETS_PATH}/w")

    assert (before, after, kept) == (200, 404, 200)


@pytest.mark.asyncio
async def test_a_version_that_objects_are_stored_in_stays(api):
    crd = await api.get(PATH)
    crd["spec"]["versions"] = [crd["spec"]["versions"][1] | {"storage": True}]

    code, answer = await api.call("PUT", PATH, crd)

    assert (code, answer["details"]["causes"][0]["field"]) == (422, "status.storedVersions[0]")


def _changed(path, value):
    crd = gadgets()
    here = crd
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return crd


SCHEMA = ("spec", "versions", 0, "schema")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("metadata", "name"), "other.example.com", "metadata.name"),
        (("spec", "scope"), "Everywhere", "spec.scope"),
        (("spec", "versions", 0, "storage"), False, "spec.versions"),
        (("spec", "versions"), [], "spec.versions"),
        (SCHEMA, {}, "spec.versions[0].schema.openAPIV3Schema"),
        (SCHEMA, {"openAPIV3Schema": {}}, "spec.validation.openAPIV3Schema.type"),
        (SCHEMA, {"openAPIV3Schema": {"type": "array"}}, "spec.validation.openAPIV3Schema.type"),
    ],
)  # fmt: skip
async def test_what_is_no_definition_is_invalid(api, path, value, field):
    code, answer = await api.post(CRDS_PATH, _changed(path, value))

    assert (code, answer["details"]["causes"][0]["field"]) == (422, field)


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [{}, {"spec": {}}, {"spec": {"versions": [{}]}},
                                  {"spec": {"names": None, "versions": None}}])  # fmt: skip
async def test_a_definition_without_its_parts_is_invalid(api, body):
    code, _ = await api.post(CRDS_PATH, {"metadata": {"name": "x.y"}} | body)

    assert code == 422


@pytest.mark.asyncio
async def test_an_established_kind_keeps_its_scope(api):
    code, answer = await api.merge(PATH, {"spec": {"scope": "Cluster"}})

    assert (code, answer["details"]["causes"]) == (
        422,
        [{"reason": "FieldValueInvalid", "field": "spec.scope",
          "message": 'Invalid value: "Cluster": field is immutable'}],
    )  # fmt: skip


def test_a_kind_without_an_established_definition_can_go_too(cluster):
    cluster.store.create(CRDS, gadgets(kind="Widget"), manager="t")

    cluster.store.delete(CRDS, None, "gadgets.example.com")

    assert [crd["metadata"]["name"] for crd in cluster.store.list(CRDS)] == ["widgets.example.com"]
