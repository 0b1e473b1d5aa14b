"""Finds operations that nobody works on: never dispatched, due again, or left behind by a lost worker."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from kombu.exceptions import KombuError
from redis import RedisError

from workspaces import feed
from workspaces.models import Operation
from workspaces.operations import states
from workspaces.types import OperationStatus

logger = logging.getLogger(__name__)

TASK = "workspaces.carry_out"
BATCH = 200  # so that a long queue is not doubled at each sweep

# The broker gets half a second and no second try: a request must not wait for it, and the sweep comes round again.
PUBLISHING = {
    "socket_timeout": 0.5,
    "socket_connect_timeout": 0.5,
    "max_retries": 0,
}


def dispatch(*operation_ids: UUID) -> bool:
    """Wake workers for these operations; False, and no harm done, when the broker is away."""
    if feed.is_away():
        return False
    try:
        with current_app.connection_for_write() as broker:
            broker.transport_options = {**broker.transport_options, **PUBLISHING}
            for operation_id in operation_ids:
                current_app.send_task(
                    TASK, args=[str(operation_id)], connection=broker, retry=False
                )
    except (KombuError, RedisError, OSError) as error:
        feed.note_away()
        logger.warning("Not dispatched, the sweep will try again: %s", error)
        return False
    return True


def sweep() -> int:
    """Send what is due and take back what is stale; returns how many operations that concerned."""
    silent = states.is_long_ago("heartbeat_at", settings.KAITOWEB_OPERATION_STALE_S)
    running = Operation.objects.filter(silent, status=OperationStatus.RUNNING)
    lost = [_taken_back(operation) for operation in running.select_related("cluster", "person")]
    waiting = list(_waiting().values_list("pk", flat=True)[:BATCH])
    if waiting and dispatch(*waiting):
        Operation.objects.filter(pk__in=waiting).update(dispatched_at=Now())
    return sum(lost) + len(waiting)


def _taken_back(operation: Operation) -> bool:
    """One whose end cannot be written must not keep the others waiting."""
    try:
        return states.mark_lost(operation)
    except DatabaseError:
        logger.exception("Operation %s could not be taken back", operation.pk)
        return False


def _waiting() -> QuerySet[Operation]:
    """Queued, due, and not sent lately; a new row is first left to the request that made it."""
    after_s = settings.KAITOWEB_DISPATCH_AFTER_S
    never_sent = Q(dispatched_at=None) & states.is_long_ago("created_at", after_s)
    unsent = states.is_long_ago("dispatched_at", after_s) | never_sent
    queued = Operation.objects.filter(states.is_due(), unsent, status=OperationStatus.QUEUED)
    return queued.order_by("created_at")
