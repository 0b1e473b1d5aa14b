"""Announcements over Valkey: names of what changed, never what it changed to.

A courtesy: publishing never raises and never waits long, and whoever listens must also look by itself now and then.
Topics: "workspaces", "workspace-<uid>", "operation-<uuid>", "clusters".
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from functools import cache

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

PREFIX = "kaitoweb:"
TIMEOUT_S = 0.5  # a dead broker may delay a commit by so much, once
PAUSE_S = 1.0  # and is then left alone for so long
ASK_S = 2.0  # between questions whether the broker is there
SUBSCRIBED = ""  # yielded by listen() when it hears; what was announced before may have been missed
LOST = "-"  # yielded when it does not hear, at each failed attempt


def publish(*topics: str) -> None:
    """Announce `topics`. Call it after the commit. Drops the announcement while the broker is away."""
    if not topics or is_away():
        return
    try:
        with _publisher(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            for topic in dict.fromkeys(topics):
                pipeline.publish(PREFIX + topic, "1")
            pipeline.execute()
    except redis.RedisError as error:
        note_away()
        logger.warning("Not announced, pages will find out by polling: %s", error)


def is_away() -> bool:
    """Whether the broker failed somebody of this process a moment ago: who has something for it need not wait as well."""
    return time.monotonic() < _Quiet.until


def note_away() -> None:
    _Quiet.until = time.monotonic() + PAUSE_S


async def listen(topics: list[str]) -> AsyncIterator[str]:
    """Names of announced topics, for ever; a topic may end in * to hear all that begin so.

    Yields SUBSCRIBED first, and again after each reconnect, which LOST precedes. Close the generator to unsubscribe.
    """
    delay_s = 0.2
    while True:
        try:
            async for topic in _subscription(topics):
                delay_s = 0.2
                yield topic
        except (redis.RedisError, OSError) as error:
            logger.warning("Announcements lost, listening again in %.1f s: %s", delay_s, error)
            yield LOST
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 5.0)


async def _subscription(topics: list[str]) -> AsyncIterator[str]:
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_S,
        socket_timeout=None,  # silence is normal; a lost connection shows as an error or at the next ping
        health_check_interval=10,
        retry=None,
        decode_responses=True,
    )
    async with client, client.pubsub() as pubsub:
        await pubsub.psubscribe(*(PREFIX + topic for topic in topics))
        while True:
            message = await pubsub.get_message(timeout=5.0)
            if message is None:
                await pubsub.check_health()
            elif message["type"] == "psubscribe":
                if message["data"] == len(topics):
                    yield SUBSCRIBED
            elif message["type"] == "pmessage":
                yield message["channel"].removeprefix(PREFIX)


def answers() -> bool:
    """Whether the broker is there; asked at most every ASK_S, so that no page waits for a dead one twice."""
    now = time.monotonic()
    if now < _Asked.again_at or not _Asked.lock.acquire(blocking=False):
        return _Asked.answer  # fresh enough, or somebody is asking
    try:
        _Asked.answer = bool(_publisher(settings.REDIS_URL).ping())
    except redis.RedisError:
        _Asked.answer = False
    finally:
        _Asked.again_at = time.monotonic() + ASK_S
        _Asked.lock.release()
    return _Asked.answer


class _Asked:
    """The last answer of the broker in this process."""

    lock = threading.Lock()
    again_at = 0.0
    answer = True


class _Quiet:
    """Until when (monotonic) this process does not speak to the broker."""

    until = 0.0


@cache
def _publisher(url: str) -> redis.Redis:
    """One client a process; its pool is safe between threads, and after a fork."""
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
