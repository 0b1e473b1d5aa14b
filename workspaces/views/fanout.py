"""One subscription a process, shared by all open streams: announcements are sorted into mailboxes here.

A mailbox holds each topic at most once, so a slow reader costs no memory and still learns of every change.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workspaces import feed

TOPICS = ("workspaces", "workspace-*", "operation-*", "clusters")
SETTLING_S = 1.0  # how long a new stream waits for the broker before it opens all the same
# Told to every mailbox, whatever its topics: whether anything would be heard.
HEARING, DEAF = "hearing", "deaf"


class Mailbox:
    def __init__(self, topics: frozenset[str]) -> None:
        self._topics = topics
        self._waiting: dict[str, None] = {}
        self._is_full = asyncio.Event()

    def put(self, topics: frozenset[str]) -> None:
        for topic in self._topics & topics:
            self._add(topic)

    def put_all(self) -> None:
        self.put(self._topics)

    def tell(self, hears: bool) -> None:
        self._waiting.pop(DEAF if hears else HEARING, None)
        self._add(HEARING if hears else DEAF)

    def _add(self, word: str) -> None:
        self._waiting[word] = None
        self._is_full.set()

    async def take(self, timeout_s: float) -> list[str]:
        """What was announced since; waits for the first, at most `timeout_s`."""
        try:
            await asyncio.wait_for(self._is_full.wait(), timeout_s)
        except TimeoutError:
            return []
        topics, self._waiting = list(self._waiting), {}
        self._is_full.clear()
        return topics


class _Hub:
    """Listens while somebody is there to hear."""

    def __init__(self) -> None:
        self._boxes: set[Mailbox] = set()
        self._listener: asyncio.Task[None] | None = None
        self._has_gap = False
        self.hears = asyncio.Event()

    def join(self, box: Mailbox) -> None:
        self._boxes.add(box)
        if self._listener is None or self._listener.done():
            self._has_gap = False
            self.hears.clear()
            self._listener = asyncio.create_task(self._listen())

    def leave(self, box: Mailbox) -> None:
        self._boxes.discard(box)
        if not self._boxes and self._listener:
            self._listener.cancel()
            self._listener = None

    async def _listen(self) -> None:
        async for topic in feed.listen(list(TOPICS)):
            if topic == feed.SUBSCRIBED:
                self._catch_up()
            elif topic == feed.LOST:
                self._lose()
            else:
                self._sort(frozenset((topic,)))

    def _catch_up(self) -> None:
        """After a gap everybody looks at everything; the first time there was none."""
        self.hears.set()
        if not self._has_gap:
            return
        self._has_gap = False
        for box in self._boxes:
            box.tell(hears=True)
            box.put_all()

    def _lose(self) -> None:
        self.hears.clear()
        if self._has_gap:
            return
        self._has_gap = True
        for box in self._boxes:
            box.tell(hears=False)

    def disappoint(self, box: Mailbox) -> None:
        """It opens before anything can be heard."""
        self._has_gap = True
        box.tell(hears=False)

    def _sort(self, topics: frozenset[str]) -> None:
        for box in self._boxes:
            box.put(topics)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Hub] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def mailbox(topics: frozenset[str]) -> AsyncIterator[Mailbox]:
    """Open from before this returns until the block ends: nothing announced in between is lost."""
    hub = _hubs.setdefault(asyncio.get_running_loop(), _Hub())
    box = Mailbox(topics)
    hub.join(box)
    try:
        if not await _settled(hub):
            hub.disappoint(box)
        yield box
    finally:
        hub.leave(box)


async def _settled(hub: _Hub) -> bool:
    try:
        await asyncio.wait_for(hub.hears.wait(), SETTLING_S)
    except TimeoutError:
        return False
    return True
