"""The pages for what went wrong, for people and for htmx."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import Http404
from django.test import RequestFactory
from django.urls import ResolverMatch

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


def away(request):
    """What Django does with an exception of the database that no view caught."""
    try:
        raise OperationalError("connection refused by 10.0.0.9, user secret")
    except OperationalError:
        return errors.server_error(request)


def a_wish(view_name, **fields):
    request = RequestFactory().post("/deploy/", fields)
    request.resolver_match = ResolverMatch(
        lambda _: None, (), {}, url_name=view_name, namespaces=["workspaces"]
    )
    return request


def test_a_page_without_database_asks_for_itself_again():
    response = away(a_request())

    soup = BeautifulSoup(response.content, "html.parser")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert soup.select_one("noscript meta[http-equiv=refresh]")["content"] == "5"
    assert soup.select_one("[data-reload]")["data-reload"] == "5"
    assert soup.select_one(".empty-state p").text == errors.DATABASE_AWAY
    assert b"secret" not in response.content


def test_a_fragment_without_database_is_a_sentence():
    response = away(a_request(hx_request="true"))

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.content.decode() == errors.DATABASE_AWAY


def test_a_wish_that_was_not_written_can_be_sent_again_as_it_was():
    response = away(a_wish("deploy", name='"><b>', key="k1", csrfmiddlewaretoken="t"))

    soup = BeautifulSoup(response.content, "html.parser")
    fields = {e["name"]: e["value"] for e in soup.select("form input")}
    assert response.status_code == 503
    assert soup.select("meta[http-equiv=refresh], [data-reload]") == []
    assert soup.form["action"] == "/deploy/"
    assert fields == {"name": '"><b>', "key": "k1", "csrfmiddlewaretoken": "t"}


def test_what_may_hold_a_secret_is_not_written_back():
    response = away(a_wish("connect", kubeconfig="secret"))

    assert BeautifulSoup(response.content, "html.parser").form is None
    assert b"secret" not in response.content


def test_a_mistake_of_ours_in_the_database_stays_a_fault():
    try:
        raise ProgrammingError("no such column")
    except ProgrammingError:
        assert errors.server_error(a_request()).status_code == 500


@pytest.mark.asyncio
async def test_asgi_answers_without_a_database(async_client, monkeypatch):
    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", _refuse)
    async_client.cookies["sessionid"] = "a" * 32
    async_client.raise_request_exception = False

    for address in ("/workspaces/", "/events/?topics=clusters"):
        response = await async_client.get(address)
        assert response.status_code == 503, address


def _refuse(self):
    raise OperationalError("connection refused")
