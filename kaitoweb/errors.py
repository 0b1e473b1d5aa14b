"""The pages for what went wrong. htmx gets one plain sentence, which app.js shows as a toast."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

NOT_FOUND = "This does not exist (any more), or you may not see it."
FORBIDDEN = "Your account may not do this."
BAD_REQUEST = "The browser sent something that kaitoweb cannot read."
STALE_FORM = "This form was open for too long, or you have signed in again since. Load the page again and repeat it; nothing was changed."
SERVER_ERROR = "kaitoweb could not do this because of a fault of its own."


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
    if _wants_sentence(request):
        return _sentence(f"{SERVER_ERROR} Request {_request_id(request)}.", 500)
    context = {"sentence": SERVER_ERROR, "request_id": _request_id(request)}
    return HttpResponse(render_to_string("500.html", context), status=500)


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
