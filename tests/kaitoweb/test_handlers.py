"""The error pages are the program's own, through the whole stack."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.test import Client

pytestmark = pytest.mark.django_db


def heading(response):
    return BeautifulSoup(response.content, "html.parser").h1.text.strip()


def test_unknown_pages_get_our_page(client, bob):
    client.force_login(bob)

    response = client.get("/no-such-page/")

    assert (response.status_code, heading(response)) == (404, "Nothing here")


def test_a_missing_token_gets_our_page(alice):
    client = Client(enforce_csrf_checks=True)

    response = client.post("/sign-in/", {"username": "alice", "password": "x"})

    assert response.status_code == 403
    assert "kaitoweb" in BeautifulSoup(response.content, "html.parser").title.text


def test_a_bad_host_gets_our_page(client):
    response = client.get("/healthz/", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert "kaitoweb" in BeautifulSoup(response.content, "html.parser").title.text
