"""DELETE: what is answered, what waits, and what the options of the body decide."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    causes,
    config_map,
    core,
    deleted,
    details,
    made,
    names,
    patched,
    refusal,
)
from tests.conformance.widgets import GROUP, widget

HOLD = "conformance.kaitoweb.dev/hold"


@pytest.fixture
def path(widgets):
    return f"{widgets}/w"


@pytest.fixture
def held(http, widgets):
    body = widget()
    body["metadata"]["finalizers"] = [HOLD]
    return made(http, widgets, body)


def test_what_goes_at_once_is_answered_with_its_uid(http, widgets, path):
    uid = made(http, widgets, widget())["metadata"]["uid"]

    answer = deleted(http, path)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "w", "group": GROUP, "kind": "widgets", "uid": uid},
        },
    )
    assert http.get(path).status_code == 404


def test_of_a_core_kind_there_is_no_group(http, space):
    uid = made(http, core(space, "configmaps"), config_map())["metadata"]["uid"]

    answer = deleted(http, f"{core(space, 'configmaps')}/c")

    assert answer.json()["details"] == {"name": "c", "kind": "configmaps", "uid": uid}


def test_what_is_not_there_is_not_found(http, path):
    answer = deleted(http, path)

    assert refusal(answer) == (404, "NotFound", f'widgets.{GROUP} "w" not found')
    assert details(answer) == {"name": "w", "group": GROUP, "kind": "widgets"}


def test_what_a_finalizer_holds_is_answered_as_it_stays(http, path, held):
    answer = deleted(http, path)

    assert answer.status_code == 200
    metadata = answer.json()["metadata"]
    assert metadata["deletionTimestamp"].endswith("Z")
    assert metadata["deletionGracePeriodSeconds"] == 0
    assert metadata["generation"] == held["metadata"]["generation"] + 1
    assert answer.json() == http.get(path).json()


def test_deleting_again_changes_nothing(http, path, held):
    first = deleted(http, path).json()

    second = deleted(http, path)

    assert (second.status_code, second.json()) == (200, first)


def test_it_goes_when_the_last_finalizer_does(http, path, held):
    deleted(http, path)

    patched(http, path, {"metadata": {"finalizers": []}})

    assert http.get(path).status_code == 404


def test_what_is_going_takes_no_new_finalizer(http, path, held):
    deleted(http, path)

    answer = patched(http, path, {"metadata": {"finalizers": [HOLD, "example.com/more"]}})

    text = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"example.com/more"}'
    )
    message = f'Widget.{GROUP} "w" is invalid: metadata.finalizers: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert set(causes(answer)) == {("FieldValueForbidden", "metadata.finalizers", text)}


def test_what_is_going_can_still_be_changed(http, path, held):
    deleted(http, path)

    changed = patched(http, path, {"spec": {"size": 5}})

    assert (changed.status_code, changed.json()["spec"]["size"]) == (200, 5)


def test_the_name_is_free_again_under_another_uid(http, widgets, path):
    first = made(http, widgets, widget())
    deleted(http, path)

    second = made(http, widgets, widget())

    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


# Preconditions


def test_the_uid_that_was_seen_lets_it_go(http, widgets, path):
    uid = made(http, widgets, widget())["metadata"]["uid"]

    assert deleted(http, path, {"preconditions": {"uid": uid}}).status_code == 200
    assert http.get(path).status_code == 404


def test_another_uid_is_a_conflict(http, widgets, path):
    found = made(http, widgets, widget())["metadata"]["uid"]

    answer = deleted(http, path, {"preconditions": {"uid": "other"}})

    assert refusal(answer) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on Widget.{GROUP} "w": the UID in the precondition (other) '
        f"does not match the UID in record ({found}). The object might have been deleted and then "
        "recreated",
    )
    assert details(answer) == {"name": "w", "group": GROUP, "kind": "Widget"}
    assert http.get(path).status_code == 200


def test_another_version_is_a_conflict(http, widgets, path):
    found = made(http, widgets, widget())["metadata"]["resourceVersion"]

    answer = deleted(http, path, {"preconditions": {"resourceVersion": "1"}})

    assert refusal(answer) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on Widget.{GROUP} "w": the ResourceVersion in the '
        f"precondition (1) does not match the ResourceVersion in record ({found}). The object might "
        "have been modified",
    )


# Options


def test_a_body_beats_the_query(http, widgets, path):
    made(http, widgets, widget())

    deleted(http, path, {}, dryRun="All")

    assert http.get(path).status_code == 404


def test_the_body_can_say_dry_run(http, widgets, path):
    made(http, widgets, widget())

    assert deleted(http, path, {"dryRun": ["All"]}).status_code == 200
    assert http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("policy", "finalizer"),
    [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")],
)
def test_a_policy_is_a_finalizer_for_the_collector(http, widgets, path, policy, finalizer):
    owner = made(http, widgets, widget())
    child = widget("child")
    child["metadata"]["ownerReferences"] = [reference(owner, blocks=True)]
    child["metadata"]["finalizers"] = [HOLD]
    made(http, widgets, child)

    answer = deleted(http, path, {"propagationPolicy": policy})

    assert answer.status_code == 200
    assert answer.json()["metadata"]["finalizers"] == [finalizer]
    assert answer.json()["metadata"]["deletionTimestamp"].endswith("Z")


def test_in_the_background_the_owner_goes_at_once(http, widgets, path):
    owner = made(http, widgets, widget())
    child = widget("child")
    child["metadata"]["ownerReferences"] = [reference(owner, blocks=True)]
    made(http, widgets, child)

    answer = deleted(http, path, {"propagationPolicy": "Background"})

    assert answer.json()["status"] == "Success"
    assert http.get(path).status_code == 404


def test_a_policy_that_does_not_exist_is_invalid(http, widgets, path):
    made(http, widgets, widget())

    answer = deleted(http, path, {"propagationPolicy": "Sideways"})

    text = 'Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"'
    assert refusal(answer) == (
        422,
        "Invalid",
        f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {text}',
    )
    assert causes(answer) == [("FieldValueNotSupported", "propagationPolicy", text)]
    assert http.get(path).status_code == 200


def test_options_must_be_readable(http, widgets, path):
    made(http, widgets, widget())

    answer = http.request(
        "DELETE", path, content=b"{", headers={"Content-Type": "application/json"}
    )

    assert refusal(answer)[:2] == (400, "BadRequest")
    assert http.get(path).status_code == 200


# Collections


def test_a_collection_is_deleted_as_far_as_it_is_selected(http, widgets):
    for name, labels in (("a", {"old": "yes"}), ("b", None), ("c", {"old": "yes"})):
        made(http, widgets, widget(name, labels=labels))

    answer = http.delete(widgets, params={"labelSelector": "old=yes"})

    assert answer.status_code == 200
    assert names(answer.json()) == ["a", "c"]
    assert names(http.get(widgets).json()) == ["b"]


def test_a_collection_is_deleted_whole(http, widgets):
    for name in "ab":
        made(http, widgets, widget(name))

    answer = http.delete(widgets)

    assert (answer.json()["kind"], names(answer.json())) == ("WidgetList", ["a", "b"])
    assert names(http.get(widgets).json()) == []


def test_a_dry_deletion_of_a_collection_keeps_it(http, widgets):
    made(http, widgets, widget("a"))

    http.delete(widgets, params={"dryRun": "All"})

    assert names(http.get(widgets).json()) == ["a"]


def reference(owner, *, blocks):
    about = {key: owner[key] for key in ("apiVersion", "kind")}
    metadata = {key: owner["metadata"][key] for key in ("name", "uid")}
    return about | metadata | {"blockOwnerDeletion": blocks}
