"""LIST: what a collection looks like, pages, selectors, and which versions may be asked for."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    PARTIAL,
    PARTIAL_LIST,
    TABLE,
    applied,
    causes,
    config_map,
    core,
    details,
    made,
    names,
    patched,
    refusal,
    version_of,
)
from tests.conformance.widgets import API_VERSION, widget, widgets_path, wish

LIST_OPTIONS = {"group": "meta.k8s.io", "kind": "ListOptions"}


@pytest.fixture
def five(http, widgets):
    for name in "abcde":
        made(http, widgets, widget(name))
    return widgets


def test_an_empty_collection_is_a_list_of_nothing(http, widgets):
    listed = http.get(widgets).json()

    version = listed["metadata"].pop("resourceVersion")
    assert version.isdecimal()
    assert listed == {
        "apiVersion": API_VERSION,
        "kind": "WidgetList",
        "metadata": {"continue": ""},
        "items": [],
    }


def test_objects_are_listed_by_name(http, widgets):
    for name in ("b", "a", "a-1", "c"):
        made(http, widgets, widget(name))

    assert names(http.get(widgets).json()) == ["a", "a-1", "b", "c"]


def test_items_of_a_custom_kind_say_what_they_are(http, widgets):
    created = made(http, widgets, widget())

    assert http.get(widgets).json()["items"] == [created]


def test_items_of_a_built_in_kind_do_not(http, space):
    created = made(http, core(space, "configmaps"), config_map(key="value"))

    listed = http.get(core(space, "configmaps")).json()

    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    about = {"kind": "ConfigMap", "apiVersion": "v1"}
    assert [about | item for item in listed["items"]] == [created]
    assert not about.keys() & listed["items"][0].keys()


def test_a_list_over_all_namespaces_comes_by_namespace_then_name(http, api):
    first, second = sorted([api.namespace(), api.namespace()])
    for space, name in ((second, "a"), (first, "z")):
        made(http, widgets_path(space), widget(name, labels={"of": first}))

    listed = http.get(
        widgets_path(first).replace(f"/namespaces/{first}", ""),
        params={"labelSelector": f"of={first}"},
    ).json()

    found = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in listed["items"]]
    assert found == [(first, "z"), (second, "a")]


def test_the_other_served_version_lists_the_same_objects(http, space):
    created = made(http, widgets_path(space), widget())

    listed = http.get(widgets_path(space, version="v1alpha1")).json()

    assert listed["apiVersion"] == "conformance.kaitoweb.dev/v1alpha1"
    assert listed["items"][0]["apiVersion"] == "conformance.kaitoweb.dev/v1alpha1"
    assert listed["items"][0]["metadata"]["uid"] == created["metadata"]["uid"]


def test_a_namespace_that_is_not_there_lists_nothing(http):
    answer = http.get(widgets_path("nowhere"))

    assert (answer.status_code, answer.json()["items"]) == (200, [])


# Pages


def test_pages_follow_each_other_without_gap_or_repetition(http, five):
    seen, token = [], ""
    for _ in range(3):
        page = http.get(five, params={"limit": "2", "continue": token}).json()
        seen.append(names(page))
        token = page["metadata"].get("continue", "")

    assert seen == [["a", "b"], ["c", "d"], ["e"]]
    assert token == ""


def test_a_page_says_how_many_are_left(http, five):
    first = http.get(five, params={"limit": "2"}).json()["metadata"]
    last = http.get(five, params={"limit": "3", "continue": first["continue"]}).json()["metadata"]

    assert first["remainingItemCount"] == 3
    assert "remainingItemCount" not in last


def test_with_a_selector_nobody_counts_what_is_left(http, five):
    page = http.get(five, params={"limit": "2", "labelSelector": "!x"}).json()["metadata"]

    assert page["continue"] != ""
    assert "remainingItemCount" not in page


def test_all_pages_are_of_the_version_of_the_first(http, five):
    first = http.get(five, params={"limit": "2"}).json()["metadata"]
    made(http, five, widget("bb"))
    http.delete(f"{five}/e")

    rest = http.get(five, params={"continue": first["continue"]}).json()

    assert names(rest) == ["c", "d", "e"]
    assert rest["metadata"]["resourceVersion"] == first["resourceVersion"]


def test_a_limit_that_holds_all_needs_no_second_page(http, five):
    metadata = http.get(five, params={"limit": "5"}).json()["metadata"]

    assert metadata.get("continue", "") == ""
    assert "remainingItemCount" not in metadata


def test_a_broken_continue_token_is_a_bad_request(http, widgets):
    answer = http.get(widgets, params={"continue": "no token"})

    assert refusal(answer) == (
        400,
        "BadRequest",
        "invalid continue token: continue key is not valid: illegal base64 data at input byte 2",
    )


def test_a_continue_token_brings_its_own_version(http, five):
    page = http.get(five, params={"limit": "2"}).json()["metadata"]

    answer = http.get(
        five, params={"continue": page["continue"], "resourceVersion": page["resourceVersion"]}
    )

    text = "specifying resource version is not allowed when using continue"
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_limit_must_be_a_number(http, widgets):
    answer = http.get(widgets, params={"limit": "many"})

    assert refusal(answer) == (
        400,
        "BadRequest",
        'strconv.ParseInt: parsing "many": invalid syntax',
    )


# Versions


def test_an_exact_version_lists_what_was_then(http, five):
    then = http.get(five).json()["metadata"]["resourceVersion"]
    http.delete(f"{five}/a")
    patched(http, f"{five}/b", {"spec": {"size": 9}})

    listed = http.get(
        five, params={"resourceVersion": then, "resourceVersionMatch": "Exact"}
    ).json()

    assert names(listed) == ["a", "b", "c", "d", "e"]
    assert listed["items"][1]["spec"]["size"] == 1
    assert listed["metadata"]["resourceVersion"] == then


def test_a_version_not_older_than_the_newest_lists_what_is_now(http, five):
    newest = http.get(f"{five}/e").json()["metadata"]["resourceVersion"]

    listed = http.get(
        five, params={"resourceVersion": newest, "resourceVersionMatch": "NotOlderThan"}
    ).json()

    assert names(listed) == ["a", "b", "c", "d", "e"]
    assert int(listed["metadata"]["resourceVersion"]) >= int(newest)


@pytest.mark.parametrize(
    ("query", "field", "reason", "text"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            "resourceVersionMatch",
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            "resourceVersionMatch",
            "FieldValueForbidden",
            'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Newest", "resourceVersion": "1"},
            "resourceVersionMatch",
            "FieldValueNotSupported",
            'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1", "continue": "x"},
            "resourceVersionMatch",
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ),
        (
            {"sendInitialEvents": "true"},
            "sendInitialEvents",
            "FieldValueForbidden",
            "Forbidden: sendInitialEvents is forbidden for list",
        ),
    ],
    ids=["no version", "exactly any", "unknown match", "with continue", "initial events"],
)
def test_options_that_do_not_go_together_are_invalid(http, widgets, query, field, reason, text):
    answer = http.get(widgets, params=query)

    said = f'ListOptions.meta.k8s.io "" is invalid: {field}: {text}'
    assert refusal(answer) == (422, "Invalid", said)
    assert details(answer) == LIST_OPTIONS
    assert causes(answer) == [(reason, field, text)]


def test_a_version_from_the_future_is_too_large(http, widgets):
    future = int(version_of(http, widgets)) + 1_000_000

    answer = http.get(
        widgets, params={"resourceVersion": str(future), "resourceVersionMatch": "Exact"}
    )

    code, reason, message = refusal(answer)
    assert (code, reason) == (504, "Timeout")
    assert message.startswith(f"Timeout: Too large resource version: {future}, current: ")
    assert causes(answer) == [("ResourceVersionTooLarge", "", "Too large resource version")]
    assert answer.headers["Retry-After"] == "1"


# Selectors


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=web", ["a", "b"]),
        ("app==web", ["a", "b"]),
        ("app!=web", ["c", "d"]),
        ("app in (web,db)", ["a", "b", "c"]),
        ("app notin (web)", ["c", "d"]),
        ("tier", ["b", "c"]),
        ("!app", ["d"]),
        ("app=web,!tier", ["a"]),
        ("app=web,tier=front", ["b"]),
        ("app=", []),
        ("", ["a", "b", "c", "d"]),
    ],
)
def test_labels_select(http, widgets, selector, found):
    labels = {
        "a": {"app": "web"},
        "b": {"app": "web", "tier": "front"},
        "c": {"app": "db", "tier": "back"},
        "d": None,
    }
    for name, own in labels.items():
        made(http, widgets, widget(name, labels=own))

    assert names(http.get(widgets, params={"labelSelector": selector}).json()) == found


def test_pages_of_a_selection_hold_only_the_selected(http, widgets):
    for name, labels in (("a", {"x": "1"}), ("b", None), ("c", {"x": "1"}), ("d", {"x": "1"})):
        made(http, widgets, widget(name, labels=labels))
    query = {"limit": "2", "labelSelector": "x=1"}

    first = http.get(widgets, params=query).json()
    second = http.get(widgets, params=query | {"continue": first["metadata"]["continue"]}).json()

    assert [names(first), names(second)] == [["a", "c"], ["d"]]


def test_a_name_selects_by_field(http, five):
    listed = http.get(five, params={"fieldSelector": "metadata.name=c"}).json()

    assert names(listed) == ["c"]


def test_a_name_can_be_left_out_by_field(http, five):
    listed = http.get(five, params={"fieldSelector": "metadata.name!=c"}).json()

    assert names(listed) == ["a", "b", "d", "e"]


def test_other_fields_of_a_custom_kind_do_not_select(http, widgets):
    answer = http.get(widgets, params={"fieldSelector": "spec.size=1"})

    assert refusal(answer) == (400, "BadRequest", "field label not supported: spec.size")


def test_a_selector_that_cannot_be_read_is_a_bad_request(http, widgets):
    answer = http.get(widgets, params={"labelSelector": "a b"})

    text = "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_version_must_be_a_number(http, widgets):
    answer = http.get(widgets, params={"resourceVersion": "newest"})

    text = (
        'invalid resource version: resourceVersion: Invalid value: "newest": '
        'strconv.ParseUint: parsing "newest": invalid syntax'
    )
    assert refusal(answer) == (400, "BadRequest", text)


# Forms


def test_a_table_has_the_columns_of_the_crd(http, widgets):
    made(http, widgets, widget("a", size=3))

    table = http.get(widgets, headers={"Accept": TABLE}).json()

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"]["resourceVersion"].isdecimal()
    columns = [
        (each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]
    ]
    assert columns == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Phase", "string", 1),
        ("Age", "date", 0),
    ]


def test_a_row_of_a_table_has_cells_and_metadata(http, widgets):
    created = made(http, widgets, widget("a", size=3))

    row = http.get(widgets, headers={"Accept": TABLE}).json()["rows"][0]

    name, size, phase, age = row["cells"]
    assert (name, size, phase) == ("a", 3, None)
    assert age.endswith("s")
    assert row["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": created["metadata"],
    }


def test_a_row_can_carry_the_whole_object(http, widgets):
    created = made(http, widgets, widget("a"))

    table = http.get(widgets, params={"includeObject": "Object"}, headers={"Accept": TABLE}).json()

    assert table["rows"][0]["object"] == created


def test_one_object_can_be_a_table_too(http, widgets):
    made(http, widgets, widget("a", size=3))

    table = http.get(f"{widgets}/a", headers={"Accept": TABLE}).json()

    assert table["kind"] == "Table"
    assert [row["cells"][:2] for row in table["rows"]] == [["a", 3]]


def test_metadata_can_be_listed_alone(http, widgets):
    created = made(http, widgets, widget("a"))

    listed = http.get(widgets, headers={"Accept": PARTIAL_LIST}).json()

    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    about = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    assert listed["items"] == [about | {"metadata": created["metadata"]}]


def test_metadata_of_one_object_can_be_had_alone(http, widgets):
    created = made(http, widgets, widget("a"))

    got = http.get(f"{widgets}/a", headers={"Accept": PARTIAL}).json()

    assert got == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": created["metadata"],
    }


def test_a_list_knows_who_owns_what(http, widgets):
    applied(http, f"{widgets}/a", wish("a", size=1), manager="alice")

    listed = http.get(widgets).json()

    assert [entry["manager"] for entry in listed["items"][0]["metadata"]["managedFields"]] == [
        "alice"
    ]
