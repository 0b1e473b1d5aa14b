"""One reader of the store's events. It never makes a writer wait: who falls too far behind is
cut off, as the API server does, and has to list again."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from sandbox.resources import Key

if TYPE_CHECKING:
    from sandbox.eventlog import Event

BACKLOG_LIMIT = 10_000


class Subscription:
    def __init__(self, key: Key | None, among: set[Subscription]) -> None:
        self.key = key
        self._among = among
        self._waiting: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        if self.key is not None and event.resource.key != self.key:
            return
        if len(self._waiting) >= BACKLOG_LIMIT:
            self.close()
        self._waiting.append(event)
        self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._among.discard(self)
        self._ready.set()

    def take(self) -> list[Event]:
        """What has come so far, without waiting."""
        events = list(self._waiting)
        self._waiting.clear()
        return events

    async def batch(self, within_s: float) -> list[Event] | None:
        """What has come, waiting for the first of it; empty when the time is up, None at the end."""
        try:
            async with asyncio.timeout(within_s):
                while not self._waiting and not self._closed:
                    self._ready.clear()
                    await self._ready.wait()
        except TimeoutError:
            return self.take()  # what came at the last moment: a bookmark must not overtake it
        return self.take() or (None if self._closed else [])

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._waiting.popleft()
