from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from accounts import people

STRANGER = AnonymousUser()
VIEWER = User(pk=1, username="v")
STAFF = User(pk=2, username="s", is_staff=True)
ADMIN = User(pk=3, username="a", is_staff=True, is_superuser=True)
GONE = User(pk=4, username="g", is_staff=True, is_superuser=True, is_active=False)


@pytest.mark.parametrize(
    ("person", "reads", "changes", "administers"),
    [
        (STRANGER, False, False, False),
        (VIEWER, True, False, False),
        (STAFF, True, True, False),
        (ADMIN, True, True, True),
        (GONE, False, False, False),
    ],
)
def test_todays_rule(person, reads, changes, administers):
    assert people.may_read(person) is reads
    assert people.may_change(person) is changes
    assert people.may_administer(person) is administers


@pytest.mark.django_db
def test_readable_hides_every_row_from_strangers(alice):
    assert User.objects.filter(people.readable(alice)).count() == 1
    assert User.objects.filter(people.readable(STRANGER)).count() == 0


def test_person_key_is_opaque():
    assert people.person_key(ADMIN) == "u3"
