"""The playground's page, and the one stream that carries an answer. Async where a model is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import httpx
import orjson
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.db import connections
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts import people
from accounts.types import HtmxHttpRequest
from clusters import streaming
from playground import cards, failures, frames, paging, queries, relaying, rendering, routes
from playground.forms import WishForm
from playground.recording import Run
from playground.types import Event, Finished, InferenceError, Token, Wish
from workspaces.models import Workspace

BEAT_S = 10.0  # under the 30 s after which some proxies cut a silent connection
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Encoding": "identity",  # compressing would hold tokens back
    "X-Accel-Buffering": "no",
}


@login_required
@require_safe
@never_cache
def page(request: HtmxHttpRequest) -> HttpResponse:
    asked = request.GET.get("workspace", "")
    workspace = _readable(request, asked) if asked else None
    found = queries.playground_page(request.user, workspace)
    response = render(request, _template(request), paging.fresh(found))
    patch_vary_headers(response, ["HX-Request"])
    return response


def _template(request: HtmxHttpRequest) -> str:
    htmx = request.htmx
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return "playground/page.html"
    is_state = request.GET.get("part") == "state"
    return "playground/_state.html" if is_state else "playground/page.html#play"


@login_required
@require_GET
async def server(request: HtmxHttpRequest) -> HttpResponse:
    """What the model's server says of its model now; asked by the page, which never waits for it itself."""
    run = await _run(request, request.GET.get("workspace", ""))
    try:
        if run.route is None:
            raise routes.no_route()
        card = await cards.model_card(run.route, run.dialect)
    except InferenceError as error:
        return _told(error)
    except httpx.HTTPError as error:
        return _told(failures.from_exception(error, has_begun=False, idle_s=cards.READ_S))
    return JsonResponse(
        {"model": card.name, "context_tokens": card.context_tokens}, headers=_HEADERS
    )


def _told(error: InferenceError) -> JsonResponse:
    """Not an error of this page: 200."""
    said = {"message": error.message, "detail": error.detail}
    return JsonResponse({"error": said}, headers=_HEADERS)


@login_required
@require_POST
async def reply(request: HtmxHttpRequest) -> HttpResponseBase:
    """A stream for the page's script, the whole page with the answer for a plain form."""
    if request.content_type != "application/json":
        return await _page_with_answer(request)
    try:
        data = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return _refused("The request cannot be read.")
    if not isinstance(data, dict):
        return _refused("The request cannot be read.")
    run = await _run(request, str(data.get("workspace", "")))
    form = _form(run, data)
    if not form.is_valid():
        return _refused(form.first_problem)
    return StreamingHttpResponse(
        _frames(run, form.wish), content_type="text/event-stream", headers=_HEADERS
    )


def _refused(message: str) -> JsonResponse:
    return JsonResponse({"message": message}, status=400, headers=_HEADERS)


async def _frames(run: Run, wish: Wish) -> AsyncGenerator[bytes, None]:
    said: list[str] = []
    events = streaming.with_beats(relaying.relay(run, wish), BEAT_S)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Token):
                said.append(event.text)
            if event is None:
                yield frames.BEAT
            elif isinstance(event, Finished):
                html = await asyncio.to_thread(rendering.render_answer, "".join(said))
                yield frames.frame(event, html)
            else:
                yield frames.frame(event)


async def _page_with_answer(request: HtmxHttpRequest) -> HttpResponse:
    run = await _run(request, request.POST.get("workspace", ""))
    form = _form(run, request.POST)
    if not form.is_valid():
        return await _rendered(request, run, form)
    answer = await relaying.collected(relaying.relay(run, form.wish))
    return await _rendered(request, run, form, answer)


@sync_to_async
def _rendered(
    request: HtmxHttpRequest,
    run: Run,
    form: WishForm,
    answer: tuple[str, Event | None] | None = None,
) -> HttpResponse:
    found = queries.playground_page(request.user, run.workspace)
    context = paging.answered(found, form, answer)
    return render(request, "playground/page.html", context, status=200 if answer else 400)


def _form(run: Run, data: Mapping[str, Any]) -> WishForm:
    context = queries.chosen(run.workspace).context_tokens
    return WishForm(data, dialect=run.dialect, context=context)


async def _run(request: HtmxHttpRequest, asked: str) -> Run:
    """login_required has loaded the person; request.user would do so again."""
    request.user = await request.auser()  # type: ignore[assignment]
    return await sync_to_async(_known)(request, asked)


def _known(request: HtmxHttpRequest, asked: str) -> Run:
    """All that the database knows. A stream would hold its connection to the end, so it is given back."""
    workspace = _readable(request, asked)
    run = Run(
        by=people.caller(request),
        workspace=workspace,
        dialect=queries.chosen(workspace).dialect,
        route=routes.route_to(workspace),
    )
    connections.close_all()
    return run


def _readable(request: HtmxHttpRequest, asked: str) -> Workspace:
    found = queries.find_workspace(request.user, asked)
    if found is None or not people.may_read(
        request.user, cluster=found.cluster, namespace=found.namespace
    ):
        raise Http404("There is no such workspace, or you may not see it.")
    return found
