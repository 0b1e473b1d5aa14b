"""WATCH: which events come, in which order, and what else stands in the stream."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    PARTIAL,
    TABLE,
    causes,
    config_map,
    core,
    deleted,
    details,
    made,
    patched,
    refusal,
    version_of,
    watching,
)
from tests.conformance.widgets import API_VERSION, widget, widgets_path


def rv(obj):
    return int(obj["metadata"]["resourceVersion"])


def test_an_object_is_added_modified_and_deleted(http, widgets):
    with watching(http, widgets, resourceVersion=version_of(http, widgets)) as events:
        created = made(http, widgets, widget())
        changed = patched(http, f"{widgets}/w", {"spec": {"size": 2}}).json()
        http.delete(f"{widgets}/w")

        first, second, third = events.take(3)

    assert (first, second) == (
        {"type": "ADDED", "object": created},
        {"type": "MODIFIED", "object": changed},
    )
    assert (third["type"], third["object"]["spec"]) == ("DELETED", changed["spec"])


def test_a_deletion_carries_a_version_of_its_own(http, widgets):
    created = made(http, widgets, widget())
    with watching(http, widgets, resourceVersion=str(rv(created))) as events:
        http.delete(f"{widgets}/w")
        [event] = events.take(1)

    assert event["object"]["metadata"]["uid"] == created["metadata"]["uid"]
    assert rv(event["object"]) > rv(created)


def test_a_watch_from_a_list_sees_exactly_what_came_after_it(http, widgets):
    made(http, widgets, widget("a"))
    listed = http.get(widgets).json()["metadata"]["resourceVersion"]
    made(http, widgets, widget("b"))
    http.delete(f"{widgets}/a")

    with watching(http, widgets, resourceVersion=listed) as events:
        assert events.brief(2) == [("ADDED", "b"), ("DELETED", "a")]


@pytest.mark.parametrize("version", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
def test_without_an_exact_version_what_is_there_comes_first(http, widgets, version):
    for name in "ab":
        made(http, widgets, widget(name))

    with watching(http, widgets, **version) as events:
        first = sorted(events.brief(2))
        http.delete(f"{widgets}/a")

        assert [*first, *events.brief(1)] == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_events_come_in_the_order_of_their_versions(http, widgets):
    with watching(http, widgets, resourceVersion=version_of(http, widgets)) as events:
        for name in "abc":
            made(http, widgets, widget(name))
        for name in "cab":
            patched(http, f"{widgets}/{name}", {"spec": {"size": 2}})
            http.delete(f"{widgets}/{name}")
        versions = [rv(event["object"]) for event in events.take(9)]

    assert versions == sorted(set(versions))


def test_a_write_that_changes_nothing_is_no_event(http, widgets):
    created = made(http, widgets, widget())
    with watching(http, widgets, resourceVersion=str(rv(created))) as events:
        patched(http, f"{widgets}/w", {"spec": {"size": 1}})
        patched(http, f"{widgets}/w", {"spec": {"size": 2}})

        [event] = events.take(1)

    assert (event["type"], event["object"]["spec"]["size"]) == ("MODIFIED", 2)


def test_another_namespace_is_not_seen(http, widgets, api):
    other = widgets.replace(widgets.split("/")[-2], api.namespace())
    with watching(http, widgets, resourceVersion=version_of(http, widgets)) as events:
        made(http, other, widget("theirs"))
        made(http, widgets, widget("mine"))

        assert events.brief(1) == [("ADDED", "mine")]


def test_leaving_a_selection_looks_like_a_deletion(http, widgets):
    created = made(http, widgets, widget(labels={"on": "yes"}))
    with watching(
        http, widgets, labelSelector="on=yes", resourceVersion=str(rv(created))
    ) as events:
        left = patched(http, f"{widgets}/w", {"metadata": {"labels": {"on": "no"}}}).json()
        [event] = events.take(1)

    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["labels"] == {"on": "yes"}
    assert rv(event["object"]) == rv(left)


def test_entering_a_selection_looks_like_a_creation(http, widgets):
    created = made(http, widgets, widget())
    with watching(
        http, widgets, labelSelector="on=yes", resourceVersion=str(rv(created))
    ) as events:
        entered = patched(http, f"{widgets}/w", {"metadata": {"labels": {"on": "yes"}}}).json()

        assert events.take(1) == [{"type": "ADDED", "object": entered}]


def test_outside_of_the_selection_nothing_is_told(http, widgets):
    created = made(http, widgets, widget())
    with watching(
        http, widgets, labelSelector="on=yes", resourceVersion=str(rv(created))
    ) as events:
        patched(http, f"{widgets}/w", {"spec": {"size": 5}})
        http.delete(f"{widgets}/w")
        made(http, widgets, widget("seen", labels={"on": "yes"}))

        assert events.brief(1) == [("ADDED", "seen")]


def test_one_object_is_watched_by_its_name(http, widgets):
    version = version_of(http, widgets)
    with watching(
        http, widgets, fieldSelector="metadata.name=b", resourceVersion=version
    ) as events:
        for name in "abc":
            made(http, widgets, widget(name))
        http.delete(f"{widgets}/b")

        assert events.brief(2) == [("ADDED", "b"), ("DELETED", "b")]


def test_finalizers_make_a_deletion_two_events(http, widgets):
    body = widget()
    body["metadata"]["finalizers"] = ["conformance.kaitoweb.dev/hold"]
    created = made(http, widgets, body)
    with watching(http, widgets, resourceVersion=str(rv(created))) as events:
        deleted(http, f"{widgets}/w")
        patched(http, f"{widgets}/w", {"metadata": {"finalizers": None}})

        marked, gone = events.take(2)

    assert (marked["type"], gone["type"]) == ("MODIFIED", "DELETED")
    assert marked["object"]["metadata"]["deletionTimestamp"].endswith("Z")
    assert gone["object"]["metadata"]["finalizers"] == ["conformance.kaitoweb.dev/hold"]
    assert rv(gone["object"]) > rv(marked["object"])


def test_a_watch_of_a_built_in_kind_says_what_its_objects_are(http, space):
    path = core(space, "configmaps")
    with watching(http, path, resourceVersion=version_of(http, path)) as events:
        created = made(http, path, config_map())

        assert events.take(1) == [{"type": "ADDED", "object": created}]


def test_a_watch_ends_after_its_time(http, widgets):
    with watching(http, widgets, timeoutSeconds="1", resourceVersion="0") as events:
        assert events.rest() == []


@pytest.mark.timeout(60)
def test_a_bookmark_comes_before_the_end_when_asked_for(http, widgets, api):
    created = made(http, widgets, widget())
    elsewhere = widgets_path(api.namespace())

    def seen_within(seconds):
        """A bookmark that knows of a change elsewhere; two seconds before the end is the last."""
        query = {"allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        with watching(http, widgets, resourceVersion=str(rv(created)), **query) as events:
            later = made(http, elsewhere, widget(f"after-{seconds}"))
            return next((mark for mark in events if rv(mark["object"]) >= rv(later)), None)

    # A slow machine may miss the moment of the shorter ones.
    mark = next(found for found in map(seen_within, (3, 6, 20)) if found)
    assert mark["type"] == "BOOKMARK"
    assert (mark["object"]["kind"], mark["object"]["apiVersion"]) == ("Widget", API_VERSION)


def test_initial_events_end_with_a_bookmark(http, widgets):
    for name in "ab":
        made(http, widgets, widget(name))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }

    with watching(http, widgets, **query) as events:
        first = sorted(events.brief(2))
        [mark] = events.take(1)
        made(http, widgets, widget("c"))
        after = events.brief(1)

    assert first == [("ADDED", "a"), ("ADDED", "b")]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert after == [("ADDED", "c")]


@pytest.mark.parametrize("version", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
def test_without_an_exact_version_initial_events_end_with_a_bookmark_too(http, widgets, version):
    made(http, widgets, widget("a"))
    with watching(http, widgets, allowWatchBookmarks="true", **version) as events:
        first, mark = events.take(2)

    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_of_tables_names_the_columns_once(http, widgets):
    created = made(http, widgets, widget())
    with watching(http, widgets, TABLE, resourceVersion=str(rv(created))) as events:
        patched(http, f"{widgets}/w", {"spec": {"size": 2}})
        patched(http, f"{widgets}/w", {"spec": {"size": 3}})
        first, second = events.take(2)

    columns = [each["name"] for each in first["object"]["columnDefinitions"]]
    assert columns == ["Name", "Size", "Phase", "Age"]
    assert second["object"]["columnDefinitions"] is None
    assert [event["object"]["rows"][0]["cells"][:2] for event in (first, second)] == [
        ["w", 2],
        ["w", 3],
    ]


def test_metadata_can_be_watched_alone(http, widgets):
    created = made(http, widgets, widget())
    with watching(http, widgets, PARTIAL) as events:
        [event] = events.take(1)

    about = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    assert event == {"type": "ADDED", "object": about | {"metadata": created["metadata"]}}


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        (
            {"sendInitialEvents": "true"},
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "0"},
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ],
    ids=["initial events alone", "match alone"],
)
def test_options_that_do_not_go_together_are_invalid(http, widgets, query, field, text):
    answer = http.get(widgets, params={"watch": "true"} | query)

    said = f'ListOptions.meta.k8s.io "" is invalid: {field}: {text}'
    assert refusal(answer) == (422, "Invalid", said)
    assert details(answer) == {"group": "meta.k8s.io", "kind": "ListOptions"}
    assert causes(answer) == [("FieldValueForbidden", field, text)]


def test_a_version_must_be_a_number(http, widgets):
    answer = http.get(widgets, params={"watch": "true", "resourceVersion": "newest"})

    text = (
        'resourceVersion: Invalid value: "newest": strconv.ParseUint: parsing "newest": '
        "invalid syntax"
    )
    assert refusal(answer) == (500, "", text)


def test_from_a_version_of_the_future_nothing_is_told(http, widgets):
    future = int(version_of(http, widgets)) + 1_000_000
    query = {"resourceVersion": str(future), "timeoutSeconds": "1"}
    with watching(http, widgets, **query) as events:
        made(http, widgets, widget())

        assert events.rest() == []
