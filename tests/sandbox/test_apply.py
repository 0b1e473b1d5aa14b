"""Server-side apply over HTTP: who owns what, conflicts, force, giving up."""

import pytest

from tests.sandbox.rights import grant, rule
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio


def wish(**spec):
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": spec,
    }


def path(manager="alice", **parameters):
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{WIDGETS_PATH}/w?fieldManager={manager}&{query}"


def owners(obj):
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in obj["metadata"]["managedFields"]
    }


async def test_apply_creates_and_owns_what_it_said(api):
    code, obj = await api.apply(path(), wish(size=2, parts=[{"name": "a", "count": 1}]))

    assert code == 201
    assert obj["spec"] == {"size": 2, "colour": "red", "parts": [{"name": "a", "count": 1}]}
    part = {".": {}, "f:count": {}, "f:name": {}}
    assert owners(obj) == {
        ("alice", "Apply"): {"f:spec": {"f:parts": {'k:{"name":"a"}': part}, "f:size": {}}}
    }


async def test_applying_again_is_no_write(api):
    _, first = await api.apply(path(), wish(size=2))

    code, second = await api.apply(path(), wish(size=2))

    assert (code, second) == (200, first)


async def test_two_managers_share_a_list_by_its_keys(api):
    await api.apply(path("alice"), wish(size=2, parts=[{"name": "a", "count": 1}]))

    _, obj = await api.apply(path("bob"), wish(parts=[{"name": "b", "count": 2}]))

    assert obj["spec"]["parts"] == [{"name": "a", "count": 1}, {"name": "b", "count": 2}]


async def test_another_owner_is_a_conflict_that_names_him(api):
    await api.post(f"{WIDGETS_PATH}?fieldManager=kubectl-create", widget(size=1))

    code, status = await api.apply(path("kaitoweb"), wish(size=2))

    assert code == 409
    said = 'conflict with "kubectl-create" using example.com/v1'
    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": "Conflict",
        "message": f"Apply failed with 1 conflict: {said}: .spec.size",
        "details": {
            "causes": [{"reason": "FieldManagerConflict", "message": said, "field": ".spec.size"}]
        },
        "code": 409,
    }


async def test_several_conflicts_are_told_by_owner(api):
    await api.apply(path("alice"), wish(size=1, colour="red"))
    await api.apply(path("bob"), wish(parts=[{"name": "a", "count": 1}]))

    _, status = await api.apply(
        path("carol"), wish(size=2, colour="blue", parts=[{"name": "a", "count": 2}])
    )

    assert status["message"] == (
        "Apply failed with 3 conflicts: "
        'conflicts with "alice":\n- .spec.colour\n- .spec.size\n'
        'conflicts with "bob":\n- .spec.parts[name="a"].count'
    )


async def test_force_takes_the_field_over(api):
    await api.apply(path("alice"), wish(size=1))

    code, obj = await api.apply(path("bob", force="true"), wish(size=2))

    assert (code, obj["spec"]["size"]) == (200, 2)
    assert owners(obj) == {("bob", "Apply"): {"f:spec": {"f:size": {}}}}


async def test_the_same_value_is_shared_without_conflict(api):
    await api.apply(path("alice"), wish(size=1))

    code, obj = await api.apply(path("bob"), wish(size=1))

    assert code == 200
    assert sorted(manager for manager, _ in owners(obj)) == ["alice", "bob"]


async def test_what_the_sole_owner_leaves_out_is_removed(api):
    await api.apply(path(), wish(size=1, colour="blue", parts=[{"name": "a"}, {"name": "b"}]))

    _, obj = await api.apply(path(), wish(size=1, parts=[{"name": "b"}]))

    assert obj["spec"] == {"size": 1, "colour": "red", "parts": [{"name": "b"}]}


async def test_what_another_owns_too_stays(api):
    await api.apply(path("alice"), wish(size=1, colour="blue"))
    await api.apply(path("bob"), wish(colour="blue"))

    _, obj = await api.apply(path("alice"), wish(size=1))

    assert obj["spec"]["colour"] == "blue"


async def test_an_atomic_map_is_owned_as_one(api):
    await api.apply(path("alice"), wish(size=1, selector={"a": "1", "b": "2"}))

    code, status = await api.apply(path("bob"), wish(selector={"a": "1"}))

    assert code == 409
    assert [cause["field"] for cause in status["details"]["causes"]] == [".spec.selector"]


