from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory
from django.urls import reverse

from accounts import refusals
from audit.models import Entry
from audit.types import Target

pytestmark = pytest.mark.django_db


def entries():
    rows = Entry.objects.order_by("seq")
    return [(e.action, e.outcome, e.actor_name, e.source_ip) for e in rows]


def test_sign_in_is_recorded(client, alice):
    client.post(reverse("accounts:sign_in"), {"username": "alice", "password": "alice-password"})

    assert entries() == [("sign-in", "succeeded", "alice", "127.0.0.1")]


def test_failed_sign_in_is_recorded_under_a_known_name(client, alice):
    client.post(reverse("accounts:sign_in"), {"username": "alice", "password": "wrong"})

    assert entries() == [("sign-in", "refused", "alice", "127.0.0.1")]


def test_failed_sign_in_does_not_keep_what_was_typed_as_a_name(client, alice):
    client.post(reverse("accounts:sign_in"), {"username": "alice-password", "password": ""})
    client.post(reverse("accounts:sign_in"), {"username": "alice-password", "password": "x"})

    assert entries() == [("sign-in", "refused", "(unknown name)", "127.0.0.1")]


def test_sign_out_is_recorded_and_needs_post(client, alice):
    client.force_login(alice)

    assert client.get(reverse("accounts:sign_out")).status_code == 405
    assert client.post(reverse("accounts:sign_out")).url == reverse("accounts:sign_in")

    assert entries()[1:] == [("sign-out", "succeeded", "alice", "127.0.0.1")]


def test_refuse_records_then_denies(bob):
    request = RequestFactory().post("/x", REMOTE_ADDR="127.0.0.9")
    request.user = bob

    with pytest.raises(PermissionDenied, match="may look, but not change"):
        refusals.refuse(request, "workspace.delete", Target(kind="Workspace", name="w"))

    assert entries() == [("access.refused", "refused", "bob", "127.0.0.9")]
    assert Entry.objects.get().detail == {"wanted": "workspace.delete", "why": ""}
