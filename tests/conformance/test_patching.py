"""PATCH by merge, by operations and by strategy, and which kinds take which."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    causes,
    details,
    made,
    patched,
    refusal,
    sent,
)
from tests.conformance.widgets import GROUP, widget

UNPROCESSABLE = "the server rejected our request due to an error in our request"


@pytest.fixture
def one(http, widgets):
    made(http, widgets, widget(size=1, steps=["a", "b"], open={"x": {"y": 1, "z": 2}}))
    return f"{widgets}/w"


# Merge


def test_merge_goes_into_maps_and_replaces_lists(http, one):
    changed = patched(http, one, {"spec": {"steps": ["c"], "open": {"x": {"y": 3}}}}).json()

    assert changed["spec"]["steps"] == ["c"]
    assert changed["spec"]["open"] == {"x": {"y": 3, "z": 2}}


def test_merge_takes_out_what_is_null(http, one):
    changed = patched(http, one, {"spec": {"steps": None, "open": {"x": {"z": None}}}}).json()

    assert "steps" not in changed["spec"]
    assert changed["spec"]["open"] == {"x": {"y": 1}}


def test_merge_of_nothing_changes_nothing(http, one):
    before = http.get(one).json()

    assert patched(http, one, {}).json() == before


def test_metadata_alone_does_not_raise_the_generation(http, one):
    changed = patched(http, one, {"metadata": {"annotations": {"a": "b"}}}).json()

    assert changed["metadata"]["generation"] == 1
    assert changed["metadata"]["annotations"] == {"a": "b"}


def test_merge_with_the_version_of_before_is_a_conflict(http, one):
    old = http.get(one).json()["metadata"]["resourceVersion"]
    patched(http, one, {"spec": {"size": 2}})

    answer = patched(http, one, {"metadata": {"resourceVersion": old}, "spec": {"size": 3}})

    message = (
        f'Operation cannot be fulfilled on widgets.{GROUP} "w": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refusal(answer) == (409, "Conflict", message)


def test_a_patch_must_leave_a_valid_object(http, one):
    answer = patched(http, one, {"spec": {"size": None}})

    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueRequired", "spec.size", "Required value")]


def test_a_patch_of_what_is_not_there_is_not_found(http, widgets):
    answer = patched(http, f"{widgets}/w", {"spec": {"size": 2}})

    assert refusal(answer) == (404, "NotFound", f'widgets.{GROUP} "w" not found')


def test_a_patch_can_be_refused_for_an_unknown_field(http, one):
    answer = patched(http, one, {"spec": {"shape": "round"}}, fieldValidation="Strict")

    text = 'strict decoding error: unknown field "spec.shape"'
    assert refusal(answer)[:2] == (422, "Invalid")
    assert refusal(answer).message.startswith(' "" is invalid: patch: Invalid value: "{')
    assert details(answer) == {}
    [cause] = causes(answer)
    assert (cause.reason, cause.field) == ("FieldValueInvalid", "patch")
    assert cause.message.endswith(text)


def test_a_patch_warns_of_an_unknown_field(http, one):
    answer = patched(http, one, {"spec": {"shape": "round"}})

    assert answer.status_code == 200
    assert answer.headers.get_list("Warning") == ['299 - "unknown field \\"spec.shape\\""']


def test_a_merge_patch_must_be_json(http, one):
    answer = sent(http, "PATCH", one, MERGE_PATCH, '{"spec":')

    assert refusal(answer)[:2] == (400, "BadRequest")
    assert refusal(answer).message.startswith("error decoding patch: ")


def test_a_name_cannot_be_patched(http, one):
    answer = patched(http, one, {"metadata": {"name": "v"}})

    text = "the name of the object (v) does not match the name on the URL (w)"
    assert refusal(answer) == (400, "BadRequest", text)


def test_force_is_for_applying_only(http, one):
    answer = patched(http, one, {"spec": {"size": 2}}, force="true")

    text = "Forbidden: may not be specified for non-apply patch"
    assert refusal(answer) == (
        422,
        "Invalid",
        f'PatchOptions.meta.k8s.io "" is invalid: force: {text}',
    )
    assert causes(answer) == [("FieldValueForbidden", "force", text)]


# Operations


def test_operations_are_carried_out_in_order(http, one):
    operations = [
        {"op": "add", "path": "/spec/steps/-", "value": "c"},
        {"op": "replace", "path": "/spec/size", "value": 7},
        {"op": "remove", "path": "/spec/steps/0"},
        {"op": "copy", "from": "/spec/open/x/y", "path": "/spec/open/copied"},
        {"op": "move", "from": "/spec/open/x/z", "path": "/spec/open/moved"},
    ]

    changed = patched(http, one, operations, JSON_PATCH).json()

    assert changed["spec"]["steps"] == ["b", "c"]
    assert changed["spec"]["size"] == 7
    assert changed["spec"]["open"] == {"x": {"y": 1}, "copied": 1, "moved": 2}


def test_a_slash_in_a_key_is_written_with_a_tilde(http, one):
    patched(http, one, {"metadata": {"annotations": {"a.b/c": "1"}}})

    operations = [{"op": "replace", "path": "/metadata/annotations/a.b~1c", "value": "2"}]
    changed = patched(http, one, operations, JSON_PATCH).json()

    assert changed["metadata"]["annotations"] == {"a.b/c": "2"}


def test_a_test_that_holds_lets_the_rest_happen(http, one):
    operations = [
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "replace", "path": "/spec/size", "value": 2},
    ]

    assert patched(http, one, operations, JSON_PATCH).json()["spec"]["size"] == 2


def test_a_test_that_fails_is_invalid_and_changes_nothing(http, one):
    operations = [
        {"op": "replace", "path": "/spec/size", "value": 2},
        {"op": "test", "path": "/spec/colour", "value": "blue"},
    ]

    answer = patched(http, one, operations, JSON_PATCH)

    assert refusal(answer) == (422, "Invalid", UNPROCESSABLE)
    assert details(answer) == {}
    assert http.get(one).json()["spec"]["size"] == 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/spec/ratio"},
        {"op": "test", "path": "/spec/ratio", "value": 1},
        {"op": "add", "path": "/spec/a/b/c", "value": 1},
        {"op": "add", "path": "/spec/steps/7", "value": "x"},
        {"op": "turn", "path": "/spec/size"},
        {"path": "/spec/size"},
    ],
    ids=["remove", "test", "deep", "far", "unknown", "nothing"],
)
def test_an_operation_that_cannot_be_carried_out_is_invalid(http, one, operation):
    answer = patched(http, one, [operation], JSON_PATCH)

    assert refusal(answer) == (422, "Invalid", UNPROCESSABLE)


def test_replacing_what_is_not_there_sets_it(http, one):
    operations = [{"op": "replace", "path": "/spec/ratio", "value": 0.5}]

    assert patched(http, one, operations, JSON_PATCH).json()["spec"]["ratio"] == 0.5


def test_operations_must_be_a_list(http, one):
    answer = patched(http, one, {"op": "remove", "path": "/spec/steps"}, JSON_PATCH)

    text = (
        "error decoding patch: json: cannot unmarshal object into Go value of type "
        "[]handlers.jsonPatchOp"
    )
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_merge_patch_must_be_an_object(http, one):
    answer = patched(http, one, [])

    text = (
        "error decoding patch: json: cannot unmarshal array into Go value of type "
        "map[string]interface {}"
    )
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_uid_cannot_be_patched(http, one):
    answer = patched(http, one, {"metadata": {"uid": "other"}})

    text = 'Invalid value: "other": field is immutable'
    message = f'Widget.{GROUP} "w" is invalid: metadata.uid: {text}'
    assert refusal(answer) == (422, "Invalid", message)


# Media types


def test_a_custom_kind_has_no_strategy(http, one):
    answer = patched(http, one, {"spec": {"size": 2}}, STRATEGIC_PATCH)

    text = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    assert refusal(answer) == (415, "UnsupportedMediaType", text)


def test_a_media_type_that_is_no_patch_is_refused(http, one):
    answer = sent(http, "PATCH", one, "application/json", {"spec": {"size": 2}})

    text = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    assert refusal(answer) == (415, "UnsupportedMediaType", text)


def test_a_collection_cannot_be_patched(http, widgets):
    answer = sent(http, "PATCH", widgets, APPLY_PATCH, "{}", fieldManager="alice")

    assert refusal(answer) == (400, "BadRequest", "name must be provided")
