"""The reflector: list, then watch, for ever, as a generator of what happened to one kind of objects.

Knows no Django model and stores nothing; whoever consumes it applies the events, and may stop at any time.
Its rules are those of client-go's reflector with kopf's care about silent connections:
https://github.com/kubernetes/client-go/blob/v0.34.0/tools/cache/reflector.go
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clusters import interrupts
from clusters.errors import ClusterError, Denied, NotFound, Unreachable
from clusters.gateway import Gateway
from clusters.payloads import loads
from clusters.targets import Target
from clusters.translating import translate_status
from clusters.versions import is_newer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object is there, new or changed. `listed`: a full list says so, which is right even if its version is lower
    than what was seen before (a restored cluster); otherwise the version is always newer."""

    target: Target
    raw: dict
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    target: Target
    uid: str
    raw: dict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A full list has ended: what else is known of this target in this namespace (empty: in all) is gone."""

    target: Target
    uids: frozenset[str]
    namespace: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The cluster was heard; at most one a second."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing is known from now on; the next try comes in `retry_in_s`. Rows stay as they are."""

    target: Target
    error: ClusterError
    retry_in_s: float


WatchEvent = Seen | Gone | Listed | Alive | Stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All durations in seconds; tests scale them."""

    watch_s: tuple[int, int] = (
        240,
        480,
    )  # the server ends a watch then; a range, so that not all end at once
    # Bookmarks come about every 60 s: https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks
    idle_s: float = 75
    idle_without_bookmarks_s: float = 150
    reconcile_s: tuple[float, float] = (
        600,
        1200,
    )  # between full lists, an insurance against our own mistakes
    backoff_s: float = 0.8
    longest_unheard_s: float = 5  # nobody answers: asking costs nobody anything, and people wait
    longest_s: float = 30  # the server answers with errors
    denied_s: float = 30
    unauthorized_s: float = 60
    not_served_s: float = 60
    brief_s: float = 1  # a watch that ends sooner counts as a failure
    healthy_s: float = 120  # a watch that lived so long forgives earlier failures
    page: int = 500


FORGETTING = frozenset({"Expired", "ResourceVersionTooLarge"})
LIST_TRIES = 3


def watch(
    gateway: Gateway,
    target: Target,
    *,
    stop: threading.Event,
    known: Mapping[str, str] | None = None,
    timing: Timing = Timing(),
) -> Iterator[WatchEvent]:
    """Endless until `stop`, which also ends a blocked read. `known` (uid → resourceVersion) is not told again.

    Events of one object come in order. A cluster's failure never ends it; it tells Stale and tries again.
    """
    with interrupts.interruptible(stop):
        yield from _Reflector(gateway, target, stop, dict(known or {}), timing).run()


class _Reflector:
    def __init__(
        self,
        gateway: Gateway,
        target: Target,
        stop: threading.Event,
        known: dict[str, str],
        timing: Timing,
    ) -> None:
        self.gateway = gateway
        self.target = target
        self.stop = stop
        self.timing = timing
        self.versions = known  # of live objects, by uid
        self.gone: dict[str, str] = {}  # versions of deletions since the last list, against replays
        self.version = ""  # where the next watch begins; empty: list first
        self.reconcile_at = 0.0
        self.alive_at = float("-inf")
        self.bookmarks = False  # whether this server sends them
        self.failures = 0
        self.expiries = 0
        self.rejections = 0

    def run(self) -> Iterator[WatchEvent]:
        while not self.stop.is_set():
            try:
                yield from self._round()
            except ClusterError as error:
                if not self.stop.is_set():
                    yield from self._pause(error)

    def _round(self) -> Iterator[WatchEvent]:
        if not self.version or time.monotonic() >= self.reconcile_at:
            yield from self._list()
        if self.version and not self.stop.is_set():
            yield from self._watch()

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
                uid, newest = _identity(raw)
                found[uid] = newest
                if self.versions.get(uid) != newest:
                    yield Seen(target=self.target, raw=raw, listed=True)
            if self.stop.is_set():
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
        self.rejections = 0
        self.reconcile_at = time.monotonic() + random.uniform(*self.timing.reconcile_s)  # noqa: S311 - spreads load

    def _watch(self) -> Iterator[WatchEvent]:
        """One watch. A cut or a silence after a while is ordinary: the next one goes on where this one was."""
        began = time.monotonic()
        try:
            yield from self._stream()
        except ClusterError as error:
            if error.reason in FORGETTING:
                self._forget(error)
            elif error.status or self._lived(began) < self.timing.brief_s:
                raise
        else:
            if self._lived(began) < self.timing.brief_s:
                raise Unreachable("ClosedAtOnce", "The cluster ends each watch at once.")
        finally:
            if self._lived(began) >= self.timing.healthy_s:
                self.failures = 0

    def _stream(self) -> Iterator[WatchEvent]:
        timing = self.timing
        opened = self.gateway.stream(
            self.target,
            resource_version=self.version,
            timeout_s=random.randint(*timing.watch_s),  # noqa: S311 - spreads load
            idle_s=timing.idle_s if self.bookmarks else timing.idle_without_bookmarks_s,
        )
        with opened as lines:
            yield from self._heard()
            for line in lines:
                yield from self._heard()
                yield from self._event(line)
                if self.stop.is_set():
                    return

    def _event(self, line: bytes) -> Iterator[WatchEvent]:
        kind, raw = _parse(line)
        if kind == "ERROR":
            raise translate_status(raw)
        uid, version = _identity(raw)
        if kind == "BOOKMARK":
            self.bookmarks = True
        elif not uid:
            return
        elif kind in ("ADDED", "MODIFIED"):
            yield from self._changed(uid, version, raw)
        elif kind == "DELETED":
            yield from self._deleted(uid, version, raw)
        else:
            logger.warning("%s: unknown kind of watch event %.40r", self.target.plural, kind)
            return
        # Only after the consumer has taken it: what is not applied must come again.
        self.version = version or self.version
        self.expiries = self.rejections = 0

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
        if time.monotonic() - self.alive_at >= 1:
            self.alive_at = time.monotonic()
            yield Alive(target=self.target)

    def _forget(self, error: ClusterError) -> None:
        """An expired version is ordinary once; again right after a fresh list it is a failure, or we would spin."""
        self.version = ""
        self.expiries += 1
        if self.expiries > 1:
            raise error

    def _pause(self, error: ClusterError) -> Iterator[WatchEvent]:
        self.failures += 1
        delay = self._delay(error)
        logger.info(
            "%s: %s (%s) Next try in %.1f s.",
            self.target.plural,
            error.message,
            error.reason,
            delay,
        )
        yield Stale(target=self.target, error=error, retry_in_s=delay)
        self.stop.wait(delay)

    def _delay(self, error: ClusterError) -> float:
        timing = self.timing
        if isinstance(error, NotFound):
            return timing.not_served_s
        if isinstance(error, Denied) and error.status != 401:
            return timing.denied_s
        if isinstance(error, Denied):
            self.rejections += 1
            if self.rejections > 1:
                return timing.unauthorized_s
        longest = timing.longest_s if error.status else timing.longest_unheard_s
        delay = min(timing.backoff_s * 2.0 ** min(self.failures - 1, 16), longest)
        delay *= 1 + random.random()  # noqa: S311 - spreads load
        floor = error.retry_after_s if isinstance(error, Unreachable) else None
        return max(delay, floor or 0.0)

    @staticmethod
    def _lived(began: float) -> float:
        return time.monotonic() - began


def _parse(line: bytes) -> tuple[str, dict[str, Any]]:
    """Kind and object of a line; ("", {}) for one that is neither. A single bad line must not stop the stream."""
    try:
        event = loads(line) if line else {}
    except ValueError:
        logger.warning("A line of a watch is not JSON: %.80r", line)
        return "", {}
    kind, raw = (event.get("type"), event.get("object")) if isinstance(event, dict) else ("", {})
    return str(kind or ""), raw if isinstance(raw, dict) else {}


def _identity(raw: Mapping[str, Any]) -> tuple[str, str]:
    """(uid, resourceVersion); a name may come back as another object, a uid never does."""
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
