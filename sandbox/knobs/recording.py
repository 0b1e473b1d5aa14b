"""Remembers what was asked, for tests to count and compare; never a token."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from aiohttp import web

from sandbox.calls import BODY_LIMIT

LIMIT = 50_000  # requests
BODY_SHOWN = 16 * 1024  # characters
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
SECRET_PATHS = ("/secrets", "/token", "/tokenreviews")

Record = dict[str, Any]


class Recorder:
    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=LIMIT)

    @property
    def records(self) -> list[Record]:
        return list(self._records)

    def clear(self) -> None:
        self._records.clear()

    async def note(self, request: web.Request, user: str) -> Record:
        """The record of it, whose `status` is still to come."""
        record: Record = {
            "at": time.time(),
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": {
                name.lower(): value
                for name, value in request.headers.items()
                if name.lower() not in SECRET_HEADERS
            },
            "body": await _body(request),
            "user": user,
            "impersonated": request.headers.get("Impersonate-User", ""),
            "status": 0,
        }
        self._records.append(record)
        return record


async def _body(request: web.Request) -> str:
    """Empty for what is relayed to a model, which must stay unread, and for what the server would not take."""
    if not request.body_exists or "/proxy" in request.path:
        return ""
    if request.path.endswith(SECRET_PATHS) or "/secrets/" in request.path:
        return "(withheld)"
    if (request.content_length or 0) > BODY_LIMIT or request.content_length is None:
        return "(too long)"
    return (await request.read()).decode("utf-8", "replace")[:BODY_SHOWN]
