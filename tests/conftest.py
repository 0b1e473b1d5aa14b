"""Fixtures that three or more files share."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import TransactionTestCase

from audit import triggers

_flush = TransactionTestCase._fixture_teardown


def _flush_with_triggers_off(self):
    """Tests with real transactions are cleaned by deleting rows, which the audit's triggers refuse."""
    triggers.remove(connection)
    try:
        _flush(self)
    finally:
        triggers.install(connection)


TransactionTestCase._fixture_teardown = _flush_with_triggers_off


@pytest.fixture
def alice(django_user_model):
    """An administrator."""
    return django_user_model.objects.create_superuser("alice", password="alice-password")


@pytest.fixture
def bob(django_user_model):
    """A viewer."""
    return django_user_model.objects.create_user("bob", password="bob-password")


@pytest.fixture
def dora(django_user_model):
    """A deployer: staff, no administrator."""
    return django_user_model.objects.create_user("dora", password="dora-password", is_staff=True)
