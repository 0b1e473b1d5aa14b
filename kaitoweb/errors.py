"""The pages for what went wrong. htmx gets one plain sentence, which app.js shows as a toast."""

from __future__ import annotations

import sys

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

NOT_FOUND = "This does not exist (any more), or you may not see it."
FORBIDDEN = "Your account may not do this."
BAD_REQUEST = "The browser sent something that kaitoweb cannot read."
STALE_FORM = "This form was open for too long, or you have signed in again since. Load the page again and repeat it; nothing was changed."
SERVER_ERROR = "kaitoweb could not do this because of a fault of its own."
DATABASE_AWAY = "kaitoweb cannot reach its database. Nothing is lost, and what runs in the clusters runs on; this goes on by itself as soon as the database is back."
NOT_WRITTEN = "kaitoweb writes down who asked for what before it does anything. It cannot write now, so it has not done it. Send it again in a moment: the same request counts once."
RETRY_S = 5
# The database is away, full, or takes no writes; what else it says is a mistake of ours.
AWAY = (OperationalError, InterfaceError, InternalError)
# What may be sent again as it was: it holds no secret, and its key makes it count once.
RESENDABLE = frozenset({"workspaces:deploy", "workspaces:delete"})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Rendered without the request, whose Host header may be what is bad."""
    if _wants_sentence(request):
        return _sentence(BAD_REQUEST, 400)
    context = {"sentence": BAD_REQUEST, "request_id": _request_id(request)}
    return HttpResponse(render_to_string("400.html", context), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The words are those that the refusal was raised with."""
    has_words = isinstance(exception, PermissionDenied) and bool(exception.args)
    return _answer(request, str(exception) if has_words else FORBIDDEN, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """One page for what is not there and what may not be seen, so that neither can be told from the other."""
    return _answer(request, NOT_FOUND, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, STALE_FORM, 403, template="403_csrf.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without the request: what the frame reads (person, clusters) may be what is broken."""
    if isinstance(sys.exc_info()[1], AWAY):
        return _unavailable(request)
    if _wants_sentence(request):
        return _sentence(f"{SERVER_ERROR} Request {_request_id(request)}.", 500)
    context = {"sentence": SERVER_ERROR, "request_id": _request_id(request)}
    return HttpResponse(render_to_string("500.html", context), status=500)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """The database is away: a page that asks for itself again, or for a wish a form that sends it again."""
    is_wish = request.method == "POST"
    sentence = NOT_WRITTEN if is_wish else DATABASE_AWAY
    if _wants_sentence(request):
        response = _sentence(sentence, 503)
    else:
        context = {
            "sentence": sentence,
            "request_id": _request_id(request),
            "retry_s": 0 if is_wish else RETRY_S,
            "address": request.path,
            "fields": _resendable(request),
        }
        response = HttpResponse(render_to_string("503.html", context), status=503)
    response.headers["Retry-After"] = str(RETRY_S)
    return response


def _resendable(request: HttpRequest) -> list[tuple[str, str]]:
    match = request.resolver_match
    if request.method != "POST" or match is None or match.view_name not in RESENDABLE:
        return []
    return [(name, value) for name, values in request.POST.lists() for value in values]


def _answer(
    request: HttpRequest, sentence: str, status: int, *, template: str = ""
) -> HttpResponse:
    if _wants_sentence(request):
        return _sentence(sentence, status)
    context = {"sentence": sentence, "request_id": _request_id(request)}
    return render(request, template or f"{status}.html", context, status=status)


def _sentence(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _wants_sentence(request: HttpRequest) -> bool:
    """By the header, not `request.htmx`: the middleware that sets it may not have been reached."""
    return request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers


def _request_id(request: HttpRequest) -> str:
    return getattr(request, "id", "")
