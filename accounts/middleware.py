"""Names each request, so that its log lines, operations and audit entries can be joined."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Handler = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def RequestIdMiddleware(get_response: Handler) -> Handler:
    """Sets `request.id` and the header X-Request-Id. A client's own header is not trusted."""
    if iscoroutinefunction(get_response):

        async def named_async(request: HttpRequest) -> HttpResponseBase:
            request.id = secrets.token_hex(8)  # type: ignore[attr-defined]
            response = await get_response(request)
            response["X-Request-Id"] = request.id  # type: ignore[attr-defined]
            return response

        return named_async

    def named(request: HttpRequest) -> HttpResponseBase:
        request.id = secrets.token_hex(8)  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-Id"] = request.id  # type: ignore[attr-defined,index]
        return response  # type: ignore[return-value]

    return named
