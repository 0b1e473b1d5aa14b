"""Answers in the shapes that several dialects share: JSON, FastAPI's refusals, event streams."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from sandbox.models.engines import Piece


def json_answer(data: object, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(data), status=status, headers={"Content-Type": "application/json"}
    )


def detail(text: object, status: int) -> web.Response:
    """https://fastapi.tiangolo.com/tutorial/handling-errors/"""
    return json_answer({"detail": text}, status)


def server_error() -> web.Response:
    """What Starlette answers when a handler raises: plain text, no JSON."""
    return web.Response(text="Internal Server Error", status=500)


def openapi(title: str, version: str, routes: Mapping[str, str]) -> web.Response:
    """A description with the paths and their methods: what clients tell the dialects apart by."""
    paths = {
        path: {method: {"responses": {"200": {"description": "Successful Response"}}}}
        for path, method in routes.items()
    }
    return json_answer(
        {"openapi": "3.1.0", "info": {"title": title, "version": version}, "paths": paths}
    )


def prometheus(text: bytes) -> web.Response:
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def event(data: object) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


async def stream_events(
    request: web.Request, events: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    async with aclosing(events):
        async for line in events:
            await response.write(line)
    await response.write_eof()
    return response


async def whole(pieces: AsyncGenerator[Piece, None]) -> tuple[str, Piece]:
    """The complete text, and the last piece, which says why and after how many tokens it ended."""
    texts: list[str] = []
    last = Piece(text="", tokens=0, finish="stop")
    async with aclosing(pieces):
        async for last in pieces:
            texts.append(last.text)
    return "".join(texts), last


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }
