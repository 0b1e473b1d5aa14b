"""POST and PUT: what is made of an object on its way in, and why it may not come in."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    causes,
    config_map,
    core,
    details,
    made,
    names,
    patched,
    refusal,
    sent,
    some_uid,
    without_moments,
)
from tests.conformance.widgets import GROUP, widget, widgets_path

ABOUT = {"name": "w", "group": GROUP, "kind": "widgets"}
LABEL_1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


# Creating


def test_a_new_object_gets_what_only_the_server_knows(http, widgets, space):
    created = made(http, widgets, widget(size=3))

    metadata = created["metadata"]
    assert metadata.keys() == {
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
        "managedFields",
    }  # fmt: skip
    assert (metadata["name"], metadata["namespace"], metadata["generation"]) == ("w", space, 1)
    assert without_moments(metadata["creationTimestamp"]) == "<moment>"
    assert created["spec"] == {"size": 3, "colour": "red"}


def test_what_the_client_says_of_the_servers_fields_is_not_heard(http, widgets):
    body = widget()
    body["metadata"] |= {
        "uid": some_uid(),
        "generation": 7,
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 3,
        "selfLink": "/somewhere",
    }

    metadata = made(http, widgets, body)["metadata"]

    assert metadata["uid"] != body["metadata"]["uid"]
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] > "2001-01-01T00:00:00Z"
    assert not {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} & metadata.keys()


def test_a_version_must_not_come_with_a_new_object(http, widgets):
    body = widget()
    body["metadata"]["resourceVersion"] = "1"

    answer = http.post(widgets, json=body)

    text = "resourceVersion should not be set on objects to be created"
    assert refusal(answer) == (500, "", text)


def test_a_status_does_not_come_in_with_a_new_object(http, widgets):
    created = made(http, widgets, widget() | {"status": {"phase": "Ready"}})

    assert "status" not in created


def test_a_name_that_is_taken_already_exists(http, widgets):
    made(http, widgets, widget())

    answer = http.post(widgets, json=widget(size=2))

    message = f'widgets.{GROUP} "w" already exists'
    assert refusal(answer) == (409, "AlreadyExists", message)
    assert details(answer) == ABOUT


def test_a_name_of_a_core_kind_has_no_group(http, space):
    made(http, core(space, "configmaps"), config_map())

    answer = http.post(core(space, "configmaps"), json=config_map())

    assert refusal(answer) == (409, "AlreadyExists", 'configmaps "c" already exists')
    assert details(answer) == {"name": "c", "kind": "configmaps"}


def test_generate_name_adds_five_letters(http, widgets):
    body = widget()
    body["metadata"] = {"generateName": "job-"}

    first, second = made(http, widgets, body), made(http, widgets, body)

    found = [each["metadata"]["name"] for each in (first, second)]
    assert [(name[:4], len(name)) for name in found] == [("job-", 9)] * 2
    assert found[0] != found[1]
    assert first["metadata"]["generateName"] == "job-"


def test_a_name_is_needed(http, widgets):
    body = widget()
    body["metadata"] = {}

    answer = http.post(widgets, json=body)

    text = "Required value: name or generateName is required"
    message = f'Widget.{GROUP} "" is invalid: metadata.name: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert details(answer) == {"group": GROUP, "kind": "Widget"}
    assert causes(answer) == [("FieldValueRequired", "metadata.name", text)]


@pytest.mark.parametrize("name", ["Big", "under_score", "-a", "a-", "a..b", "ä"])
def test_a_name_is_a_dns_subdomain(http, widgets, name):
    answer = http.post(widgets, json=widget(name))

    text = f'Invalid value: "{name}": {LABEL_1123}'
    message = f'Widget.{GROUP} "{name}" is invalid: metadata.name: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert causes(answer) == [("FieldValueInvalid", "metadata.name", text)]


def test_a_name_has_at_most_253_letters(http, widgets):
    assert http.post(widgets, json=widget("a" * 253)).status_code == 201

    answer = http.post(widgets, json=widget("b" * 254))

    assert [(cause.reason, cause.field) for cause in causes(answer)] == [
        ("FieldValueInvalid", "metadata.name")
    ]
    assert causes(answer)[0].message.endswith("must be no more than 253 characters")


def test_a_label_has_letters_only_of_some_kinds(http, widgets):
    answer = http.post(widgets, json=widget(labels={"on": "not so"}))

    [cause] = causes(answer)
    assert (cause.reason, cause.field) == ("FieldValueInvalid", "metadata.labels")
    assert cause.message.startswith(
        'Invalid value: "not so": a valid label must be an empty string'
    )


def test_nothing_is_made_in_a_namespace_that_is_not_there(http):
    answer = http.post(widgets_path("nowhere"), json=widget())

    assert refusal(answer) == (404, "NotFound", 'namespaces "nowhere" not found')
    assert details(answer) == {"name": "nowhere", "kind": "namespaces"}


def test_the_body_must_be_of_the_namespace_in_the_path(http, widgets):
    body = widget()
    body["metadata"]["namespace"] = "elsewhere"

    answer = http.post(widgets, json=body)

    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert refusal(answer) == (400, "BadRequest", text)


def test_the_body_must_be_of_the_kind_in_the_path(http, widgets):
    answer = http.post(widgets, json=widget() | {"kind": "Gadget"})

    text = 'Invalid value: "Gadget": must be Widget'
    message = f'Gadget.{GROUP} "w" is invalid: kind: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert causes(answer) == [("FieldValueInvalid", "kind", text)]


def test_the_body_must_be_of_the_core_kind_in_the_path(http, space):
    answer = http.post(core(space, "configmaps"), json=config_map() | {"kind": "Secret"})

    assert refusal(answer)[:2] == (400, "BadRequest")
    text = 'Secret in version "v1" cannot be handled as a ConfigMap: '
    assert refusal(answer).message.startswith(text)


def test_the_body_must_be_of_the_version_in_the_path(http, widgets):
    answer = http.post(widgets, json=widget() | {"apiVersion": f"{GROUP}/v1alpha1"})

    text = (
        f"the API version in the data ({GROUP}/v1alpha1) does not match the expected API version "
        f"({GROUP}/v1)"
    )
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_core_object_may_leave_out_what_it_is(http, space):
    created = made(http, core(space, "configmaps"), {"metadata": {"name": "c"}})

    assert (created["apiVersion"], created["kind"]) == ("v1", "ConfigMap")


def test_yaml_is_read_too(http, widgets):
    text = "apiVersion: conformance.kaitoweb.dev/v1\nkind: Widget\nmetadata: {name: yam}\nspec: {size: 4}\n"

    answer = sent(http, "POST", widgets, "application/yaml", text)

    assert (answer.status_code, answer.json()["spec"]["size"]) == (201, 4)


# Schemas


def refused_spec(http, widgets, **spec):
    answer = http.post(widgets, json=widget(**spec))
    assert refusal(answer)[:2] == (422, "Invalid")
    assert details(answer) == {"name": "w", "group": GROUP, "kind": "Widget"}
    return causes(answer)


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"size": 0},
            (
                "FieldValueInvalid",
                "spec.size",
                "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
        ),
        (
            {"size": 101},
            (
                "FieldValueInvalid",
                "spec.size",
                "Invalid value: 101: spec.size in body should be less than or equal to 100",
            ),
        ),
        (
            {"size": "big"},
            (
                "FieldValueTypeInvalid",
                "spec.size",
                'Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
        ),
        (
            {"colour": "green"},
            (
                "FieldValueNotSupported",
                "spec.colour",
                'Unsupported value: "green": supported values: "red", "blue"',
            ),
        ),
        (
            {"code": "ABC"},
            (
                "FieldValueInvalid",
                "spec.code",
                "Invalid value: \"ABC\": spec.code in body should match '^[a-z]+$'",
            ),
        ),
        (
            {"code": "a"},
            (
                "FieldValueInvalid",
                "spec.code",
                'Invalid value: "a": spec.code in body should be at least 2 chars long',
            ),
        ),
        (
            {"code": "abcdefghi"},
            ("FieldValueTooLong", "spec.code", "Too long: may not be more than 8 bytes"),
        ),
        (
            {"ratio": True},
            (
                "FieldValueTypeInvalid",
                "spec.ratio",
                'Invalid value: "boolean": spec.ratio in body must be of type number: "boolean"',
            ),
        ),
        (
            {"steps": "one"},
            (
                "FieldValueTypeInvalid",
                "spec.steps",
                'Invalid value: "string": spec.steps in body must be of type array: "string"',
            ),
        ),
        (
            {"steps": ["one", 2]},
            (
                "FieldValueTypeInvalid",
                "spec.steps[1]",
                'Invalid value: "integer": spec.steps[1] in body must be of type string: "integer"',
            ),
        ),
        (
            {"tags": ["a", "b", "c", "d"]},
            ("FieldValueTooMany", "spec.tags", "Too many: 4: must have at most 3 items"),
        ),
        (
            {"tags": ["a", "a"]},
            ("FieldValueDuplicate", "spec.tags[1]", 'Duplicate value: "a"'),
        ),
        (
            {"parts": [{"count": 1}]},
            ("FieldValueRequired", "spec.parts[0].name", "Required value"),
        ),
        (
            {"parts": [{"name": "a"}, {"name": "a"}]},
            ("FieldValueDuplicate", "spec.parts[1]", 'Duplicate value: {"name":"a"}'),
        ),
        (
            {"selector": {"a": 1}},
            (
                "FieldValueTypeInvalid",
                "spec.selector.a",
                'Invalid value: "integer": spec.selector.a in body must be of type string: "integer"',
            ),
        ),
    ],
    ids=lambda value: (
        next(iter(value)) + str(next(iter(value.values())))[:8] if isinstance(value, dict) else ""
    ),
)
def test_a_value_that_does_not_fit_is_named(http, widgets, spec, cause):
    assert refused_spec(http, widgets, **spec) == [cause]


def test_a_fraction_is_no_integer_twice(http, widgets):
    assert refused_spec(http, widgets, size=1.5) == [
        (
            "FieldValueTypeInvalid",
            "spec.size",
            'Invalid value: "number": spec.size in body must be of type integer: "number"',
        ),
        (
            "FieldValueInvalid",
            "<nil>",
            'Invalid value: "": Checked value must be of type integer (default format) in spec.size',
        ),
    ]


def test_a_field_that_is_required_is_named(http, widgets):
    body = widget()
    body["spec"] = {"colour": "red"}

    answer = http.post(widgets, json=body)

    message = f'Widget.{GROUP} "w" is invalid: spec.size: Required value'
    assert refusal(answer) == (422, "Invalid", message)
    assert causes(answer) == [("FieldValueRequired", "spec.size", "Required value")]


def test_several_faults_are_told_together(http, widgets):
    answer = http.post(widgets, json=widget(size=0, colour="green"))

    assert refusal(answer).message.startswith(f'Widget.{GROUP} "w" is invalid: [')
    assert sorted(cause.field for cause in causes(answer)) == ["spec.colour", "spec.size"]


def test_a_default_is_written_down(http, widgets):
    made(http, widgets, widget())

    assert http.get(f"{widgets}/w").json()["spec"]["colour"] == "red"


def test_null_counts_as_absent_unless_it_may_stand(http, widgets):
    created = made(http, widgets, widget(colour=None, note=None))

    assert created["spec"] == {"size": 1, "colour": "red", "note": None}


def test_an_unknown_field_is_taken_out_and_warned_of(http, widgets):
    answer = http.post(widgets, json=widget(shape="round", parts=[{"name": "a", "tint": 1}]))

    assert answer.status_code == 201
    assert answer.json()["spec"] == {"size": 1, "colour": "red", "parts": [{"name": "a"}]}
    assert answer.headers.get_list("Warning") == [
        '299 - "unknown field \\"spec.parts[0].tint\\""',
        '299 - "unknown field \\"spec.shape\\""',
    ]


def test_an_unknown_field_can_be_taken_out_in_silence(http, widgets):
    answer = http.post(widgets, json=widget(shape="round"), params={"fieldValidation": "Ignore"})

    assert (answer.status_code, answer.json()["spec"]) == (201, {"size": 1, "colour": "red"})
    assert "Warning" not in answer.headers


def test_an_unknown_field_can_be_refused(http, widgets):
    answer = http.post(
        widgets, json=widget(shape="round", extra=1), params={"fieldValidation": "Strict"}
    )

    text = (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
        'unknown field "spec.extra", unknown field "spec.shape"'
    )
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_field_that_stands_twice_can_be_refused(http, widgets):
    text = (
        '{"apiVersion":"conformance.kaitoweb.dev/v1","kind":"Widget","metadata":{"name":"w"},'
        '"spec":{"size":1,"size":2}}'
    )

    answer = sent(http, "POST", widgets, "application/json", text, fieldValidation="Strict")

    said = (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
        'duplicate field "spec.size"'
    )
    assert refusal(answer) == (400, "BadRequest", said)


def test_how_strict_must_be_one_of_three(http, widgets):
    answer = http.post(widgets, json=widget(), params={"fieldValidation": "Never"})

    text = 'Unsupported value: "Never": supported values: "", "Ignore", "Strict", "Warn"'
    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueNotSupported", "fieldValidation", text)]


def test_where_anything_may_stand_nothing_is_taken_out(http, widgets):
    inner = {"deep": {"list": [1, {"x": None}], "text": "y"}}

    answer = http.post(widgets, json=widget(open=inner), params={"fieldValidation": "Strict"})

    assert (answer.status_code, answer.json()["spec"]["open"]) == (201, inner)


def test_an_unknown_field_of_metadata_is_refused_too(http, widgets):
    body = widget()
    body["metadata"]["nick"] = "x"

    answer = http.post(widgets, json=body, params={"fieldValidation": "Strict"})

    assert refusal(answer)[:2] == (400, "BadRequest")
    assert refusal(answer).message.endswith('strict decoding error: unknown field "metadata.nick"')


# Replacing


def test_put_replaces_everything_but_the_status(http, widgets):
    created = made(http, widgets, widget(size=1, ratio=0.5))
    patched(http, f"{widgets}/w/status", {"status": {"phase": "Ready"}})
    body = widget(size=2)
    body["metadata"]["resourceVersion"] = http.get(f"{widgets}/w").json()["metadata"][
        "resourceVersion"
    ]

    replaced = http.put(f"{widgets}/w", json=body).json()

    assert replaced["spec"] == {"size": 2, "colour": "red"}
    assert replaced["status"] == {"phase": "Ready"}
    assert replaced["metadata"]["uid"] == created["metadata"]["uid"]
    assert replaced["metadata"]["generation"] == 2


def test_put_of_an_old_version_is_a_conflict(http, widgets):
    old = made(http, widgets, widget())
    patched(http, f"{widgets}/w", {"spec": {"size": 2}})

    answer = http.put(f"{widgets}/w", json=old)

    message = (
        f'Operation cannot be fulfilled on widgets.{GROUP} "w": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refusal(answer) == (409, "Conflict", message)
    assert details(answer) == ABOUT


def test_put_of_a_custom_kind_needs_a_version(http, widgets):
    made(http, widgets, widget())

    answer = http.put(f"{widgets}/w", json=widget(size=2))

    text = "Invalid value: 0: must be specified for an update"
    message = f'widgets.{GROUP} "w" is invalid: metadata.resourceVersion: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert causes(answer) == [("FieldValueInvalid", "metadata.resourceVersion", text)]


def test_put_of_a_config_map_needs_none(http, space):
    path = core(space, "configmaps")
    made(http, path, config_map(a="1"))

    answer = http.put(f"{path}/c", json=config_map(b="2"))

    assert (answer.status_code, answer.json()["data"]) == (200, {"b": "2"})


def test_put_of_another_uid_is_a_conflict(http, widgets, space):
    body = made(http, widgets, widget())
    found, body["metadata"]["uid"] = body["metadata"]["uid"], "other"

    answer = http.put(f"{widgets}/w", json=body)

    message = (
        f'Operation cannot be fulfilled on widgets.{GROUP} "w": StorageError: invalid object, '
        f"Code: 4, Key: /registry/{GROUP}/widgets/{space}/w, ResourceVersion: 0, "
        "AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: "
        f"{found}"
    )
    assert refusal(answer) == (409, "Conflict", message)


def test_put_of_what_is_not_there_is_not_found(http, widgets):
    body = widget()
    body["metadata"]["resourceVersion"] = "1"

    answer = http.put(f"{widgets}/w", json=body)

    assert refusal(answer) == (404, "NotFound", f'widgets.{GROUP} "w" not found')
    assert details(answer) == ABOUT


def test_put_must_be_of_the_name_in_the_path(http, widgets):
    body = made(http, widgets, widget())
    body["metadata"]["name"] = "v"

    answer = http.put(f"{widgets}/w", json=body)

    text = "the name of the object (v) does not match the name on the URL (w)"
    assert refusal(answer) == (400, "BadRequest", text)


def test_put_of_the_same_changes_nothing(http, widgets):
    created = made(http, widgets, widget())

    assert http.put(f"{widgets}/w", json=created).json() == created


# Sub-resources


def test_status_changes_by_its_own_path_alone(http, widgets):
    made(http, widgets, widget(size=1))

    changed = patched(
        http, f"{widgets}/w/status", {"spec": {"size": 9}, "status": {"phase": "Ready"}}
    ).json()

    assert (changed["spec"]["size"], changed["status"]) == (1, {"phase": "Ready"})
    assert changed["metadata"]["generation"] == 1


def test_the_main_path_does_not_change_the_status(http, widgets):
    made(http, widgets, widget(size=1))
    patched(http, f"{widgets}/w/status", {"status": {"phase": "Ready"}})

    changed = patched(
        http, f"{widgets}/w", {"spec": {"size": 9}, "status": {"phase": "Lost"}}
    ).json()

    assert (changed["spec"]["size"], changed["status"]) == (9, {"phase": "Ready"})


def test_status_can_be_put(http, widgets):
    created = made(http, widgets, widget(size=1))

    answer = http.put(f"{widgets}/w/status", json=created | {"status": {"phase": "Ready"}})

    assert (answer.status_code, answer.json()["status"]) == (200, {"phase": "Ready"})


def test_status_is_read_as_the_whole_object(http, widgets):
    created = made(http, widgets, widget())

    assert http.get(f"{widgets}/w/status").json() == created


def test_metadata_does_not_change_by_the_path_of_status(http, widgets):
    made(http, widgets, widget())

    changed = patched(
        http, f"{widgets}/w/status", {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "x"}}
    ).json()

    assert "labels" not in changed["metadata"]


def test_a_status_must_fit_the_schema(http, widgets):
    made(http, widgets, widget())

    answer = patched(http, f"{widgets}/w/status", {"status": {"phase": 3}})

    text = 'Invalid value: "integer": phase in body must be of type string: "integer"'
    assert causes(answer) == [("FieldValueTypeInvalid", "status.phase", text)]


def test_names_differ_by_namespace_only(http, api):
    paths = [widgets_path(api.namespace()) for _ in range(2)]
    uids = {made(http, path, widget())["metadata"]["uid"] for path in paths}

    assert len(uids) == 2
    assert [names(http.get(path).json()) for path in paths] == [["w"], ["w"]]
