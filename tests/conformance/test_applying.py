"""Server-side apply: who owns what, whose wish collides with whose, and what giving up does."""

from __future__ import annotations

import json

import pytest

from tests.conformance.asking import (
    applied,
    causes,
    config_map,
    core,
    details,
    made,
    owners,
    patched,
    refusal,
    some_uid,
)
from tests.conformance.widgets import API_VERSION, GROUP, widget, wish

CONFLICT = "FieldManagerConflict"


@pytest.fixture
def path(widgets):
    return f"{widgets}/w"


def test_applying_what_is_not_there_makes_it(http, path):
    answer = applied(http, path, wish(size=2, parts=[{"name": "a", "count": 1}]))

    assert answer.status_code == 201
    created = answer.json()
    assert created["spec"] == {"size": 2, "colour": "red", "parts": [{"name": "a", "count": 1}]}
    part = {".": {}, "f:count": {}, "f:name": {}}
    fields = {"f:spec": {"f:parts": {'k:{"name":"a"}': part}, "f:size": {}}}
    assert owners(created) == {("alice", "Apply", ""): fields}


def test_an_owner_has_a_time_a_version_and_a_format(http, path):
    created = applied(http, path, wish(size=2)).json()

    [entry] = created["metadata"]["managedFields"]
    assert entry == {
        "manager": "alice",
        "operation": "Apply",
        "apiVersion": API_VERSION,
        "time": created["metadata"]["creationTimestamp"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:size": {}}},
    }


def test_applying_again_is_no_write(http, path):
    first = applied(http, path, wish(size=2)).json()

    answer = applied(http, path, wish(size=2))

    assert (answer.status_code, answer.json()) == (200, first)


def test_applying_a_change_raises_the_generation_once(http, path):
    applied(http, path, wish(size=2))
    changed = applied(http, path, wish(size=3))
    labelled = wish(size=3)
    labelled["metadata"]["labels"] = {"a": "b"}

    assert changed.json()["metadata"]["generation"] == 2
    assert applied(http, path, labelled).json()["metadata"]["generation"] == 2


def test_yaml_is_applied_too(http, path):
    text = f"apiVersion: {API_VERSION}\nkind: Widget\nmetadata: {{name: w}}\nspec:\n  size: 3\n"

    answer = applied(http, path, text)

    assert (answer.status_code, answer.json()["spec"]["size"]) == (201, 3)


# Conflicts


def test_another_owner_is_a_conflict(http, path):
    applied(http, path, wish(size=1))

    answer = applied(http, path, wish(size=2), "bob")

    said = 'conflict with "alice"'
    assert refusal(answer) == (409, "Conflict", f"Apply failed with 1 conflict: {said}: .spec.size")
    assert details(answer) == {}
    assert causes(answer) == [(CONFLICT, ".spec.size", said)]


def test_an_owner_by_update_is_named_with_its_version(http, widgets, path):
    made(http, widgets, widget(size=1), fieldManager="kubectl-create")

    answer = applied(http, path, wish(size=2))

    said = f'conflict with "kubectl-create" using {API_VERSION}'
    assert refusal(answer).message == f"Apply failed with 1 conflict: {said}: .spec.size"
    assert causes(answer) == [(CONFLICT, ".spec.size", said)]


def test_several_conflicts_are_told_by_owner(http, path):
    applied(http, path, wish(size=1, colour="red"))
    applied(http, path, wish(parts=[{"name": "a", "count": 1}]), "bob")

    body = wish(size=2, colour="blue", parts=[{"name": "a", "count": 2}])
    answer = applied(http, path, body, "carol")

    assert refusal(answer).message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "alice":\n- .spec.colour\n- .spec.size\n'
        'conflicts with "bob":\n- .spec.parts[name="a"].count'
    )
    assert sorted(causes(answer)) == [
        (CONFLICT, ".spec.colour", 'conflict with "alice"'),
        (CONFLICT, '.spec.parts[name="a"].count', 'conflict with "bob"'),
        (CONFLICT, ".spec.size", 'conflict with "alice"'),
    ]


def test_a_conflict_changes_nothing(http, path):
    before = applied(http, path, wish(size=1)).json()

    applied(http, path, wish(size=2, colour="blue"), "bob")

    assert http.get(path).json() == before


def test_the_same_value_is_shared(http, path):
    applied(http, path, wish(size=1))

    answer = applied(http, path, wish(size=1), "bob")

    assert answer.status_code == 200
    fields = {"f:spec": {"f:size": {}}}
    assert owners(answer.json()) == {("alice", "Apply", ""): fields, ("bob", "Apply", ""): fields}


