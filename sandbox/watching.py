"""WATCH: the store's events as lines of JSON, selectors, bookmarks, 410, deadlines.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from sandbox import status
from sandbox.answers import encoded, in_form, in_version, wanted_form
from sandbox.calls import Call
from sandbox.listing import asked_version, refused
from sandbox.routing import is_true
from sandbox.selectors import selection
from sandbox.status import StatusError
from sandbox.store import Event, Stored
from sandbox.subscriptions import Subscription

LAST_BOOKMARK_S = 2.0  # this long before the deadline
DEADLINE_S = (1800, 3600)  # without timeoutSeconds, drawn from here (--min-request-timeout)

Match = Callable[[dict[str, Any]], bool]


async def watch(call: Call) -> web.StreamResponse:
    _check_watch_options(call)
    matches = _matching(call)
    try:
        asked = asked_version(call)
    except ValueError as error:
        raise status.untyped(str(error)) from error
    store = call.cluster.store
    sends_state = asked == 0 or is_true(call.query, "sendInitialEvents")
    try:
        # From a version of the future nothing is told until it has come.
        since = store.version if sends_state else min(asked, store.version)
        events = store.subscribe(call.resource, since=since)
    except StatusError as error:
        if error.code != 410:
            raise
        return await _ended_by(call, error)
    initial = store.snapshot_of(call.resource, call.namespace) if sends_state else ()
    try:
        return await _stream(Watch(call, matches, since=asked), initial, events)
    finally:
        events.close()


class Watch:
    """What one watcher sees, and how it wants it written."""

    def __init__(self, call: Call, matches: Match, *, since: int) -> None:
        self._call = call
        self._matches = matches
        self._since = since
        self._form = wanted_form(call)
        self._has_columns = False

    @property
    def call(self) -> Call:
        return self._call

    def initial(self, stored: Stored) -> bytes:
        return self._line("ADDED", stored) if self._matches(stored.object) else b""

    def event(self, event: Event) -> bytes:
        """Empty when this watcher does not see it. Leaving the selection looks like a deletion."""
        if event.resource_version <= self._since:
            return b""
        had = event.old is not None and self._matches(event.old.object)
        has = event.type != "DELETED" and self._matches(event.object)
        if event.type == "DELETED":
            return self._line("DELETED", event.stored) if had else b""
        if has:
            return self._line("MODIFIED" if had else "ADDED", event.stored)
        return self._left(event) if had and event.old else b""

    def bookmark(self, version: int, *, ends_initial: bool = False) -> bytes:
        """None from before the version that was asked for: a restored server is silent until then."""
        if version < self._since:
            return b""
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if ends_initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        resource = self._call.resource
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if self._form == "Table":
            table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            obj = table | {"columnDefinitions": [], "rows": []}
        return _framed("BOOKMARK", orjson.dumps(obj))

    def _left(self, event: Event) -> bytes:
        assert event.old is not None  # noqa: S101  tells the type checker what `had` meant
        last = event.old.copy()
        last["metadata"]["resourceVersion"] = str(event.resource_version)
        return self._line("DELETED", Stored(last, orjson.dumps(last), event.resource_version))

    def _line(self, type_: str, stored: Stored) -> bytes:
        resource = self._call.resource
        if self._form:
            form = self._form.removesuffix("List")
            obj = in_version(resource, stored.copy())
            body = in_form(self._call, obj, form)
            return _framed(type_, self._told_once(body) if form == "Table" else body)
        return _framed(type_, encoded(resource, stored))

    def _told_once(self, table: bytes) -> bytes:
        """The columns stand in the first table of a stream only."""
        if not self._has_columns:
            self._has_columns = True
            return table
        return orjson.dumps(orjson.loads(table) | {"columnDefinitions": None})


def _framed(type_: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)


async def _stream(
    watch: Watch,
    initial: Sequence[Stored],
    events: Subscription,
) -> web.StreamResponse:
    call = watch.call
    version = call.cluster.store.version  # of `initial`: read before anything is awaited
    deadline = _Deadline(call)
    response = await open_stream(call.request, "application/json")
    for stored in initial:
        await _send(response, watch.initial(stored))
    if _sends_initial(call) and _wants_bookmarks(call):
        await _send(response, watch.bookmark(version, ends_initial=True))
    while (batch := await events.batch(deadline.next_wait_s())) is not None:
        version = call.cluster.store.version  # a bookmark must not run ahead of what was taken
        await _send(response, b"".join(watch.event(event) for event in batch))
        if deadline.is_bookmark_due() and _wants_bookmarks(call):
            await _send(response, watch.bookmark(version))
        if deadline.is_over():
            break
    await response.write_eof()
    return response


class _Deadline:
    """When this watch ends, and when its next bookmark is due."""

    def __init__(self, call: Call) -> None:
        self._now = asyncio.get_running_loop().time
        seconds = call.number("timeoutSeconds") or random.uniform(*DEADLINE_S)  # noqa: S311
        self._end = self._now() + seconds
        self._every = call.cluster.bookmark_every_s
        self._bookmark = self._next_bookmark()

    def next_wait_s(self) -> float:
        return max(0.0, min(self._bookmark, self._end) - self._now())

    def is_over(self) -> bool:
        return self._now() >= self._end

    def is_bookmark_due(self) -> bool:
        if self._now() < self._bookmark:
            return False
        self._bookmark = self._next_bookmark()
        return True

    def _next_bookmark(self) -> float:
        now, last = self._now(), self._end - LAST_BOOKMARK_S
        usual = now + self._every
        return min(usual, last) if now < last else max(usual, self._end)


async def open_stream(request: web.Request, content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-cache, private"})
    response.content_type = content_type
    response.enable_chunked_encoding()
    await response.prepare(request)
    return response


async def _send(response: web.StreamResponse, lines: bytes) -> None:
    if lines:
        await response.write(lines)


async def _ended_by(call: Call, error: StatusError) -> web.StreamResponse:
    """An expired version is told in the stream: 200, then one ERROR event."""
    response = await open_stream(call.request, "application/json")
    await response.write(_framed("ERROR", orjson.dumps(error.status)))
    await response.write_eof()
    return response


def _sends_initial(call: Call) -> bool:
    """Asked for by name, or as clients did before there was a name for it.

    https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/endpoints/handlers/get.go
    """
    asked = is_true(call.query, "sendInitialEvents")
    return asked or call.query.get("resourceVersion", "") in ("", "0")


def _wants_bookmarks(call: Call) -> bool:
    return is_true(call.query, "allowWatchBookmarks")


def _matching(call: Call) -> Match:
    selects = selection(
        call.resource, call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    )
    named = call.name

    def matches(obj: dict[str, Any]) -> bool:
        metadata = obj["metadata"]
        if call.namespace is not None and metadata.get("namespace") != call.namespace:
            return False
        return (not named or metadata["name"] == named) and (selects is None or selects(obj))

    return matches


def _check_watch_options(call: Call) -> None:
    sends_initial = is_true(call.query, "sendInitialEvents")
    match = call.query.get("resourceVersionMatch", "")
    if sends_initial and match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise refused("resourceVersionMatch", why)
    if match and "sendInitialEvents" not in call.query:
        field = "resourceVersionMatch"
        why = f"Forbidden: {field} is forbidden for watch unless sendInitialEvents is provided"
        raise refused(field, why)
    if call.query.get("continue"):
        raise status.bad_request("continue is not supported for watch")
