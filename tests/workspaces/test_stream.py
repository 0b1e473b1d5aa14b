from __future__ import annotations

import asyncio

import pytest
from django.test import AsyncClient
from django.urls import reverse

from tests.workspaces import builders as b
from workspaces import feed, logs
from workspaces.views import fanout, stream

pytestmark = pytest.mark.django_db(transaction=True)


async def parts_of(response, count):
    """The first `count` parts of a stream that does not end, then it is closed."""
    found = []
    iterator = aiter(response.streaming_content)
    try:
        async with asyncio.timeout(3):
            while len(found) < count:
                found.append((await anext(iterator)).decode())
    finally:
        await iterator.aclose()
    return found


async def read_into(parts, response):
    async for part in response.streaming_content:
        parts.append(part.decode())


async def signed_in(person):
    client = AsyncClient()
    await client.aforce_login(person)
    return client


@pytest.mark.asyncio
async def test_events_tell_names_of_asked_topics_only(valkey, bob):
    client = await signed_in(bob)
    response = await client.get("/events/?topics=workspaces,workspace-1,workspace-1%0Adata")
    iterator = aiter(response.streaming_content)

    opened = await anext(iterator)
    feed.publish("workspace-2", "clusters", "workspace-1\ndata", "workspaces")
    async with asyncio.timeout(3):
        announced = await anext(iterator)
    await iterator.aclose()

    assert opened == b"retry: 3000\n: open\n\n"
    assert announced == b"event: workspaces\ndata: 1\n\n"


@pytest.mark.asyncio
async def test_events_are_neither_kept_nor_compressed_nor_buffered(valkey, bob):
    client = await signed_in(bob)

    response = await client.get("/events/?topics=workspaces")

    await parts_of(response, 1)
    assert response["Content-Type"] == "text/event-stream"
    assert [response[h] for h in ("Cache-Control", "Content-Encoding", "X-Accel-Buffering")] == [
        *("no-store", "identity", "no")
    ]


@pytest.mark.asyncio
async def test_events_are_for_those_who_are_signed_in(valkey):
    response = await AsyncClient().get("/events/?topics=workspaces")

    assert response.status_code == 302