def test_force_takes_the_field_over(http, path):
    applied(http, path, wish(size=1, ratio=0.5))

    answer = applied(http, path, wish(size=2), "bob", force="true")

    assert (answer.status_code, answer.json()["spec"]["size"]) == (200, 2)
    assert owners(answer.json()) == {
        ("alice", "Apply", ""): {"f:spec": {"f:ratio": {}}},
        ("bob", "Apply", ""): {"f:spec": {"f:size": {}}},
    }


def test_who_lost_everything_is_no_owner_any_more(http, path):
    applied(http, path, wish(size=1))

    answer = applied(http, path, wish(size=2), "bob", force="true")

    assert list(owners(answer.json())) == [("bob", "Apply", "")]


def test_an_update_takes_the_field_without_asking(http, path):
    applied(http, path, wish(size=1, ratio=0.5))

    changed = patched(http, path, {"spec": {"size": 2}}, fieldManager="kubectl-edit").json()

    assert owners(changed) == {
        ("alice", "Apply", ""): {"f:spec": {"f:ratio": {}}},
        ("kubectl-edit", "Update", ""): {"f:spec": {"f:size": {}}},
    }


def test_a_manager_conflicts_with_its_own_updates(http, path):
    applied(http, path, wish(size=1))
    patched(http, path, {"spec": {"size": 2}}, fieldManager="alice")

    answer = applied(http, path, wish(size=1))

    said = f'conflict with "alice" using {API_VERSION}'
    assert causes(answer) == [(CONFLICT, ".spec.size", said)]


def test_a_status_that_another_wrote_is_a_conflict_with_its_sub_resource(http, path):
    applied(http, path, wish(size=1))
    patched(http, f"{path}/status", {"status": {"phase": "Ready"}}, fieldManager="operator")

    answer = applied(http, f"{path}/status", wish() | {"status": {"phase": "Lost"}}, "bob")

    said = f'conflict with "operator" with subresource "status" using {API_VERSION}'
    assert causes(answer) == [(CONFLICT, ".status.phase", said)]


def test_a_map_that_is_atomic_is_one_field(http, path):
    applied(http, path, wish(size=1, selector={"a": "1"}))

    answer = applied(http, path, wish(selector={"b": "2"}), "bob")

    assert causes(answer) == [(CONFLICT, ".spec.selector", 'conflict with "alice"')]


def test_a_list_without_keys_is_one_field(http, path):
    applied(http, path, wish(size=1, steps=["a"]))

    answer = applied(http, path, wish(steps=["a", "b"]), "bob")

    assert causes(answer) == [(CONFLICT, ".spec.steps", 'conflict with "alice"')]


def test_a_list_with_keys_is_shared_item_by_item(http, path):
    applied(http, path, wish(size=1, parts=[{"name": "a", "count": 1}]))

    changed = applied(http, path, wish(parts=[{"name": "b", "count": 2}]), "bob").json()

    assert changed["spec"]["parts"] == [{"name": "a", "count": 1}, {"name": "b", "count": 2}]


def test_a_set_is_shared_value_by_value(http, path):
    applied(http, path, wish(size=1, tags=["x"]))

    changed = applied(http, path, wish(tags=["y"]), "bob").json()

    assert changed["spec"]["tags"] == ["x", "y"]
    assert owners(changed)[("bob", "Apply", "")] == {"f:spec": {"f:tags": {'v:"y"': {}}}}


def test_inside_an_open_map_fields_are_shared_one_by_one(http, path):
    applied(http, path, wish(size=1, open={"a": {"x": 1}}))

    answer = applied(http, path, wish(open={"a": {"x": 2, "y": 3}}), "bob")

    assert causes(answer) == [(CONFLICT, ".spec.open.a.x", 'conflict with "alice"')]


# Giving up


def test_what_the_only_owner_leaves_out_is_removed(http, path):
    applied(http, path, wish(size=1, ratio=0.5, parts=[{"name": "a"}, {"name": "b"}]))

    changed = applied(http, path, wish(size=1, parts=[{"name": "b"}])).json()

    assert changed["spec"] == {"size": 1, "colour": "red", "parts": [{"name": "b"}]}


def test_what_another_owns_too_stays(http, path):
    applied(http, path, wish(size=1, ratio=0.5))
    applied(http, path, wish(ratio=0.5), "bob")

    changed = applied(http, path, wish(size=1)).json()

    assert changed["spec"]["ratio"] == 0.5
    assert owners(changed)[("bob", "Apply", "")] == {"f:spec": {"f:ratio": {}}}


