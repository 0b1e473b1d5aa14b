from __future__ import annotations

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from kaitoweb.celery import app
from workspaces import tasks


def test_tasks_are_sent_by_our_application_from_every_process():
    assert current_app._get_current_object() is app
    assert tasks.carry_out.app is app


def test_lost_broker_is_looked_for_every_three_seconds_at_least(monkeypatch):
    waited = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: waited.append(seconds))
    nobody = app.connection_for_read(url="redis://127.0.0.1:1/0")

    with pytest.raises(OperationalError):
        nobody.ensure_connection(max_retries=5)

    assert sum(waited) == 1 + 2 + 3 + 3 + 3
