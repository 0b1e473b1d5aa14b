"""Fetches logs over the Kubernetes API. Every failure becomes a sentence for the page; nothing is raised."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from clusters import streaming
from clusters.errors import ClusterError, Denied, NotFound
from clusters.models import Cluster
from clusters.translating import translate, translate_reply
from workspaces.logs.lines import Bookmark, LogLine, Splitter

TAIL = 500  # lines shown at first
DOWNLOAD_BYTES = 16 * 1024 * 1024
LOOK_S = 2.5  # limit of a single look
SILENCE_S = 75.0  # a followed log that is silent for so long is opened again: rotation can stall it
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
AGAIN = " Trying again."
NO_NODE = "The pod has no node yet, so nothing runs in it. Its log follows."
ENDED = "This is the end of the previous run's log."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    cluster: Cluster
    namespace: str
    pod: str
    container: str
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence in place of lines; nothing follows it when `is_last`."""

    text: str
    is_last: bool = False


class _Unavailable(Exception):
    def __init__(self, notice: Notice) -> None:
        super().__init__(notice.text)
        self.notice = notice


class _Silence(Exception):
    """Nothing came for longer than the caller waits."""


async def follow(
    source: Source, *, since: str = "", first_pause_s: float = FIRST_PAUSE_S
) -> AsyncGenerator[list[LogLine] | Notice, None]:
    """Lines as they come, in batches, for ever; ends only with a last Notice.

    The kubelet ends a stream when the container restarts, and stalls it at times when it rotates the file
    (https://github.com/kubernetes/kubernetes/issues/59902); reading goes on after the last line seen.
    """
    bookmark, pause_s, said = Bookmark(since), first_pause_s, ""
    while True:
        bookmark.resume()
        try:
            async for lines in _stream(source, bookmark.at):
                fresh = bookmark.take(lines)
                if fresh:
                    pause_s, said = first_pause_s, ""
                    yield fresh
            notice = Notice(ENDED, is_last=True) if source.previous else None
        except _Unavailable as problem:
            notice = problem.notice
        if notice and notice.text != said:
            said = notice.text
            yield notice
        if notice and notice.is_last:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def last_lines(source: Source, *, tail: int = TAIL) -> list[LogLine]:
    """What stands in the log now; empty when it cannot be read within LOOK_S."""
    splitter = Splitter()
    try:
        async with asyncio.timeout(LOOK_S), _opened(source, {"tailLines": str(tail)}, LOOK_S) as r:
            return splitter.feed(await r.aread()) + splitter.end()
    except (_Unavailable, _Silence, TimeoutError):
        return []


async def whole(source: Source) -> AsyncIterator[bytes]:
    """The log as the cluster has it, to be saved; at most DOWNLOAD_BYTES of its end."""
    try:
        async with _opened(source, {"limitBytes": str(DOWNLOAD_BYTES)}, 30.0) as response:
            async for chunk in response.aiter_bytes():
                yield chunk
    except _Unavailable as problem:
        yield f"{problem.notice.text.removesuffix(AGAIN)}\n".encode()
    except _Silence:
        yield b"The cluster stopped sending; the log is not complete.\n"


async def _stream(source: Source, since: str) -> AsyncIterator[list[LogLine]]:
    splitter = Splitter()
    query = {} if source.previous else {"follow": "true"}
    query |= {"sinceTime": since} if since else {"tailLines": str(TAIL)}
    try:
        async with _opened(source, query, SILENCE_S) as response:
            async for chunk in response.aiter_bytes():
                lines = splitter.feed(chunk)
                if lines:
                    yield lines
    except _Silence:
        return
    rest = splitter.end()
    if rest:
        yield rest


@asynccontextmanager
async def _opened(
    source: Source, query: dict[str, str], silence_s: float
) -> AsyncIterator[httpx.Response]:
    params = {"container": source.container, "timestamps": "true"} | query
    if source.previous:
        params["previous"] = "true"
    path = streaming.pod_log_path(source.namespace, source.pod)
    timeout = httpx.Timeout(connect=5, read=silence_s, write=5, pool=5)
    try:
        async with (
            streaming.open_client(source.cluster) as client,
            client.stream("GET", path, params=params, timeout=timeout) as response,
        ):
            # How the API server answers for a pod that no kubelet has been asked to run.
            if response.status_code == httpx.codes.NO_CONTENT:
                raise _Unavailable(Notice(NO_NODE))
            if response.status_code != httpx.codes.OK:
                error = translate_reply(response.status_code, await response.aread())
                raise _Unavailable(_words(error, source))
            yield response
    except httpx.ReadTimeout as error:
        raise _Silence from error
    except httpx.HTTPError as error:
        raise _Unavailable(_words(translate(error), source)) from error


def _words(error: ClusterError, source: Source) -> Notice:
    """A container that has not started is normal: 400 "container … is waiting to start: …"."""
    waiting = re.search(r"is waiting to start: (?P<why>.+)", error.detail)
    if waiting:
        return Notice(f"The container has not started yet ({waiting['why']}). Its log follows.")
    if source.previous and "previous terminated container" in error.detail:
        return Notice("There is no earlier run of this container.", is_last=True)
    if isinstance(error, NotFound):
        return Notice(f"The pod {source.pod} is gone, and its log with it.", is_last=True)
    if isinstance(error, Denied):
        return Notice(
            f"{error.message} kaitoweb needs the right to get pods/log here.", is_last=True
        )
    return Notice(error.message + AGAIN)