def test_a_default_comes_back_when_it_is_given_up(http, path):
    applied(http, path, wish(size=1, colour="blue"))

    assert applied(http, path, wish(size=1)).json()["spec"]["colour"] == "red"


def test_a_required_field_cannot_be_given_up(http, path):
    applied(http, path, wish(size=1, ratio=0.5))

    answer = applied(http, path, wish(ratio=0.5))

    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueRequired", "spec.size", "Required value")]


def test_labels_and_annotations_are_given_up_one_by_one(http, path):
    body = wish(size=1)
    body["metadata"] |= {"labels": {"a": "1", "b": "2"}, "annotations": {"c": "3"}}
    applied(http, path, body)
    body["metadata"] |= {"labels": {"a": "1"}, "annotations": {}}

    metadata = applied(http, path, body).json()["metadata"]

    assert metadata["labels"] == {"a": "1"}
    assert "annotations" not in metadata


# Managers


def test_a_create_is_an_update_by_its_manager(http, widgets):
    created = made(http, widgets, widget(size=1), fieldManager="kubectl-create")

    assert owners(created) == {
        ("kubectl-create", "Update", ""): {"f:spec": {".": {}, "f:colour": {}, "f:size": {}}}
    }


def test_without_a_manager_the_user_agent_names_it(http, widgets):
    assert list(owners(made(http, widgets, widget()))) == [("kaitoweb", "Update", "")]


def test_a_status_has_owners_of_its_own(http, path):
    applied(http, path, wish(size=1))

    changed = patched(
        http, f"{path}/status", {"status": {"phase": "Ready"}}, fieldManager="operator"
    ).json()

    assert owners(changed) == {
        ("alice", "Apply", ""): {"f:spec": {"f:size": {}}},
        ("operator", "Update", "status"): {"f:status": {".": {}, "f:phase": {}}},
    }


def test_status_can_be_applied(http, path):
    applied(http, path, wish(size=1))

    answer = applied(http, f"{path}/status", wish() | {"status": {"phase": "Ready"}}, "operator")

    assert (answer.status_code, answer.json()["status"]) == (200, {"phase": "Ready"})
    assert owners(answer.json())[("operator", "Apply", "status")] == {"f:status": {"f:phase": {}}}


def test_a_status_in_an_apply_of_the_main_path_is_not_heard(http, path):
    answer = applied(http, path, wish(size=1) | {"status": {"phase": "Ready"}})

    assert "status" not in answer.json()
    assert owners(answer.json()) == {("alice", "Apply", ""): {"f:spec": {"f:size": {}}}}


def test_what_was_there_before_anybody_applied_is_an_owner_too(http, path, widgets):
    made(http, widgets, widget(size=1))
    patched(http, path, {"metadata": {"managedFields": [{}]}})

    changed = applied(http, path, wish(size=1)).json()

    assert ("alice", "Apply", "") in owners(changed)
    assert ("before-first-apply", "Update", "") in owners(changed)


def test_a_built_in_kind_is_applied_alike(http, space):
    path = f"{core(space, 'configmaps')}/c"
    applied(http, path, config_map(a="1"))

    answer = applied(http, path, config_map(a="2", b="3"), "bob")

    assert refusal(answer).message == 'Apply failed with 1 conflict: conflict with "alice": .data.a'


# Refusals


def test_a_manager_is_needed(http, path):
    answer = patched(http, path, wish(size=1), "application/apply-patch+yaml")

    text = "Required value: is required for apply patch"
    assert refusal(answer) == (
        422,
        "Invalid",
        f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {text}',
    )
    assert causes(answer) == [("FieldValueRequired", "fieldManager", text)]


def test_a_manager_has_at_most_128_letters(http, path):
    answer = applied(http, path, wish(size=1), "m" * 129)

    assert refusal(answer)[:2] == (422, "Invalid")
    [cause] = causes(answer)
    assert cause == (
        "FieldValueTooLong",
        "fieldManager",
        "Too long: may not be more than 128 bytes",
    )


def test_a_uid_without_its_object_is_a_conflict(http, path):
    uid = some_uid()
    body = wish(size=1)
    body["metadata"]["uid"] = uid

    answer = applied(http, path, body)

    assert refusal(answer) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on widgets.{GROUP} "w": uid mismatch: the provided object '
        f"specified uid {uid}, and no existing object was found",
    )


def test_a_uid_of_another_object_is_invalid(http, path):
    applied(http, path, wish(size=1))
    uid = some_uid()
    body = wish(size=2)
    body["metadata"]["uid"] = uid

    answer = applied(http, path, body)

    text = f'Invalid value: "{uid}": field is immutable'
    message = f'Widget.{GROUP} "w" is invalid: metadata.uid: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert set(causes(answer)) == {("FieldValueInvalid", "metadata.uid", text)}


