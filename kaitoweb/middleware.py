"""What the frame says of every answer of ours; files of static/ are answered before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Handler = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def NothingKeptMiddleware(get_response: Handler) -> Handler:
    """No browser or proxy keeps what a signed-in person saw: not for the next one at the machine, not for the back button."""
    if iscoroutinefunction(get_response):

        async def unkept_async(request: HttpRequest) -> HttpResponseBase:
            response = await get_response(request)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return unkept_async

    def unkept(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")  # type: ignore[union-attr]
        return response  # type: ignore[return-value]

    return unkept
