"""The base template: what every page carries, for whom."""

from __future__ import annotations

import json

import pytest
from bs4 import BeautifulSoup
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.shortcuts import render
from django.test import RequestFactory
from django.urls import reverse

pytestmark = pytest.mark.django_db


def page(person, *, template="base.html", flash=(), **context):
    request = RequestFactory().get("/")
    request.user = person
    request.resolver_match = None
    request.session = {}
    request._messages = FallbackStorage(request)
    for level, text in flash:
        messages.add_message(request, level, text)
    return BeautifulSoup(render(request, template, context).content, "html.parser")


def test_base_has_one_main_that_the_skip_link_reaches(bob):
    soup = page(bob)

    assert soup.select_one("a.skip")["href"] == "#main"
    assert [m["id"] for m in soup.find_all("main")] == ["main"]


def test_base_sends_the_csrf_token_with_every_htmx_request(bob):
    soup = page(bob)

    headers = json.loads(soup.body["hx-headers"])
    assert list(headers) == ["x-csrftoken"]
    assert len(headers["x-csrftoken"]) == 64


def test_base_configures_htmx_for_the_policy(bob):
    config = json.loads(page(bob).select_one("meta[name=htmx-config]")["content"])

    assert {key: config[key] for key in config if key != "responseHandling"} == {
        "allowEval": False,
        "includeIndicatorStyles": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "attributesToSettle": ["class", "width", "height"],  # without style, which it would set
    }
    assert {"code": "422", "swap": True} in config["responseHandling"]


def test_base_signs_out_by_post(bob):
    form = page(bob).find("form", action=reverse("accounts:sign_out"))

    assert form["method"] == "post"
    assert form.find("input", attrs={"name": "csrfmiddlewaretoken"}) is not None


@pytest.mark.parametrize(
    ("who", "role"), [("alice", "administrator"), ("dora", "deployer"), ("bob", "viewer")]
)
def test_base_says_who_is_signed_in_as_what(request, who, role):
    soup = page(request.getfixturevalue(who))

    assert soup.select_one(".dropdown-header").text == f"{who} · {role}"


def test_base_has_no_bar_for_strangers():
    soup = page(AnonymousUser())

    assert soup.select("header, nav, form") == []


def test_base_shows_messages_as_toasts(bob):
    soup = page(bob, flash=[(messages.SUCCESS, "Deployed."), (messages.ERROR, "<b>Refused</b>")])

    toasts = soup.select("#messages .toast")
    assert [t.get_text(strip=True) for t in toasts] == ["Deployed.", "<b>Refused</b>"]
    assert [t["class"][-1] for t in toasts] == ["tone-green", "tone-red"]
    assert [t.get("role") for t in toasts] == [None, "alert"]


def test_messages_are_added_out_of_band_for_htmx(bob):
    soup = page(
        bob, template="includes/_messages.html", flash=[(messages.INFO, "Noted.")], oob=True
    )

    assert soup.select_one("#messages")["hx-swap-oob"] == "beforeend"


def sign_in_page(client, **data):
    url = reverse("accounts:sign_in")
    response = client.post(url, data) if data else client.get(url)
    return response, BeautifulSoup(response.content, "html.parser")


def test_sign_in_names_its_fields_for_password_managers(client):
    _, soup = sign_in_page(client)

    fields = {f["name"]: f.get("autocomplete") for f in soup.select("form input[autocomplete]")}
    assert fields == {"username": "username", "password": "current-password"}
    assert [f["name"] for f in soup.select("[autofocus]")] == ["username"]


def test_sign_in_keeps_the_name_and_explains_a_wrong_password(client, bob):
    response, soup = sign_in_page(client, username="bob", password="wrong")

    assert response.status_code == 200
    assert soup.select_one("#id_username")["value"] == "bob"
    assert soup.select_one("#id_password").get("value") is None
    assert [f["name"] for f in soup.select("[autofocus]")] == ["password"]
    assert [f["aria-describedby"] for f in soup.select("[aria-invalid=true]")] == [
        "sign-in-error",
        "sign-in-error",
    ]
    assert soup.select_one("#sign-in-error[role=alert]").get_text(strip=True).startswith("Please")


@pytest.mark.parametrize("embedded", [True, False])
def test_sign_in_tells_where_the_password_is_under_make_run(client, settings, embedded):
    settings.KAITOWEB_EMBEDDED = embedded

    _, soup = sign_in_page(client)

    hint = [p.get_text(" ", strip=True) for p in soup.select("p.small")]
    assert [h.startswith("First time? Sign in as admin") for h in hint] == [True] * embedded


def test_audit_of_the_admin_wears_the_frame(client, alice):
    client.force_login(alice)

    soup = BeautifulSoup(client.get(reverse("admin:index")).content, "html.parser")

    assert soup.select_one("#site-name").get_text(strip=True) == "kaitoweb"
    assert "/static/css/admin.css" in [link["href"] for link in soup.select("link")]
