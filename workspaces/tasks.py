"""Celery entry points: an id in, an operation called. The rows say what is to be done, and when it is tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from celery import shared_task
from django.db import InterfaceError, OperationalError, connection

from workspaces import operations

logger = logging.getLogger(__name__)

TRIES, PAUSE_S = 30, 1.0


@shared_task(name="workspaces.carry_out", ignore_result=True)
def carry_out(operation_id: str) -> None:
    _patiently(lambda: operations.carry_out(UUID(operation_id)))


@shared_task(name="workspaces.sweep_operations", ignore_result=True)
def sweep_operations() -> None:
    _patiently(operations.sweep)


def _patiently(work: Callable[[], object]) -> None:
    """While the database is away, the message is kept in hand, and with it a thread of the pool.

    A worker that failed at once would be free for the next message at once, and for all that come: cut off from
    the database alone, it would leave none to the others. The sweep sends again what one holds.
    """
    for _ in range(TRIES):
        try:
            work()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            logger.warning("Waiting for the database: %s", error)
            time.sleep(PAUSE_S)
        else:
            return
    logger.error("The database has been away for long; this message is dropped, the row stays")
