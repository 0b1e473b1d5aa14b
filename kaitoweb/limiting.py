"""Keeps bodies that no page of ours sends away from Django, which would write them to the disk first, signed in or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    pass


def limited(application: Application, most_bytes: int) -> Application:
    """`application`, but a larger body is answered with 413, by its stated length or as soon as it has grown so far."""

    async def limited_application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
        elif _stated_length(scope) > most_bytes:
            await _refuse(send, most_bytes)
        else:
            try:
                await application(scope, _counted(receive, most_bytes), send)
            except _TooLarge:  # raised while Django reads, thus before any answer
                await _refuse(send, most_bytes)

    return limited_application


def _stated_length(scope: Scope) -> int:
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    return int(stated) if stated.isdigit() else 0


def _counted(receive: Receive, most_bytes: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise _TooLarge
        return message

    return counted


async def _refuse(send: Send, most_bytes: int) -> None:
    body = f"kaitoweb takes at most {most_bytes // 1024} KiB at once.\n".encode()
    headers = [
        *((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))),
        *((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
