"""The pages for what went wrong, for people and for htmx."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.test import RequestFactory

from kaitoweb import errors

REFUSAL = "Your account may look, but not change anything here."
CASES = [
    (lambda r: errors.bad_request(r, SuspiciousOperation("secret")), 400, errors.BAD_REQUEST),
    (lambda r: errors.forbidden(r, PermissionDenied(REFUSAL)), 403, REFUSAL),
    (lambda r: errors.forbidden(r, PermissionDenied()), 403, errors.FORBIDDEN),
    (lambda r: errors.not_found(r, Http404("secret")), 404, errors.NOT_FOUND),
    (lambda r: errors.csrf_failure(r, "secret"), 403, errors.STALE_FORM),
    (errors.server_error, 500, errors.SERVER_ERROR),
]
IDS = ["bad-request", "refused", "forbidden", "not-found", "stale-form", "server-error"]


def a_request(**headers):
    request = RequestFactory().get("/somewhere", headers=headers)
    request.id = "f00d"
    return request


@pytest.mark.parametrize(("answer", "status", "sentence"), CASES, ids=IDS)
def test_error_page_says_what_happened_and_names_the_request(answer, status, sentence):
    response = answer(a_request())

    soup = BeautifulSoup(response.content, "html.parser")
    words = [p.get_text(strip=True) for p in soup.select(".empty-state p")]
    assert response.status_code == status
    assert words[0] == sentence
    assert words[-1] == "Requestf00d"
    assert soup.h1.text == soup.title.text.removesuffix(" · kaitoweb")
    assert b"secret" not in response.content


@pytest.mark.parametrize(("answer", "status", "sentence"), CASES, ids=IDS)
def test_error_is_one_plain_sentence_for_htmx(answer, status, sentence):
    response = answer(a_request(hx_request="true"))

    assert response.status_code == status
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode().startswith(sentence)


def test_error_is_a_page_for_a_boosted_link():
    response = errors.not_found(
        a_request(hx_request="true", hx_boosted="true"), Http404("does not matter")
    )

    assert response["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("answer", [CASES[0][0], CASES[-1][0]], ids=["400", "500"])
def test_error_page_of_a_broken_request_reads_nothing_from_it(answer):
    request = a_request()
    request.__class__ = type(
        "Broken", (type(request),), {"user": property(lambda self: 1 / 0), "get_host": None}
    )

    assert answer(request).status_code in {400, 500}


def test_refusal_is_escaped():
    response = errors.forbidden(a_request(), PermissionDenied("<script>x</script>"))

    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select(".empty-state script") == []