@pytest.mark.asyncio
async def test_events_beat_while_nothing_happens(valkey, bob, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    client = await signed_in(bob)

    parts = await parts_of(await client.get("/events/?topics=workspaces"), 3)

    assert parts[1:] == ["event: beat\ndata: 1\n\n"] * 2


@pytest.mark.asyncio
async def test_events_end_when_the_person_may_not_read_any_more(valkey, bob, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    client = await signed_in(bob)
    response = await client.get("/events/?topics=workspaces")
    bob.is_active = False
    await bob.asave(update_fields=["is_active"])

    async with asyncio.timeout(3):
        parts = [part async for part in response.streaming_content]

    assert parts == [b"retry: 3000\n: open\n\n"]


@pytest.mark.asyncio
async def test_events_end_at_sign_out(valkey, bob, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    client = await signed_in(bob)
    response = await client.get("/events/?topics=workspaces")
    await client.alogout()

    async with asyncio.timeout(3):
        assert len([part async for part in response.streaming_content]) == 1


@pytest.mark.asyncio
async def test_streams_share_one_subscription_and_leave_none_behind(valkey):
    async with (
        fanout.mailbox(frozenset({"workspaces"})) as one,
        fanout.mailbox(frozenset({"clusters", "workspaces"})) as two,
    ):
        assert valkey.client.execute_command("PUBSUB", "NUMPAT") == len(fanout.TOPICS)
        feed.publish("workspaces")
        assert await one.take(3) == ["workspaces"]
        assert await two.take(3) == ["workspaces"]

    for _ in range(50):
        if valkey.client.execute_command("PUBSUB", "NUMPAT") == 0:
            break
        await asyncio.sleep(0.02)
    assert valkey.client.execute_command("PUBSUB", "NUMPAT") == 0


@pytest.mark.asyncio
async def test_mailbox_holds_a_topic_once_however_often_it_is_announced(valkey):
    async with fanout.mailbox(frozenset({"workspaces"})) as box:
        for _ in range(100):
            box.put(frozenset({"workspaces", "clusters"}))

        assert await box.take(1) == ["workspaces"]
        assert await box.take(0.01) == []


@pytest.mark.asyncio
async def test_everybody_looks_again_after_a_gap(valkey):
    async with fanout.mailbox(frozenset({"workspaces", "clusters"})) as box:
        valkey.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        assert await box.take(2) == ["deaf"]
        assert sorted(await box.take(4)) == ["clusters", "hearing", "workspaces"]


@pytest.mark.asyncio
async def test_stream_opens_without_a_broker(settings, monkeypatch):
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock"
    monkeypatch.setattr(fanout, "SETTLING_S", 0.05)

    async with fanout.mailbox(frozenset({"workspaces"})) as box:
        assert await box.take(0.05) == ["deaf"]


def logs_url(**query):
    path = reverse("workspaces:logs", args=["sandbox", "team-a", "phi-4"])
    return f"{path}?{'&'.join(f'{k}={v}' for k, v in query.items())}"


@pytest.mark.asyncio
async def test_pod_logs_come_as_events(bob):
    def seed():
        b.make_workspace(cluster=b.make_cluster(endpoint="http://127.0.0.1:9"), story="weights")

    await asyncio.to_thread(seed)
    client = await signed_in(bob)

    parts = await parts_of(await client.get(logs_url(pod="phi-4-0", container="phi-4")), 2)

    assert parts[1].startswith("event: notice\ndata: ")


@pytest.mark.asyncio
async def test_pod_logs_of_a_foreign_pod_are_a_404(bob):
    await asyncio.to_thread(b.make_workspace, story="weights")
    client = await signed_in(bob)

    response = await client.get(logs_url(pod="kube-system-0", container="phi-4"))

    assert response.status_code == 404


class Followed:
    """Stands for the log: lines every `every_s`, for ever; knows whether its reader has left."""

    def __init__(self, every_s):
        self.every_s, self.is_open, self.since = every_s, False, None

    async def __call__(self, source, *, since):
        self.is_open, self.since = True, since
        try:
            while True:
                await asyncio.sleep(self.every_s)
                yield [logs.LogLine("2026-11-24T12:00:00Z", "secret")]
        finally:
            self.is_open = False


async def opened_log(person, monkeypatch, log, **headers):
    monkeypatch.setattr(stream, "LOG_HEARTBEAT_S", 0.05)
    monkeypatch.setattr(logs, "follow", log)
    await asyncio.to_thread(b.make_workspace, story="weights")
    client = await signed_in(person)
    return await client.get(logs_url(pod="phi-4-0", container="phi-4"), headers=headers)


@pytest.mark.asyncio
async def test_pod_logs_beat_while_the_container_is_silent_and_end_with_the_reader(
    bob, monkeypatch
):
    log, parts = Followed(every_s=60), []
    response = await opened_log(bob, monkeypatch, log)
    reader = asyncio.create_task(read_into(parts, response))
    async with asyncio.timeout(3):
        while len(parts) < 3:
            await asyncio.sleep(0.01)

    reader.cancel()  # as a server does when the browser has left
    await asyncio.wait([reader])

    assert parts[:3] == ["retry: 3000\n: open\n\n", ": beat\n\n", ": beat\n\n"]
    assert not log.is_open


@pytest.mark.parametrize("every_s", [0.01, 60])
@pytest.mark.asyncio
async def test_pod_logs_end_when_the_person_may_not_read_any_more(bob, monkeypatch, every_s):
    log = Followed(every_s)
    response = await opened_log(bob, monkeypatch, log)
    bob.is_active = False
    await bob.asave(update_fields=["is_active"])

    async with asyncio.timeout(3):
        async for _ in response.streaming_content:
            pass

    assert not log.is_open


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.123456789Z"),
        ("2026-11-24T12:00:00+01:00", "2026-11-24T12:00:00+01:00"),
        ("yesterday", ""),
        ("2026-11-24T12:00:00Z&follow=false", ""),
    ],
)
@pytest.mark.asyncio
async def test_pod_logs_go_on_after_a_time_only(bob, monkeypatch, given, since):
    log = Followed(every_s=0)

    await parts_of(await opened_log(bob, monkeypatch, log, last_event_id=given), 2)

    assert log.since == since


@pytest.mark.asyncio
async def test_pod_logs_can_be_saved(bob):
    def seed():
        b.make_workspace(cluster=b.make_cluster(endpoint="http://127.0.0.1:9"), story="weights")

    await asyncio.to_thread(seed)
    client = await signed_in(bob)

    response = await client.get(logs_url(pod="phi-4-0", container="phi-4", download=1))

    assert response["Content-Disposition"] == 'attachment; filename="phi-4-0-phi-4.log"'
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    saved = b"".join([part async for part in response.streaming_content])
    assert saved == b"Nothing answers at the cluster's address.\n"
