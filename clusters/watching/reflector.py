"""Keeps one kind of objects, in one namespace or in all, in step with the cluster."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from clusters import interrupts
from clusters.errors import ClusterError, NotFound, Unreachable
from clusters.gateway import Gateway
from clusters.payloads import identity
from clusters.targets import EVENTS, Target
from clusters.translating import translate_status
from clusters.versions import is_newer
from clusters.watching.events import Alive, Gone, Listed, Seen, Stale, WatchEvent
from clusters.watching.lines import parsed
from clusters.watching.pausing import Bell, Pauses
from clusters.watching.timing import USUAL, Backoff, Timing

logger = logging.getLogger(__name__)

FORGETTING = frozenset({"Expired", "ResourceVersionTooLarge"})
LIST_TRIES = 3


def watch(
    gateway: Gateway,
    target: Target,
    *,
    stop: threading.Event,
    known: Mapping[str, str] | None = None,
    timing: Timing = USUAL,
    bell: Bell | None = None,
) -> Iterator[WatchEvent]:
    """Endless until `stop`, which also ends a blocked read. `known` (uid → resourceVersion) is not told again.

    Events of one object come in order. A cluster's failure never ends it; it tells Stale and tries again, at the
    latest when the bell is rung.
    """
    pauses = Pauses(stop, bell or Bell())
    with interrupts.interruptible(stop):
        yield from _Reflector(gateway, target, pauses, dict(known or {}), timing).run()


def poll(
    gateway: Gateway,
    targets: Sequence[Target],
    *,
    stop: threading.Event,
    known: Mapping[str, str] | None = None,
    timing: Timing = USUAL,
) -> Iterator[WatchEvent]:
    """As watch, for more targets than streams are to be had: lists one after the other, each once in a turn."""
    pauses = Pauses(stop, Bell())
    known = dict(known or {})
    reflectors = [_Reflector(gateway, target, pauses, known, timing) for target in targets]
    with interrupts.interruptible(stop):
        while not stop.is_set():
            for reflector in reflectors:
                yield from reflector.look()
                share = timing.turn_s / len(reflectors)
                pauses.wait(share * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load


class _Reflector:
    def __init__(
        self,
        gateway: Gateway,
        target: Target,
        pauses: Pauses,
        known: dict[str, str],
        timing: Timing,
    ) -> None:
        self.gateway = gateway
        self.target = target
        self.pauses = pauses
        self.timing = timing
        self.backoff = Backoff(timing)
        self.versions = known  # of live objects, by uid
        self.gone: dict[str, str] = {}  # versions of deletions since the last list, against replays
        self.version = ""  # where the next watch begins; empty: list first
        self.check_at = self.reconcile_at = self.rewatch_at = 0.0
        self.alive_at, self.was_polling = float("-inf"), False
        self.expiries = 0

    @property
    def is_over(self) -> bool:
        return self.pauses.stop.is_set()

    @property
    def is_polling(self) -> bool:
        return time.monotonic() < self.rewatch_at

    def run(self) -> Iterator[WatchEvent]:
        while not self.is_over:
            heard = self.pauses.bell.rung
            try:
                yield from self._round()
            except ClusterError as error:
                if not self.is_over:
                    yield from self._pause(error, heard)

    def look(self) -> Iterator[WatchEvent]:
        """One list and no watch."""
        self.rewatch_at = float("inf")
        try:
            yield from self._list()
        except ClusterError as error:
            if not self.is_over:
                yield Stale(target=self.target, error=error, retry_in_s=self.timing.turn_s)

    def _round(self) -> Iterator[WatchEvent]:
        if self._is_list_due():
            yield from self._list()
        if self.is_over or not self.version:
            return
        if self.is_polling:
            self._rest()
            return
        try:
            yield from self._watch()
        except ClusterError as error:
            self._begin_anew(error)

    def _is_list_due(self) -> bool:
        now = time.monotonic()
        if not self.version or now >= self.reconcile_at:
            return True
        return now >= self.check_at and not self._is_level()

    def _is_level(self) -> bool:
        """Whether what was told is what the cluster had at this version.

        A list of metadata at exactly this version, so that what comes after it plays no part.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#resourceversion-in-lists
        """
        self._set_check()
        if self.target.kind == EVENTS.kind:  # thousands, gone within the hour
            return True
        try:
            there = self.gateway.versions(self.target, at=self.version, limit=self.timing.page)
        except ClusterError as error:
            if error.reason not in FORGETTING:
                raise
            return False
        if there != self.versions:
            logger.warning("%s: the watch has missed something", self.target.plural)
        return there == self.versions

    def _set_check(self) -> None:
        self.check_at = time.monotonic() + random.uniform(*self.timing.check_s)  # noqa: S311 - spreads load

    def _list(self) -> Iterator[WatchEvent]:
        """A `continue` token may expire between pages: then from the start, at last without pages."""
        for _ in range(LIST_TRIES):
            try:
                yield from self._list_pages(self.timing.page)
            except ClusterError as error:
                if error.status != 410:
                    raise
            else:
                return
        yield from self._list_pages(0)

    def _list_pages(self, limit: int) -> Iterator[WatchEvent]:
        """Tells Listed at the very end only: half a list says nothing about what is missing in it."""
        found: dict[str, str] = {}
        page = self.gateway.list(self.target, limit=limit)
        version = page.resource_version
        if not version:  # whatever it is, it must not make all that we know vanish
            raise Unreachable("NotAList", "The cluster's answer is no list.", 200)
        while True:
            yield from self._heard()
            for raw in page.items:
                uid, newest = identity(raw)
                found[uid] = newest
                if self.versions.get(uid) != newest:
                    yield Seen(target=self.target, raw=raw, listed=True)
            if self.is_over:
                return
            if not page.cont:
                break
            page = self.gateway.list(self.target, limit=limit, cont=page.cont)
        yield Listed(
            target=self.target,
            uids=frozenset(found),
            namespace=self.target.namespace,
            resource_version=version,
        )
        self.versions, self.gone, self.version = found, {}, version
        self.backoff.accepted()
        self._set_check()
        self.reconcile_at = time.monotonic() + random.uniform(*self.timing.reconcile_s)  # noqa: S311 - spreads load

    def _rest(self) -> None:
        """Between two lists, where watching is not allowed."""
        seconds = random.uniform(*self.timing.poll_s)  # noqa: S311 - spreads load
        self.pauses.wait(seconds, since=self.pauses.bell.rung)
        self.version = ""

    def _watch(self) -> Iterator[WatchEvent]:
        """One watch. A cut or a silence after a while is ordinary: the next one goes on where this one was."""
        began = time.monotonic()
        opened = self.gateway.stream(
            self.target,
            resource_version=self.version,
            timeout_s=random.randint(*self.timing.watch_s),  # noqa: S311 - spreads load
            idle_s=self.timing.idle_s,
        )
        with opened as lines:
            try:
                yield from self._events(lines)
            except ClusterError as error:
                if error.status or self._is_brief(began):
                    raise
            else:
                if self._is_brief(began) and not self.is_over:
                    raise Unreachable("ClosedAtOnce", "The cluster ends each watch at once.")

    def _is_brief(self, began: float) -> bool:
        return time.monotonic() - began < self.timing.brief_s

    def _events(self, lines: Iterator[bytes]) -> Iterator[WatchEvent]:
        yield from self._heard()
        for line in lines:
            yield from self._heard()
            yield from self._event(line)
            if self.is_over:
                return

    def _event(self, line: bytes) -> Iterator[WatchEvent]:
        kind, raw = parsed(line)
        if kind == "ERROR":
            raise translate_status(raw)
        uid, version = identity(raw)
        if kind in ("ADDED", "MODIFIED") and uid:
            yield from self._changed(uid, version, raw)
        elif kind == "DELETED" and uid:
            yield from self._deleted(uid, version, raw)
        elif kind == "BOOKMARK":
            self._check_bookmark(version)
        else:
            if kind and uid:
                logger.warning("%s: unknown kind of watch event %.40r", self.target.plural, kind)
            return
        # Only after the consumer has taken it: what is not applied must come again.
        self.version = version or self.version
        self.expiries = 0
        self.backoff.accepted()

    def _check_bookmark(self, version: str) -> None:
        """A cluster that was restored counts from where its backup was, and tells nothing before it is as far again."""
        if version and is_newer(self.version, version):
            raise Unreachable(
                "ResourceVersionTooLarge", "The cluster is behind what was seen of it before.", 200
            )

    def _changed(self, uid: str, version: str, raw: dict) -> Iterator[WatchEvent]:
        before = self.versions.get(uid) or self.gone.get(uid)
        if before and not is_newer(version, before):
            return
        yield Seen(target=self.target, raw=raw)
        self.versions[uid] = version
        self.gone.pop(uid, None)

    def _deleted(self, uid: str, version: str, raw: dict) -> Iterator[WatchEvent]:
        before = self.versions.get(uid)
        if uid in self.gone or (before and is_newer(before, version)):
            return
        yield Gone(target=self.target, uid=uid, raw=raw)
        self.versions.pop(uid, None)
        self.gone[uid] = version

    def _heard(self) -> Iterator[WatchEvent]:
        now, polling = time.monotonic(), self.is_polling
        if now - self.alive_at >= 1 or polling != self.was_polling:
            self.alive_at, self.was_polling = now, polling
            yield Alive(target=self.target, polling=polling)

    def _begin_anew(self, error: ClusterError) -> None:
        """From a list, where the watch's version is of no use, or watching is not allowed. All else is a failure."""
        if error.reason in FORGETTING:
            # Ordinary once; again right after a fresh list it is a failure, or we would spin.
            self.version = ""
            self.expiries += 1
            if self.expiries > 1:
                raise error
        elif error.status == 403:
            self.version = ""
            self.rewatch_at = time.monotonic() + self.timing.rewatch_s
        else:
            raise error

    def _pause(self, error: ClusterError, heard: int) -> Iterator[WatchEvent]:
        if isinstance(error, NotFound):  # what comes back under this name has a history of its own
            self.version = ""
        self.alive_at = float("-inf")  # the next word is news again
        delay = self.backoff.delay(error)
        words = "%s: %s (%s) Next try in %.1f s."
        logger.info(words, self.target.plural, error.message, error.reason, delay)
        yield Stale(target=self.target, error=error, retry_in_s=delay)
        is_asked = isinstance(error, Unreachable) and error.retry_after_s
        self.pauses.wait(delay, since=None if is_asked else heard)
