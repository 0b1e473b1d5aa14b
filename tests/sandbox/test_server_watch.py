"""WATCH over HTTP: order, selectors, bookmarks, 410, deadlines, forms."""

import asyncio

import pytest

from sandbox.resources import PODS
from tests.sandbox.conftest import Events
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio


def watch_path(version="", **parameters):
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    return f"{WIDGETS_PATH}?watch=true&resourceVersion={version}{query}"


def make(cluster, name, **labels):
    obj = widget(name)
    obj["metadata"]["labels"] = labels
    return cluster.store.create(WIDGETS, obj, manager="test")


def change(cluster, obj, **metadata):
    return cluster.store.update(
        WIDGETS, obj | {"metadata": obj["metadata"] | metadata}, manager="test"
    )


async def test_watch_tells_what_comes_in_order(api, cluster):
    before = make(cluster, "a")

    async with api.open(watch_path(cluster.store.version)) as answer:
        made = make(cluster, "b")
        change(cluster, before, labels={"x": "y"})
        cluster.store.delete(WIDGETS, "default", "b")
        events = Events(answer)

        first = await events.next()
        assert (first["type"], first["object"]) == ("ADDED", made)
        assert await events.brief(1) == [("MODIFIED", "a")]
        last = await events.next()
    assert (last["type"], last["object"]["metadata"]["name"]) == ("DELETED", "b")
    assert last["object"]["metadata"]["resourceVersion"] == str(cluster.store.version)


async def test_watch_from_an_older_version_tells_what_was_missed(api, cluster):
    version = cluster.store.version
    make(cluster, "a")
    make(cluster, "b")

    async with api.open(watch_path(version)) as answer:
        assert await Events(answer).brief(2) == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.parametrize("version", ["", "0"])
async def test_watch_without_a_version_begins_with_what_there_is(api, cluster, version):
    make(cluster, "a")

    async with api.open(watch_path(version)) as answer:
        events = Events(answer)
        assert await events.brief(1) == [("ADDED", "a")]
        make(cluster, "b")
        assert await events.brief(1) == [("ADDED", "b")]


async def test_watch_sees_its_namespace_only(api, cluster):
    async with api.open(watch_path(cluster.store.version)) as answer:
        far = widget("far")
        far["metadata"]["namespace"] = "other"
        cluster.store.create(WIDGETS, far, manager="test")
        make(cluster, "near")

        assert await Events(answer).brief(1) == [("ADDED", "near")]


async def test_entering_and_leaving_a_selection_looks_like_coming_and_going(api, cluster):
    async with api.open(watch_path(cluster.store.version, labelSelector="on")) as answer:
        obj = make(cluster, "a")
        obj = change(cluster, obj, labels={"off": "1"})
        obj = change(cluster, obj, labels={"on": "1"})
        obj = change(cluster, obj, labels={"on": "2"})
        change(cluster, obj, labels={})
        events = Events(answer)

        seen = [await events.next() for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event["object"]["metadata"]["labels"] for event in seen] == [
        {"on": "1"}, {"on": "2"}, {"on": "2"},
    ]  # fmt: skip
    assert seen[2]["object"]["metadata"]["resourceVersion"] == str(cluster.store.version)


async def test_field_selector_narrows_a_watch(api, cluster):
    selector = "metadata.name%3Db"
    async with api.open(watch_path(cluster.store.version, fieldSelector=selector)) as answer:
        make(cluster, "a")
        make(cluster, "b")

        assert await Events(answer).brief(1) == [("ADDED", "b")]


async def test_an_expired_version_is_told_in_the_stream(api, cluster):
    version = cluster.store.version
    make(cluster, "a")
    cluster.store.compact()

    async with api.open(watch_path(version)) as answer:
        events = Events(answer)
        error = await events.next()
        assert await events.is_over()

    assert answer.status == 200
    assert (error["type"], error["object"]["code"], error["object"]["reason"]) == (
        "ERROR", 410, "Expired",
    )  # fmt: skip
    assert error["object"]["message"] == (
        f"too old resource version: {version} ({cluster.store.version})"
    )


async def test_from_a_version_of_the_future_nothing_is_told_until_it_has_come(api, cluster):
    cluster.bookmark_every_s = 0.01
    future = cluster.store.version + 2
    async with api.open(watch_path(future, allowWatchBookmarks="true")) as answer:
        await asyncio.sleep(0.05)  # several bookmarks would have been due
        for name in "abc":
            cluster.store.create(WIDGETS, widget(name), manager="test")

        assert await Events(answer).brief(1) == [("ADDED", "c")]


