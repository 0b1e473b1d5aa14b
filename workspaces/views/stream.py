"""Streams to the browser: names of what changed, and the lines of a log. Async; the rest of the views are not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import connections
from django.http import Http404, StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts import people
from accounts.types import HtmxHttpRequest
from clusters import streaming
from workspaces import logs, queries
from workspaces.views import access, fanout

HEARTBEAT_S = 15.0  # under the 30 s after which some proxies cut a silent connection
LOG_HEARTBEAT_S = (
    5.0  # oftener: what flows there is the log itself, for those only who may read it still
)
MOST_TOPICS = 150
_TOPIC = re.compile(r"workspaces|clusters|(?:workspace|operation)-[0-9A-Za-z-]{1,64}")
_MOMENT = re.compile(r"[0-9T:.-]{19,29}(?:Z|\+[0-9:]{5})")  # ours are the times of lines
# Compressing or buffering would hold events back; GZipMiddleware leaves alone what names an encoding.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Encoding": "identity",
    "X-Accel-Buffering": "no",
}


@login_required
@require_GET
async def events(request: HtmxHttpRequest) -> StreamingHttpResponse:
    """Names of announced topics, never what is in them: the browser then asks for it, and access is judged there."""
    asked = request.GET.get("topics", "").split(",")[:MOST_TOPICS]
    topics = frozenset(t for t in asked if _TOPIC.fullmatch(t))
    person = await request.auser()
    await _release_database()
    return _stream(_announcements(topics, str(person.pk), request.session))


async def _announcements(
    topics: frozenset[str], person_pk: str, session: SessionBase
) -> AsyncIterator[str]:
    async with fanout.mailbox(topics) as box:
        yield "retry: 3000\n: open\n\n"
        beat_at = time.monotonic() + HEARTBEAT_S
        while True:
            for topic in await box.take(max(0.0, beat_at - time.monotonic())):
                yield f"event: {topic}\ndata: 1\n\n"
            if time.monotonic() >= beat_at:
                if not await _still_reads(person_pk, session):
                    return
                beat_at = time.monotonic() + HEARTBEAT_S
                yield "event: beat\ndata: 1\n\n"


@login_required
@require_GET
async def pod_logs(
    request: HtmxHttpRequest, cluster: str, namespace: str, name: str
) -> StreamingHttpResponse:
    """The log of one container of the workspace: followed as events, or with ?download= as a file."""
    source = await sync_to_async(_source)(request, cluster, namespace, name)
    person = await request.auser()
    await _release_database()
    if "download" in request.GET:
        return _download(source)
    since = request.headers.get("Last-Event-ID", "")
    events = _log_events(source, since if _MOMENT.fullmatch(since) else "")
    return _stream(_while_readable(events, str(person.pk), request.session))


def _source(request: HtmxHttpRequest, cluster: str, namespace: str, name: str) -> logs.Source:
    """Only containers of pods that the mirror knows as this workspace's."""
    workspace = access.readable_workspace(request, cluster, namespace, name)
    page = queries.workspace_page(request.user, workspace)
    key = f"{request.GET.get('pod', '')}/{request.GET.get('container', '')}"
    known = next((s for s in page.log_sources if s.key == key), None)
    if known is None:
        raise Http404("There is no such container in this workspace.")
    return logs.Source(
        cluster=workspace.cluster,
        namespace=workspace.namespace,
        pod=known.pod,
        container=known.container,
        previous=request.GET.get("previous") == "1",
    )


async def _while_readable(
    events: AsyncGenerator[str, None], person_pk: str, session: SessionBase
) -> AsyncIterator[str]:
    """`events` for as long as the person may read; a beat says to proxies that a silent log is no dead one."""
    yield "retry: 3000\n: open\n\n"
    beat_at = time.monotonic() + LOG_HEARTBEAT_S
    async with aclosing(streaming.with_beats(events, LOG_HEARTBEAT_S)) as beaten:
        async for event in beaten:
            if time.monotonic() >= beat_at:
                if not await _still_reads(person_pk, session):
                    return
                beat_at = time.monotonic() + LOG_HEARTBEAT_S
            yield event or ": beat\n\n"


async def _log_events(source: logs.Source, since: str) -> AsyncGenerator[str, None]:
    async with aclosing(logs.follow(source, since=since)) as items:
        async for item in items:
            yield _log_event(item)


def _log_event(item: list[logs.LogLine] | logs.Notice) -> str:
    if isinstance(item, logs.Notice):
        name = "end" if item.is_last else "notice"
        return f"event: {name}\ndata: {json.dumps(item.text)}\n\n"
    rows = json.dumps([[line.at, line.text] for line in item])
    return f"id: {item[-1].at}\nevent: lines\ndata: {rows}\n\n"


def _download(source: logs.Source) -> StreamingHttpResponse:
    run = "-previous" if source.previous else ""
    return StreamingHttpResponse(
        logs.whole(source),
        content_type="text/plain; charset=utf-8",
        headers=_HEADERS
        | {
            "Content-Disposition": f'attachment; filename="{source.pod}-{source.container}{run}.log"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _stream(parts: AsyncIterator[str]) -> StreamingHttpResponse:
    return StreamingHttpResponse(parts, content_type="text/event-stream", headers=_HEADERS)


async def _release_database() -> None:
    """A stream lives for hours and would hold its connection as long."""
    await sync_to_async(connections.close_all)()


async def _still_reads(person_pk: str, session: SessionBase) -> bool:
    """Signed in still, and allowed to read still."""

    def ask() -> bool:
        person = User.objects.filter(pk=person_pk).first()
        is_here = session.session_key is None or session.exists(session.session_key)
        connections.close_all()
        return bool(person and is_here and people.may_read(person))

    return await sync_to_async(ask)()
