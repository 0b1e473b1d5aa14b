"""What a knob acts on, and what it does there. These are also the JSON bodies that the knobs take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

from sandbox import status


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Empty fields match all. `path` is a regular expression, searched for in path and query."""

    method: str = ""
    path: str = ""
    user: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise status.bad_request(f"path is no regular expression: {error}") from error

    def covers(self, method: str, path: str, user: str) -> bool:
        return (
            self.method in ("", method)
            and self.user in ("", user)
            and re.search(self.path, path) is not None
        )


@dataclass(slots=True, kw_only=True)
class Rule:
    """`times` requests are hit (0: all, until a reset), of those that match only each `every`-th."""

    match: Match = field(default_factory=Match)
    times: int = 0
    every: int = 1
    _seen: int = field(default=0, init=False)
    _hits: int = field(default=0, init=False)

    def hits(self) -> bool:
        """Whether it acts on this request, which matches; counts it."""
        if self.is_used_up:
            return False
        self._seen += 1
        if self._seen % self.every:
            return False
        self._hits += 1
        return True

    @property
    def is_used_up(self) -> bool:
        return bool(self.times) and self._hits >= self.times

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        return _parsed(cls, {**raw, "match": _parsed(Match, raw.get("match") or {})})


@dataclass(slots=True, kw_only=True)
class Failure(Rule):
    """`when` "before": the request is not carried out; "after": it is, and then answered so all the same.

    `body` is sent as HTML instead of a Status, as by a proxy in front of the server.
    """

    status: int = 500
    reason: str = ""
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    when: str = "before"


@dataclass(slots=True, kw_only=True)
class Break(Rule):
    """An answer that ends ("cut") or falls silent ("freeze") after so many bytes of its body.

    `mid_chunk`: with the chunk announced longer than it is. Without `after_bytes` it hits what is open now;
    a freeze then holds for later requests too, until a reset.
    """

    kind: str = "cut"
    after_bytes: int | None = None
    mid_chunk: bool = False


@dataclass(slots=True, kw_only=True)
class Delay(Rule):
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Trick(Rule):
    """What to do to the next so many events of watches; `split` and `coalesce` hold until a reset.

    `reorder_next` events are each sent after the one that follows; `split` sends each line in so many chunks;
    `coalesce` sends so many lines in one chunk. `inject` is base64, sent at once into every open watch that matches.
    """

    drop_next: int = 0
    duplicate_next: int = 0
    reorder_next: int = 0
    split: int = 1
    coalesce: int = 1
    inject: str = ""


@dataclass(slots=True, kw_only=True)
class Bookmarks:
    """`period_s` counts for watches that begin later; `on` at once."""

    on: bool = True
    period_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Pace:
    speed: float


Parsed = TypeVar("Parsed")


def parse(kind: type[Parsed], raw: object) -> Parsed:
    """Raises 400 for what is no such knob."""
    if not isinstance(raw, dict):
        raise status.bad_request("a knob takes a JSON object")
    return kind.parse(raw) if issubclass(kind, Rule) else _parsed(kind, raw)


def _parsed(kind: type[Parsed], raw: Mapping[str, Any]) -> Parsed:
    known = {each.name for each in fields(kind) if each.init}  # type: ignore[arg-type]  # each kind is a dataclass
    if unknown := raw.keys() - known:
        raise status.bad_request(f"unknown fields: {', '.join(sorted(unknown))}")
    try:
        return kind(**raw)
    except TypeError as error:
        raise status.bad_request(str(error)) from error
