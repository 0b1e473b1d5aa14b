"""Fixtures that three or more files share."""

from __future__ import annotations

import os

import hypothesis
import pytest
from django.db import connection
from django.test import TransactionTestCase

from audit import triggers
from workspaces import feed
from workspaces.operations import carrying
from workspaces.operations.turns import Turns

# A change is judged by the same examples each time, on quick machines and slow ones; a soak looks for new ones.
hypothesis.settings.register_profile(
    "soak", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "same", hypothesis.settings.get_profile("soak"), derandomize=True
)
hypothesis.settings.load_profile("soak" if os.environ.get("KAITOWEB_SOAK") else "same")

_flush = TransactionTestCase._fixture_teardown


def _flush_with_triggers_off(self):
    """Tests with real transactions are cleaned by deleting rows, which the audit's triggers refuse."""
    triggers.remove(connection)
    try:
        _flush(self)
    finally:
        triggers.install(connection)


TransactionTestCase._fixture_teardown = _flush_with_triggers_off


def pytest_collection_modifyitems(items):
    """What is about the database, and not about pages, runs on PostgreSQL too (scripts/test)."""
    for item in items:
        fixtures = set(item.fixturenames)
        touches = {"db", "transactional_db"} & fixtures or item.get_closest_marker("django_db")
        is_page = {"client", "async_client"} & fixtures or item.get_closest_marker("asyncio")
        if touches and not is_page and "playground" not in item.path.parts:
            item.add_marker("postgres")


@pytest.fixture(autouse=True)
def _queue_is_believed_in(monkeypatch):
    """Pages say when the queue is down, and here there is none: whoever tests that asks anew (`again_at = 0`)."""
    monkeypatch.setattr(feed._Asked, "answer", True)
    monkeypatch.setattr(feed._Asked, "again_at", float("inf"))


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch):
    """What a process keeps of silent brokers and clusters; rows of other tests have had the same numbers."""
    monkeypatch.setattr(feed._Quiet, "until", 0.0)
    monkeypatch.setattr(carrying, "turns", Turns())


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
