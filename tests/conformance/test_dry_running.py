"""dryRun=All: the same answers, and nothing happens."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    applied,
    causes,
    deleted,
    made,
    names,
    patched,
    refusal,
    version_of,
    watching,
)
from tests.conformance.widgets import GROUP, widget, wish

DRY = {"dryRun": "All"}


def test_a_dry_create_answers_and_stores_nothing(http, widgets):
    answer = http.post(widgets, json=widget(size=2), params=DRY)

    assert answer.status_code == 201
    obj = answer.json()
    assert (obj["spec"], obj["metadata"]["generation"]) == ({"size": 2, "colour": "red"}, 1)
    assert "resourceVersion" not in obj["metadata"]
    assert {"uid", "creationTimestamp", "managedFields"} <= obj["metadata"].keys()
    assert http.get(f"{widgets}/w").status_code == 404


@pytest.mark.parametrize("write", ["merge", "apply", "put"])
def test_a_dry_change_answers_and_changes_nothing(http, widgets, write):
    before = made(http, widgets, widget(size=1))
    path = f"{widgets}/w"
    writes = {
        "merge": lambda: patched(http, path, {"spec": {"size": 2}}, **DRY),
        "apply": lambda: applied(http, path, wish(size=2), force="true", **DRY),
        "put": lambda: http.put(path, json=before | {"spec": {"size": 2}}, params=DRY),
    }

    answer = writes[write]()

    assert answer.status_code == 200
    assert answer.json()["spec"]["size"] == 2
    assert answer.json()["metadata"]["generation"] == 2
    assert answer.json()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert http.get(path).json() == before


def test_a_dry_apply_of_something_new_stores_nothing(http, widgets):
    answer = applied(http, f"{widgets}/w", wish(size=2), **DRY)

    assert (answer.status_code, answer.json()["spec"]["size"]) == (201, 2)
    assert names(http.get(widgets).json()) == []


def test_a_dry_delete_deletes_nothing(http, widgets):
    before = made(http, widgets, widget())

    answer = deleted(http, f"{widgets}/w", **DRY)

    assert answer.status_code == 200
    assert http.get(f"{widgets}/w").json() == before


def test_a_dry_write_is_no_event(http, widgets):
    version = version_of(http, widgets)
    with watching(http, widgets, resourceVersion=version) as events:
        http.post(widgets, json=widget("dry"), params=DRY)
        made(http, widgets, widget("wet"))

        assert events.brief(1) == [("ADDED", "wet")]


def test_a_dry_create_is_refused_for_a_taken_name(http, widgets):
    made(http, widgets, widget())

    answer = http.post(widgets, json=widget(), params=DRY)

    assert refusal(answer) == (409, "AlreadyExists", f'widgets.{GROUP} "w" already exists')


def test_a_dry_create_is_refused_by_the_schema(http, widgets):
    answer = http.post(widgets, json=widget(size=0), params=DRY)

    text = "Invalid value: 0: spec.size in body should be greater than or equal to 1"
    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueInvalid", "spec.size", text)]


def test_a_dry_create_is_refused_for_an_unknown_field(http, widgets):
    answer = http.post(widgets, json=widget(shape=1), params=DRY | {"fieldValidation": "Strict"})

    assert refusal(answer) == (
        400,
        "BadRequest",
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
        'unknown field "spec.shape"',
    )


def test_a_dry_apply_is_refused_for_a_conflict(http, widgets):
    applied(http, f"{widgets}/w", wish(size=1))

    answer = applied(http, f"{widgets}/w", wish(size=2), "bob", **DRY)

    assert refusal(answer)[:2] == (409, "Conflict")
    assert causes(answer) == [("FieldManagerConflict", ".spec.size", 'conflict with "alice"')]


def test_a_dry_delete_is_refused_for_another_uid(http, widgets):
    made(http, widgets, widget())

    answer = deleted(http, f"{widgets}/w", {"preconditions": {"uid": "x"}, "dryRun": ["All"]})

    assert refusal(answer)[:2] == (409, "Conflict")


def test_dry_run_knows_one_word(http, widgets):
    answer = http.post(widgets, json=widget(), params={"dryRun": "Some"})

    text = 'Unsupported value: ["Some"]: supported values: "All"'
    assert refusal(answer) == (
        422,
        "Invalid",
        f'CreateOptions.meta.k8s.io "" is invalid: dryRun: {text}',
    )
    assert causes(answer) == [("FieldValueNotSupported", "dryRun", text)]
    assert http.get(f"{widgets}/w").status_code == 404
