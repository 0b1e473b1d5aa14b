"""What holds for every request and every answer of ours; files of static/ are answered before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from kaitoweb.health import PROBES

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


@sync_and_async_middleware
def ProbesMiddleware(get_response: Handler) -> Handler:
    """Answers probes before anybody looks at the name by which they ask: it is an address that only the machine knows."""
    if iscoroutinefunction(get_response):

        async def probed_async(request: HttpRequest) -> HttpResponseBase:
            if probe := PROBES.get(request.path_info):
                return await sync_to_async(probe)(request)
            return await get_response(request)

        return probed_async

    def probed(request: HttpRequest) -> HttpResponseBase:
        if probe := PROBES.get(request.path_info):
            return probe(request)
        return get_response(request)  # type: ignore[return-value]  # not a coroutine, as was asked above

    return probed


@sync_and_async_middleware
def ReadableMiddleware(get_response: Handler) -> Handler:
    """Refuses what no browser sends and what breaks further in: see `_judge`."""
    if iscoroutinefunction(get_response):

        async def readable_async(request: HttpRequest) -> HttpResponseBase:
            _judge(request)
            return await get_response(request)

        return readable_async

    def readable(request: HttpRequest) -> HttpResponseBase:
        _judge(request)
        return get_response(request)  # type: ignore[return-value]

    return readable


def _judge(request: HttpRequest) -> None:
    """PostgreSQL takes no NUL in a text, and of what Python calls codings some are none of text (base64, rot13)."""
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        raise BadRequest("There is a NUL in the address.")
    if any("\0" in value for value in request.COOKIES.values()):
        raise BadRequest("There is a NUL in a cookie.")
    if request.content_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):  # type: ignore[union-attr]
        raise BadRequest("The body is not in UTF-8.")
