"""The state of all knobs of one sandbox: the rules that wait, the answers that are open, what was asked."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import TypeVar

from aiohttp import web

from sandbox import status
from sandbox.cluster import Cluster
from sandbox.knobs.exchanges import Exchange, Writer
from sandbox.knobs.recording import Record, Recorder
from sandbox.knobs.rules import Bookmarks, Break, Delay, Failure, Pace, Rule, Trick

Kind = TypeVar("Kind", bound=Rule)


class Board:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.recorder = Recorder()
        self.bookmarks = True
        self._rules: list[Rule] = []
        self._open: set[Exchange] = set()
        self._usual = (cluster.bookmark_every_s, cluster.clock.speed)

    # Turned from outside; each says how many open answers it met

    def fail(self, rule: Failure) -> int:
        if rule.when not in ("before", "after"):
            raise status.bad_request('when must be "before" or "after"')
        return self._keep(rule)

    def delay(self, rule: Delay) -> int:
        return self._keep(rule)

    def freeze(self, rule: Break) -> int:
        rule.kind = "freeze"
        self._keep(rule)
        if rule.after_bytes is not None:
            return 0
        met = self._covered(rule)
        for exchange in met:
            exchange.flowing.clear()
        return len(met)

    def cut(self, rule: Break) -> int:
        rule.kind = "cut"
        if rule.after_bytes is not None:
            return self._keep(rule)
        met = self._covered(rule)
        for exchange in met:
            exchange.abort()
        return len(met)

    async def watch(self, trick: Trick) -> int:
        self._keep(trick)
        met = [exchange for exchange in self._covered(trick) if exchange.is_watch]
        raw = base64.b64decode(trick.inject)
        for exchange in met if raw else ():
            writer = exchange.request.writer
            if isinstance(writer, Writer):
                with contextlib.suppress(ConnectionError):  # it is just ending
                    await writer.inject(raw)
        return len(met)

    def set_bookmarks(self, wanted: Bookmarks) -> int:
        self.bookmarks = wanted.on
        if wanted.period_s is not None:
            self.cluster.bookmark_every_s = wanted.period_s
        return 0

    def set_pace(self, wanted: Pace) -> int:
        if wanted.speed <= 0:
            raise status.bad_request("speed must be greater than 0")
        self.cluster.clock.speed = wanted.speed
        return 0

    def reset(self) -> None:
        """As at the start, but for what was recorded; frozen answers go on, or end where they broke."""
        self._rules.clear()
        self.bookmarks = True
        self.cluster.bookmark_every_s, self.cluster.clock.speed = self._usual
        for exchange in self._open:
            exchange.flowing.set()

    # Asked by the middleware

    async def opened(self, request: web.Request, user: str) -> Exchange:
        record: Record = await self.recorder.note(request, user)
        exchange = Exchange(request, user, record, self)
        broken = [rule for rule in self._of(Break, exchange) if rule.after_bytes is not None]
        exchange.broken = next((rule for rule in broken if rule.hits()), None)
        self._open.add(exchange)
        if not self.is_frozen(exchange):
            exchange.flowing.set()
        return exchange

    def closed(self, exchange: Exchange) -> None:
        self._open.discard(exchange)

    def is_frozen(self, exchange: Exchange) -> bool:
        return any(
            rule.kind == "freeze" and rule.after_bytes is None for rule in self._of(Break, exchange)
        )

    def delay_of(self, exchange: Exchange) -> float:
        return sum(rule.seconds for rule in self._of(Delay, exchange) if rule.hits())

    def failure_of(self, exchange: Exchange) -> Failure | None:
        return next((rule for rule in self._of(Failure, exchange) if rule.hits()), None)

    def bent(self, exchange: Exchange, lines: bytes) -> list[bytes]:
        tricks = list(self._of(Trick, exchange))
        if not tricks and self.bookmarks:
            return [lines]
        chunks = exchange.bender.bend(lines, tricks, bookmarks=self.bookmarks)
        return [chunk for chunk in chunks if chunk]

    def _keep(self, rule: Rule) -> int:
        self._rules.append(rule)
        return 0

    def _of(self, kind: type[Kind], exchange: Exchange) -> Iterator[Kind]:
        for rule in self._rules:
            if isinstance(rule, kind) and exchange.is_covered_by(rule.match):
                yield rule

    def _covered(self, rule: Rule) -> list[Exchange]:
        return [each for each in self._open if each.is_covered_by(rule.match)]
