"""What containers wrote: the last lines of the running one and of the one before a restart."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from sandbox.clock import parse_time, rfc3339_nano

KEPT_LINES = 2_000

Key = tuple[str, str]  # pod uid, container


class Line(NamedTuple):
    at: datetime
    text: str


class ContainerLog:
    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.written = 0  # lines ever written, so that a follower knows which it has seen
        self.is_ended = False
        self._waiters: set[asyncio.Event] = set()

    def append(self, line: Line) -> None:
        self.lines.append(line)
        self.written += 1
        self._wake()

    def end(self) -> None:
        self.is_ended = True
        self._wake()

    def after(self, seen: int) -> list[Line]:
        missing = min(self.written - seen, len(self.lines))
        return list(self.lines)[-missing:] if missing else []

    async def wait(self, seen: int) -> None:
        """Until something was written after `seen`, or the container ended."""
        ready = asyncio.Event()
        self._waiters.add(ready)
        try:
            while self.written == seen and not self.is_ended:
                ready.clear()
                await ready.wait()
        finally:
            self._waiters.discard(ready)

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()


class LogBook:
    def __init__(self) -> None:
        self._current: dict[Key, ContainerLog] = {}
        self._previous: dict[Key, ContainerLog] = {}
        self.written = 0  # grows with every change, so that a keeper knows there is news

    def append(self, pod_uid: str, container: str, line: str, at: datetime | None = None) -> None:
        log = self._current.setdefault((pod_uid, container), ContainerLog())
        log.append(Line(at or datetime.now(UTC), line))
        self.written += 1

    def restart(self, pod_uid: str, container: str) -> None:
        ended = self._current.pop((pod_uid, container), None) or ContainerLog()
        ended.end()
        self._previous[(pod_uid, container)] = ended
        self.written += 1

    def forget(self, pod_uid: str) -> None:
        """The pod is gone: its followers come to an end."""
        for book in (self._current, self._previous):
            for key in [key for key in book if key[0] == pod_uid]:
                book.pop(key).end()

    def current(self, pod_uid: str, container: str) -> ContainerLog:
        return self._current.setdefault((pod_uid, container), ContainerLog())

    def previous(self, pod_uid: str, container: str) -> ContainerLog | None:
        return self._previous.get((pod_uid, container))

    def end_all(self) -> None:
        for log in self._current.values():
            log.end()

    def dump(self) -> bytes:
        books = {"current": self._current, "previous": self._previous}
        return orjson.dumps({name: _dumped(book) for name, book in books.items()})

    def restore(self, path: Path) -> None:
        saved = orjson.loads(path.read_bytes())
        for name, book in (("current", self._current), ("previous", self._previous)):
            for uid, container, lines in saved[name]:
                log = book[(uid, container)] = ContainerLog()
                for at, text in lines:
                    log.append(Line(parse_time(at), text))


def _dumped(book: dict[Key, ContainerLog]) -> list[list[object]]:
    return [
        [uid, container, [(rfc3339_nano(line.at), line.text) for line in log.lines]]
        for (uid, container), log in book.items()
    ]
