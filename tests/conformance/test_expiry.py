"""What became of old versions: 410 for lists, an ERROR in the stream for watches."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.conformance.asking import made, names, refusal, version_of, watching
from tests.conformance.widgets import widget, widgets_path

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the first "
    "chunk was returned and now may show up in the list."
)


class Old(NamedTuple):
    """What was given before the server forgot."""

    widgets: str
    version: str
    token: str


@pytest.fixture(scope="module")
def old(api, http) -> Old:
    """Half of a list is read, then something changes, then the history goes."""
    widgets = widgets_path(api.namespace())
    for name in "acd":
        made(http, widgets, widget(name))
    version = version_of(http, widgets)
    token = http.get(widgets, params={"limit": "1"}).json()["metadata"]["continue"]
    http.delete(f"{widgets}/c")
    made(http, widgets, widget("b"))
    api.old_events_gone()
    return Old(widgets, version, token)


def test_an_old_continue_token_is_gone(http, old):
    answer = http.get(old.widgets, params={"continue": old.token})

    body = answer.json()
    assert body["metadata"].pop("continue") != old.token
    assert (answer.status_code, body) == (
        410,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": TOO_OLD,
            "reason": "Expired",
            "code": 410,
        },
    )


def test_the_refusal_has_a_token_for_an_inconsistent_rest(http, old):
    refused = http.get(old.widgets, params={"continue": old.token}).json()

    rest = http.get(old.widgets, params={"continue": refused["metadata"]["continue"]}).json()

    assert names(rest) == ["b", "d"]


def test_an_exact_list_of_an_old_version_is_gone(http, old):
    query = {"resourceVersion": old.version, "resourceVersionMatch": "Exact"}

    answer = http.get(old.widgets, params=query)

    assert refusal(answer)[:2] == (410, "Expired")


def test_a_list_not_older_than_an_old_version_is_the_newest(http, old):
    query = {"resourceVersion": old.version, "resourceVersionMatch": "NotOlderThan"}

    assert names(http.get(old.widgets, params=query).json()) == ["a", "b", "d"]


def test_a_watch_from_an_old_version_ends_with_an_error_event(http, old):
    with watching(http, old.widgets, resourceVersion=old.version) as events:
        [event] = events.rest()

    assert event["type"] == "ERROR"
    said = event["object"].pop("message")
    assert said.startswith(f"too old resource version: {old.version} (")
    assert event["object"] == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": "Expired",
        "code": 410,
    }


def test_a_list_without_version_never_expires(http, old):
    assert names(http.get(old.widgets).json()) == ["a", "b", "d"]


def test_from_now_on_all_is_told(http, old):
    with watching(http, old.widgets, resourceVersion=version_of(http, old.widgets)) as events:
        made(http, old.widgets, widget("x"))
        http.delete(f"{old.widgets}/x")

        assert events.brief(2) == [("ADDED", "x"), ("DELETED", "x")]
