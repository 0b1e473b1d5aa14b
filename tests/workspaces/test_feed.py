"""Announcements through a real Valkey, and without one."""

import asyncio
import time
from contextlib import aclosing

import pytest

from tests.workspaces.conftest import running_valkey
from workspaces import feed

pytestmark = pytest.mark.asyncio


async def next_of(stream):
    return await asyncio.wait_for(anext(stream), 3)


async def test_listen_hears_only_its_topics_in_order(valkey):
    async with aclosing(feed.listen(["workspaces", "workspace-1"])) as stream:
        assert await next_of(stream) == feed.SUBSCRIBED

        feed.publish("workspace-2", "workspaces")
        feed.publish("workspace-1")

        assert [await next_of(stream), await next_of(stream)] == ["workspaces", "workspace-1"]


async def test_listen_hears_a_family_of_topics(valkey):
    async with aclosing(feed.listen(["operation-*"])) as stream:
        await next_of(stream)

        feed.publish("clusters", "operation-a")

        assert await next_of(stream) == "operation-a"


async def test_publish_says_each_topic_once(valkey):
    async with aclosing(feed.listen(["*"])) as stream:
        await next_of(stream)

        feed.publish("workspaces", "clusters", "workspaces")
        feed.publish("end")

        assert [await next_of(stream) for _ in range(3)] == ["workspaces", "clusters", "end"]


async def test_listen_returns_after_an_outage_and_says_so(settings):
    with running_valkey() as server:
        settings.REDIS_URL = server.url
        async with aclosing(feed.listen(["workspaces"])) as stream:
            assert await next_of(stream) == feed.SUBSCRIBED
            server.stop()
            server.start()

            heard = [await next_of(stream)]
            while heard[-1] == feed.LOST:
                heard.append(await next_of(stream))
            assert heard[0] == feed.LOST
            assert heard[-1] == feed.SUBSCRIBED
            feed._Quiet.until = 0.0
            feed.publish("workspaces")
            assert await next_of(stream) == "workspaces"


async def test_closed_listener_unsubscribes(valkey):
    stream = feed.listen(["workspaces"])
    await next_of(stream)
    assert valkey.client.pubsub_numpat() == 1

    await stream.aclose()
    await asyncio.sleep(0.05)

    assert valkey.client.pubsub_numpat() == 0


async def test_publish_without_a_broker_is_quick_and_silent(settings, tmp_path, caplog):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    feed._Quiet.until = 0.0
    started = time.monotonic()

    for _ in range(100):
        feed.publish("workspaces")

    assert time.monotonic() - started < 3  # 0.01 s on an idle machine
    assert len(caplog.records) == 1


async def test_publish_resumes_after_the_pause(valkey, monkeypatch):
    feed._Quiet.until = time.monotonic() + 0.02
    async with aclosing(feed.listen(["*"])) as stream:
        await next_of(stream)
        feed._Quiet.until = time.monotonic() + 0.02
        feed.publish("lost")
        await asyncio.sleep(0.03)

        feed.publish("kept")

        assert await next_of(stream) == "kept"


async def test_whether_the_broker_answers_is_asked_now_and_then(valkey, monkeypatch, settings):
    monkeypatch.setattr(feed._Asked, "again_at", 0.0)
    assert feed.answers()

    settings.REDIS_URL = "unix:///nonexistent.sock"

    assert feed.answers()  # asked a moment ago
    monkeypatch.setattr(feed._Asked, "again_at", 0.0)
    assert not feed.answers()
    settings.REDIS_URL = valkey.url
    assert not feed.answers()
    monkeypatch.setattr(feed._Asked, "again_at", 0.0)
    assert feed.answers()