async def test_bookmarks_come_when_they_are_asked_for(api, cluster):
    cluster.bookmark_every_s = 0.05
    cluster.store.create(PODS, {"metadata": {"name": "p", "namespace": "x"}}, manager="test")

    async with api.open(watch_path(cluster.store.version, allowWatchBookmarks="true")) as answer:
        bookmark = await Events(answer).next()

    assert bookmark == {
        "type": "BOOKMARK",
        "object": {
            "kind": "Widget",
            "apiVersion": "example.com/v1",
            "metadata": {"resourceVersion": str(cluster.store.version)},
        },
    }


async def test_no_bookmarks_unasked(api, cluster):
    cluster.bookmark_every_s = 0.02

    async with api.open(watch_path(cluster.store.version)) as answer:
        await asyncio.sleep(0.1)
        make(cluster, "a")
        assert await Events(answer).brief(1) == [("ADDED", "a")]


async def test_a_watch_ends_at_its_deadline_after_a_last_bookmark(api, cluster, monkeypatch):
    monkeypatch.setattr("sandbox.watching.LAST_BOOKMARK_S", 0.9)
    path = watch_path(cluster.store.version, allowWatchBookmarks="true", timeoutSeconds="1")

    async with api.open(path) as answer:
        events = Events(answer)
        assert (await events.next())["type"] == "BOOKMARK"
        assert await events.is_over()


async def test_initial_events_end_with_a_marked_bookmark(api, cluster):
    make(cluster, "a")
    make(cluster, "b")
    path = watch_path(
        "",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )

    async with api.open(path) as answer:
        events = Events(answer)
        assert await events.brief(2) == [("ADDED", "a"), ("ADDED", "b")]
        end = await events.next()

    assert end["object"]["metadata"] == {
        "resourceVersion": str(cluster.store.version),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }


@pytest.mark.parametrize(
    "query",
    ["sendInitialEvents=true", "resourceVersion=1&resourceVersionMatch=NotOlderThan"],
)
async def test_contradicting_options_are_invalid(api, query):
    code, _ = await api.call("GET", f"{WIDGETS_PATH}?watch=1&{query}")

    assert code == 422


@pytest.mark.parametrize(("value", "watches"), [("True", True), ("1", True), ("false", False)])
async def test_watch_is_read_as_go_reads_a_boolean(api, cluster, value, watches):
    async with api.open(f"{WIDGETS_PATH}?watch={value}&timeoutSeconds=1") as answer:
        assert (answer.headers.get("Transfer-Encoding") == "chunked") is watches


async def test_events_come_as_tables_where_wanted(api, cluster):
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    async with api.open(watch_path(cluster.store.version), Accept=accept) as answer:
        make(cluster, "a")
        event = await Events(answer).next()

    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][:2] == ["a", 1]


async def test_an_event_is_not_held_back(api, cluster):
    loop = asyncio.get_running_loop()
    async with api.open(watch_path(cluster.store.version)) as answer:
        events = Events(answer)
        delays = []
        for number in range(20):
            began = loop.time()
            make(cluster, f"w{number}")
            await events.next()
            delays.append(loop.time() - began)

    assert sorted(delays)[10] < 0.005


async def test_many_watchers_see_a_burst_in_full(api, cluster):
    async def read():
        async with api.open(watch_path("0")) as answer:
            return await Events(answer).brief(200)

    readers = [asyncio.create_task(read()) for _ in range(5)]
    await asyncio.sleep(0.05)
    for number in range(200):
        make(cluster, f"w{number:03}")
        if number % 50 == 0:
            await asyncio.sleep(0)

    expected = [("ADDED", f"w{number:03}") for number in range(200)]
    assert await asyncio.gather(*readers) == [expected] * 5


async def test_a_watcher_that_leaves_is_forgotten(api, cluster):
    async with api.open(watch_path(cluster.store.version)):
        assert len(cluster.store._subscriptions) == 2  # this one, and the end of deleted pods

    await asyncio.sleep(0.05)
    assert len(cluster.store._subscriptions) == 1


async def test_open_watches_end_with_the_server(api, cluster):
    async with api.open(watch_path(cluster.store.version)) as answer:
        cluster.end_streams()
        assert await Events(answer).is_over()