async def test_a_list_without_keys_is_owned_as_one(api):
    await api.apply(path("alice"), wish(size=1, tags=["a", "b"]))

    code, obj = await api.apply(path("alice"), wish(size=1, tags=["b"]))

    assert (code, obj["spec"]["tags"]) == (200, ["b"])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"size": 1, "foo": 2}, ".spec.foo: field not declared in schema"),
        ({"size": "big"}, ".spec.size: expected numeric (int or float), got string"),
        ({"size": 1, "colour": True},
         ".spec.colour: expected string, got &value.valueUnstructured{Value:true}"),
        ({"size": 1, "parts": [{"name": "a", "foo": 1}]},
         '.spec.parts[name="a"].foo: field not declared in schema'),
        ({"size": 1, "tags": ["a", 5]},
         ".spec.tags[1]: expected string, got &value.valueUnstructured{Value:5}"),
        ({"size": 1, "tags": "a"},
         ".spec.tags: expected list, got &{a}"),
        ({"size": 1, "bar": 2, "foo": 2},
         "errors:\n  .spec.bar: field not declared in schema\n"
         "  .spec.foo: field not declared in schema"),
    ],
)  # fmt: skip
async def test_an_untypable_wish_is_a_plain_500(api, spec, said):
    code, status = await api.apply(path(fieldValidation="Strict"), wish(**spec))

    assert code == 500
    assert "reason" not in status
    assert status["message"] == (
        "failed to create typed patch object (default/w; example.com/v1, Kind=Widget): " + said
    )


async def test_apply_needs_a_manager(api):
    code, status = await api.apply(f"{WIDGETS_PATH}/w", wish(size=1))

    assert (code, status["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
        "is required for apply patch",
    )


async def test_apply_needs_the_version_of_the_url(api):
    code, status = await api.apply(path(), wish(size=1) | {"apiVersion": "example.com/v2"})

    assert (code, status["message"]) == (
        400,
        "invalid object type: example.com/v2, Kind=Widget",
    )


async def test_managed_fields_may_not_be_applied(api):
    body = wish(size=1)
    body["metadata"]["managedFields"] = []

    code, status = await api.apply(path(), body)

    assert (code, status["message"]) == (400, "metadata.managedFields must be nil")


async def test_a_uid_does_not_bring_a_deleted_object_back(api):
    body = wish(size=1)
    body["metadata"]["uid"] = "0b1c"

    code, status = await api.apply(path(), body)

    assert code == 409
    assert status["message"] == (
        'Operation cannot be fulfilled on widgets.example.com "w": uid mismatch: the provided '
        "object specified uid 0b1c, and no existing object was found"
    )


async def test_a_resource_version_makes_it_optimistic(api):
    _, first = await api.apply(path(), wish(size=1))
    await api.apply(path(), wish(size=2))
    body = wish(size=3)
    body["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]

    code, status = await api.apply(path(), body)

    assert (code, status["reason"]) == (409, "Conflict")


async def test_dry_run_shows_and_keeps_nothing(api):
    await api.apply(path(), wish(size=1))
    before = await api.get(f"{WIDGETS_PATH}/w")

    _, shown = await api.apply(path(dryRun="All"), wish(size=2))

    assert shown["spec"]["size"] == 2
    assert await api.get(f"{WIDGETS_PATH}/w") == before


async def test_status_is_applied_at_its_own_endpoint(api):
    await api.apply(path("alice"), wish(size=1) | {"status": {"phase": "ignored"}})
    status_path = f"{WIDGETS_PATH}/w/status?fieldManager=k"

    _, obj = await api.apply(status_path, wish(size=9) | {"status": {"phase": "Ready"}})

    assert (obj["spec"]["size"], obj["status"]) == (1, {"phase": "Ready"})
    entry = next(each for each in obj["metadata"]["managedFields"] if each["manager"] == "k")
    assert (entry["subresource"], entry["fieldsV1"]) == (
        "status",
        {"f:status": {"f:phase": {}}},
    )


async def test_a_yaml_body_is_taken(api):
    text = b"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n"

    code, obj = await api.apply(path(), text)

    assert (code, obj["spec"]["size"]) == (201, 3)


async def test_creating_by_apply_needs_the_right_to_create(api, cluster):
    grant(cluster, "sandbox-viewer", rule("patch", "widgets", group="example.com"))
    api.user = "viewer"

    code, status = await api.apply(path(), wish(size=1))

    assert code == 403
    assert 'cannot create resource "widgets"' in status["message"]
    assert cluster.store.list(WIDGETS) == []
