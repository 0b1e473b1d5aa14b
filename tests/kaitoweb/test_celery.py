from __future__ import annotations

from celery import current_app

from kaitoweb.celery import app
from workspaces import tasks


def test_tasks_are_sent_by_our_application_from_every_process():
    assert current_app._get_current_object() is app
    assert tasks.carry_out.app is app
