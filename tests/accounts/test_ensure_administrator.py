"""The first administrator: made once, never with a default or a weak password."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db
STRONG = "correct horse battery"


@pytest.fixture
def production(settings):
    settings.KAITOWEB_EMBEDDED = False
    settings.KAITOWEB_ADMIN_PASSWORD = STRONG
    return settings


def admin():
    return get_user_model().objects.get(username="admin")


def test_administrator_is_made_with_the_password_that_is_given(production):
    call_command("ensure_administrator")
    assert (admin().is_superuser, admin().is_staff) == (True, True)
    assert admin().check_password(STRONG)


def test_without_a_password_nobody_is_made(production):
    production.KAITOWEB_ADMIN_PASSWORD = ""
    with pytest.raises(CommandError, match="Nobody administers kaitoweb yet, and KAITOWEB_ADMIN"):
        call_command("ensure_administrator")
    assert get_user_model().objects.count() == 0


@pytest.mark.parametrize(("weak", "why"), [("short", "too short"), ("password12345", "too common")])
def test_weak_password_is_refused_where_others_can_reach_it(production, weak, why):
    production.KAITOWEB_ADMIN_PASSWORD = weak
    with pytest.raises(CommandError, match=why):
        call_command("ensure_administrator")


def test_password_that_was_changed_since_is_left_alone(production):
    call_command("ensure_administrator")
    user = admin()
    user.set_password("of my own choosing")
    user.save()

    call_command("ensure_administrator")

    assert admin().check_password("of my own choosing")


def test_password_is_set_again_when_asked_for(production):
    call_command("ensure_administrator")
    production.KAITOWEB_ADMIN_PASSWORD = "another strong sentence"
    call_command("ensure_administrator", reset_password=True)
    assert admin().check_password("another strong sentence")


def test_nothing_is_needed_once_somebody_administers(production, alice):
    production.KAITOWEB_ADMIN_PASSWORD = ""
    call_command("ensure_administrator")
    assert [user.username for user in get_user_model().objects.all()] == ["alice"]


def test_somebody_who_left_does_not_count(production, alice):
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    call_command("ensure_administrator")
    assert admin().check_password(STRONG)


def test_where_nobody_administers_any_more_admin_does_again(production):
    call_command("ensure_administrator")
    get_user_model().objects.update(is_superuser=False, is_active=False)

    call_command("ensure_administrator")

    assert (admin().is_superuser, admin().is_staff, admin().is_active) == (True, True, True)


def test_password_of_one_who_administers_no_more_gives_no_rights_back(production):
    call_command("ensure_administrator")
    get_user_model().objects.create_superuser("alice")
    get_user_model().objects.filter(username="admin").update(is_superuser=False)

    call_command("ensure_administrator", reset_password=True)

    assert not admin().is_superuser
