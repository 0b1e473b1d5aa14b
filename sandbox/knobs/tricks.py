"""Bends the lines of one watch: loses, doubles, swaps, splits and gathers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sandbox.knobs.rules import Trick

BOOKMARK = b'{"type":"BOOKMARK"'


class Bender:
    """`tricks` are those that match this watch; their counters are shared with other watches."""

    def __init__(self) -> None:
        self._held: list[bytes] = []  # events that come after the next one
        self._gathered: list[bytes] = []

    def bend(self, lines: bytes, tricks: list[Trick], *, bookmarks: bool) -> list[bytes]:
        """What to send instead of these whole lines, chunk by chunk."""
        told: list[bytes] = []
        for line in _split(lines):
            if line.startswith(BOOKMARK):
                told += [line] if bookmarks else []
            else:
                told += self._event(line, tricks)
        return list(self._chunks(told, tricks)) if tricks else [b"".join(told)]

    def _event(self, line: bytes, tricks: list[Trick]) -> Iterable[bytes]:
        if _used(tricks, "drop_next"):
            return []
        if _used(tricks, "reorder_next"):
            self._held.append(line)
            return []
        held, self._held = self._held, []
        twice = 2 if _used(tricks, "duplicate_next") else 1
        return [line] * twice + held

    def _chunks(self, lines: list[bytes], tricks: list[Trick]) -> Iterator[bytes]:
        together = max(trick.coalesce for trick in tricks)
        pieces = max(trick.split for trick in tricks)
        self._gathered += lines
        if len(self._gathered) < together:
            return
        gathered, self._gathered = b"".join(self._gathered), []
        size = max(1, -(-len(gathered) // pieces))
        yield from (gathered[start : start + size] for start in range(0, len(gathered), size))


def _split(lines: bytes) -> list[bytes]:
    """At LF only: texts in events hold other line breaks."""
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]


def _used(tricks: list[Trick], counter: str) -> bool:
    for trick in tricks:
        left = getattr(trick, counter)
        if left > 0:
            setattr(trick, counter, left - 1)
            return True
    return False