def test_the_right_uid_is_welcome(http, path):
    body = wish(size=2)
    body["metadata"]["uid"] = applied(http, path, wish(size=1)).json()["metadata"]["uid"]

    assert applied(http, path, body).json()["spec"]["size"] == 2


def test_an_old_version_is_a_conflict(http, path):
    body = wish(size=3)
    body["metadata"]["resourceVersion"] = applied(http, path, wish(size=1)).json()["metadata"][
        "resourceVersion"
    ]
    applied(http, path, wish(size=2))

    answer = applied(http, path, body)

    assert refusal(answer) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on widgets.{GROUP} "w": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def test_managed_fields_must_not_be_applied(http, path):
    body = wish(size=1)
    body["metadata"]["managedFields"] = []

    answer = applied(http, path, body)

    assert refusal(answer) == (400, "BadRequest", "metadata.managedFields must be nil")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"apiVersion": f"{GROUP}/v1alpha1"}, f"{GROUP}/v1alpha1, Kind=Widget"),
        ({"apiVersion": "apps/v1"}, "apps/v1, Kind=Widget"),
        ({"apiVersion": ""}, "/, Kind=Widget"),
        ({"kind": "Gadget"}, f"{API_VERSION}, Kind=Gadget"),
    ],
    ids=["version", "group", "nothing", "kind"],
)
def test_another_kind_than_the_paths_is_refused(http, path, about, said):
    answer = applied(http, path, wish(size=1) | about)

    assert refusal(answer) == (400, "BadRequest", f"invalid object type: {said}")


def test_a_core_kind_has_no_group_there(http, space):
    answer = applied(http, f"{core(space, 'configmaps')}/c", config_map() | {"apiVersion": "v2"})

    assert refusal(answer) == (400, "BadRequest", "invalid object type: /v2, Kind=ConfigMap")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"shape": 1}, ".spec.shape: field not declared in schema"),
        ({"size": "two"}, ".spec.size: expected numeric (int or float), got string"),
        ({"size": True}, ".spec.size: expected numeric (int or float), got bool"),
        ({"colour": 1}, ".spec.colour: expected string, got &value.valueUnstructured{Value:1}"),
        ({"steps": "x"}, ".spec.steps: expected list, got &{x}"),
        ({"open": "x"}, ".spec.open: expected map, got &{x}"),
    ],
    ids=[
        "unknown",
        "text for number",
        "truth for number",
        "number for text",
        "text for list",
        "text for map",
    ],
)
def test_what_does_not_fit_the_schema_cannot_be_typed(http, path, space, spec, said):
    body = wish(**{"size": 1, **spec})
    body["metadata"]["namespace"] = space

    answer = applied(http, path, body)

    assert refusal(answer) == (
        500,
        "",
        f"failed to create typed patch object ({space}/w; {API_VERSION}, Kind=Widget): {said}",
    )
    assert details(answer) is None


def test_without_a_namespace_in_the_body_none_is_said(http, path):
    answer = applied(http, path, wish(shape=1))

    assert refusal(answer).message == (
        f"failed to create typed patch object (/w; {API_VERSION}, Kind=Widget): "
        ".spec.shape: field not declared in schema"
    )


def test_what_fits_the_type_but_not_the_rule_is_invalid(http, path):
    answer = applied(http, path, wish(size=0))

    text = "Invalid value: 0: spec.size in body should be greater than or equal to 1"
    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueInvalid", "spec.size", text)]


def test_a_body_that_is_no_yaml_is_a_bad_request(http, path):
    answer = applied(http, path, "a: b: c")

    assert refusal(answer)[:2] == (400, "BadRequest")
    assert refusal(answer).message.startswith("error decoding YAML: ")


def test_a_key_that_stands_twice_can_be_refused(http, path):
    text = json.dumps(wish(size=1)).replace('"size": 1', '"size": 1, "size": 2')

    answer = applied(http, path, text, fieldValidation="Strict")

    assert refusal(answer)[:2] == (400, "BadRequest")
    assert refusal(answer).message.startswith("error strict decoding YAML: ")


def test_nothing_is_applied_in_a_namespace_that_is_not_there(http):
    answer = applied(http, f"/apis/{GROUP}/v1/namespaces/nowhere/widgets/w", wish(size=1))

    assert refusal(answer) == (404, "NotFound", 'namespaces "nowhere" not found')
