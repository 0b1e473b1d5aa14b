"""Tells, from a thread beside the work, that the worker of a running operation still lives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from workspaces.models import Operation
from workspaces.operations import states

logger = logging.getLogger(__name__)

BEATS = 4  # in the time after which a silent worker is given up


@contextmanager
def heartbeat(operation: Operation) -> Iterator[None]:
    """Renews the row now and then while the block runs; a block that is quicker costs no write."""
    done, period_s = threading.Event(), settings.KAITOWEB_OPERATION_STALE_S / BEATS
    thread = threading.Thread(
        target=_renew,
        args=(operation, done, period_s),
        name=f"heartbeat-{operation.pk}",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(operation: Operation, done: threading.Event, period_s: float) -> None:
    try:
        while not done.wait(period_s) and _renewed(operation):
            pass
    finally:
        connection.close()


def _renewed(operation: Operation) -> bool:
    """False when the operation is no longer ours, so that the thread may end."""
    try:
        return bool(states.held(operation).update(heartbeat_at=Now()))
    except DatabaseError as error:
        connection.close()
        logger.warning("Heartbeat of operation %s failed: %s", operation.pk, error)
        return True
