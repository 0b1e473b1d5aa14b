"""Bytes of a container's log → lines with their times. Pure, and never surprised: logs hold anything.

Chunks end anywhere, also inside a character; progress bars overwrite themselves with carriage returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LINE_BYTES = 16 * 1024  # longer lines are cut
# Escape sequences of a terminal: colours and cursor moves; titles and links up to their bell or ESC \.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """`at` is RFC 3339 as the kubelet wrote it; empty where it wrote none."""

    at: str
    text: str


class Splitter:
    """Collects chunks and gives the lines that are complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[LogLine]:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        self._rest = self._rest[:LINE_BYTES]
        return [log_line(part) for part in whole if part]

    def end(self) -> list[LogLine]:
        rest, self._rest = self._rest, b""
        return [log_line(rest)] if rest else []


def log_line(raw: bytes) -> LogLine:
    text = raw[:LINE_BYTES].decode("utf-8", "replace")
    found = _TIME.match(text)
    at, text = (found[1], found[2]) if found else ("", text)
    return LogLine(at, _ESCAPES.sub("", _last_state(text)))


def _last_state(text: str) -> str:
    """What a terminal would show in the end of a line that overwrites itself."""
    states = [part for part in text.split("\r") if part.strip()]
    return states[-1] if states else ""


class Bookmark:
    """Where a log was read to, so that reading can go on there: no line twice, none left out.

    sinceTime counts whole seconds only
    (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Operations), so that what
    was shown of that second comes again.
    """

    def __init__(self, at: str = "") -> None:
        self.at = at
        self._shown_at = 1 if at else 0  # lines of exactly that time
        self._skip = self._shown_at

    def resume(self) -> None:
        self._skip = self._shown_at

    def take(self, lines: Iterable[LogLine]) -> list[LogLine]:
        return [line for line in lines if self._is_new(line)]

    def _is_new(self, line: LogLine) -> bool:
        time, last = _key(line.at), _key(self.at)
        if time > last:
            self.at, self._shown_at, self._skip = line.at, 1, 0
            return True
        if self._skip and line.at:
            self._skip -= time == last
            return False
        self._shown_at += time == last and bool(line.at)
        return True


def _key(at: str) -> tuple[str, str]:
    """Comparable: the kubelet leaves trailing zeros of the fraction out."""
    head, _, rest = at.partition(".")
    fraction = re.match(r"\d*", rest)
    return head.rstrip("Z"), (fraction[0] if fraction else "").ljust(9, "0")
