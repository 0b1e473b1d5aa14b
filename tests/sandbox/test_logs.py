"""Pod logs over HTTP: which lines, in which form, and following."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.logbook import KEPT_LINES, LogBook
from sandbox.resources import PODS

pytestmark = pytest.mark.asyncio

LOG = "/api/v1/namespaces/default/pods/p/log"
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def make_pod(cluster, *containers, node="n", **status):
    spec = {"nodeName": node, "containers": [{"name": name} for name in containers or ("c",)]}
    body = {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    pod = cluster.store.create(PODS, body | {"status": {"phase": "Running"} | status}, manager="k")
    return pod["metadata"]["uid"]


@pytest.fixture
def uid(cluster):
    """A pod that wrote three lines, a minute apart."""
    made = make_pod(cluster)
    for number in range(3):
        at = START + timedelta(minutes=number)
        cluster.logbook.append(made, "c", f"line {number}", at)
    return made


async def read(api, query=""):
    code, text = await api.call("GET", f"{LOG}?{query}")
    assert code == 200
    return text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "line 0\nline 1\nline 2\n"),
        ("container=c", "line 0\nline 1\nline 2\n"),
        ("tailLines=1", "line 2\n"),
        ("tailLines=0", ""),
        ("tailLines=99", "line 0\nline 1\nline 2\n"),
        ("limitBytes=8", "line 0\nl"),
        ("sinceTime=2026-11-24T12:01:00Z", "line 1\nline 2\n"),
        ("sinceTime=2026-11-24T12:01:00Z&tailLines=1", "line 2\n"),
        ("sinceSeconds=1", ""),
        ("timestamps=true&tailLines=1", "2026-11-24T12:02:00.000000000Z line 2\n"),
    ],
)
async def test_log_gives_the_lines_asked_for(api, uid, query, expected):
    assert await read(api, query) == expected


async def test_follow_gives_what_comes(api, cluster, uid):
    async with api.open(f"{LOG}?follow=true&tailLines=1") as answer:
        assert await answer.content.readline() == b"line 2\n"
        cluster.logbook.append(uid, "c", "late")
        assert await asyncio.wait_for(answer.content.readline(), 1) == b"late\n"
        cluster.logbook.append(uid, "c", "later")
        cluster.logbook.append(uid, "c", "last")
        assert await answer.content.readline() == b"later\n"
        assert await answer.content.readline() == b"last\n"


async def test_follow_ends_with_the_container(api, cluster, uid):
    async with api.open(f"{LOG}?follow=true&tailLines=0") as answer:
        cluster.logbook.append(uid, "c", "bye")
        cluster.logbook.restart(uid, "c")

        assert await asyncio.wait_for(answer.text(), 1) == "bye\n"


async def test_follow_ends_with_the_pod(api, cluster, uid):
    async with api.open(f"{LOG}?follow=true&tailLines=0") as answer:
        cluster.store.delete(PODS, "default", "p", grace_s=0)

        assert await asyncio.wait_for(answer.text(), 1) == ""


async def test_follow_ends_with_the_server(api, cluster, uid):
    async with api.open(f"{LOG}?follow=true&tailLines=0") as answer:
        cluster.end_streams()

        assert await asyncio.wait_for(answer.text(), 1) == ""


async def test_previous_is_what_was_written_before_the_restart(api, cluster, uid):
    cluster.logbook.restart(uid, "c")
    cluster.logbook.append(uid, "c", "again")

    assert await read(api) == "again\n"
    assert await read(api, "previous=true&tailLines=1") == "line 2\n"


async def test_without_a_previous_run_there_is_nothing(api, uid):
    code, status = await api.call("GET", f"{LOG}?previous=true")

    assert (code, status["message"]) == (
        400, 'previous terminated container "c" in pod "p" not found',
    )  # fmt: skip


async def test_between_two_tries_the_last_one_is_shown(api, cluster):
    waiting = {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    uid = make_pod(cluster, containerStatuses=[waiting])
    cluster.logbook.append(uid, "c", "401 unauthorised")
    cluster.logbook.restart(uid, "c")

    assert await read(api) == "401 unauthorised\n"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Pending"}, "ContainerCreating"),
        ({"phase": "Pending", "containerStatuses": [
            {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
         "ImagePullBackOff"),
    ],
)  # fmt: skip
async def test_a_container_that_has_not_started_has_no_log(api, cluster, status, reason):
    make_pod(cluster, **status)

    code, answer = await api.call("GET", LOG)

    assert (code, answer["message"]) == (
        400, f'container "c" in pod "p" is waiting to start: {reason}',
    )  # fmt: skip


async def test_a_pod_that_waits_for_a_node_has_nothing_to_show(api, cluster):
    make_pod(cluster, node="", phase="Pending")

    assert await api.call("GET", LOG) == (204, "")


async def test_one_of_several_containers_must_be_named(api, cluster):
    make_pod(cluster, "one", "two")

    code, answer = await api.call("GET", LOG)
    wrong, named = await api.call("GET", f"{LOG}?container=three")

    assert (code, answer["message"]) == (
        400, "a container name must be specified for pod p, choose one of: [one two]",
    )  # fmt: skip
    assert (wrong, named["message"]) == (400, "container three is not valid for pod p")


@pytest.mark.parametrize("query", ["tailLines=-1", "tailLines=x", "limitBytes=x", "sinceTime=x"])
async def test_nonsense_is_a_bad_request(api, uid, query):
    code, answer = await api.call("GET", f"{LOG}?{query}")

    assert (code, answer["reason"]) == (400, "BadRequest")


async def test_the_log_of_an_unknown_pod_is_not_found(api):
    code, answer = await api.call("GET", LOG)

    assert (code, answer["message"]) == (404, 'pods "p" not found')


async def test_only_the_last_lines_are_kept():
    book = LogBook()
    for number in range(KEPT_LINES + 10):
        book.append("u", "c", str(number))

    log = book.current("u", "c")
    assert [len(log.lines), log.lines[0].text] == [KEPT_LINES, "10"]
    assert [line.text for line in log.after(KEPT_LINES + 8)] == [
        str(KEPT_LINES + 8), str(KEPT_LINES + 9),
    ]  # fmt: skip
