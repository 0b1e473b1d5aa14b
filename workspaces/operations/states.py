"""Moves of an Operation's status. Each is one conditional update: of two workers, one wins and one walks away."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import (
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

import audit.services
from accounts.people import person_key
from audit.types import Actor, Outcome, Target
from workspaces import feed
from workspaces.models import Operation
from workspaces.types import OperationStatus

logger = logging.getLogger(__name__)

QUARANTINE_AFTER = 3  # lost workers
QUARANTINED = f"{QUARANTINE_AFTER} workers were lost while carrying this out; it is not tried again"
UNSURE = "It may have been carried out all the same: look before you ask for it again."
LONGEST_DURATION_MS = 2**31 - 1  # a wish that no worker took for 25 days must end all the same
LONGEST_DELAY_S = 30.0  # before another try
OUTCOMES = {
    OperationStatus.SUCCEEDED: Outcome.SUCCEEDED,
    OperationStatus.FAILED: Outcome.FAILED,
    OperationStatus.REFUSED: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an operation ended: `error` is our sentence, `detail` the cluster's words, `uid` the object's."""

    status: OperationStatus
    error: str = ""
    detail: str = ""
    uid: str = ""


def mark_running(operation_id: UUID, *, worker: str) -> Operation | None:
    """Take the operation; None when it is not to be had: taken, finished, or not due yet.

    Times that several processes compare are the database's, so that no clock but its own matters.
    """
    taken = Operation.objects.filter(
        is_due(), _has_its_turn(), pk=operation_id, status=OperationStatus.QUEUED
    ).update(
        status=OperationStatus.RUNNING,
        taken_by=worker,
        attempts=F("attempts") + 1,
        heartbeat_at=Now(),
        started_at=Coalesce("started_at", Now()),
    )
    if not taken:
        return None
    feed.publish(topic(operation_id))
    return Operation.objects.select_related("cluster", "person").get(pk=operation_id)


def mark_finished(operation: Operation, ending: Ending) -> bool:
    """The final status and its audit entry in one transaction; False when `operation` is no longer ours."""
    with transaction.atomic():
        won = held(operation).update(
            status=ending.status,
            error=ending.error,
            error_detail=ending.detail,
            uid=ending.uid or operation.uid,
            finished_at=timezone.now(),
        )
        if won:
            _record(operation, ending)
            transaction.on_commit(partial(feed.publish, topic(operation.pk), "workspaces"))
    if not won:
        logger.warning(
            "Operation %s was given to another worker; its end is not ours", operation.pk
        )
    return bool(won)


def has_tried_for(operation: Operation, seconds: float) -> bool:
    """Whether its first attempt is so long ago, by the clock that wrote it down."""
    return Operation.objects.filter(pk=operation.pk, started_at__lt=from_now(-seconds)).exists()


def mark_queued(operation: Operation, *, after_s: float, error: str = "", detail: str = "") -> bool:
    """Back into the queue for another try; what went wrong is shown meanwhile."""
    back = held(operation).update(
        status=OperationStatus.QUEUED,
        not_before=from_now(after_s),
        dispatched_at=None,
        error=error,
        error_detail=detail,
    )
    feed.publish(topic(operation.pk))
    return bool(back)


def put_off(operation_id: UUID, *, after_s: float, error: str) -> bool:
    """Leave it in the queue, though it is due; no attempt is counted."""
    queued = Operation.objects.filter(is_due(), pk=operation_id, status=OperationStatus.QUEUED)
    put = queued.update(not_before=from_now(after_s), dispatched_at=None, error=error)
    feed.publish(topic(operation_id))
    return bool(put)


def mark_lost(operation: Operation) -> bool:
    """Its worker was lost: back into the queue. One that is suspected of killing workers is only looked after once more,

    and if that kills a worker too, its end is written without a look.
    """
    lost = operation.lost_workers + 1
    if lost > QUARANTINE_AFTER:
        words = f"{QUARANTINED}. {UNSURE}"
        return mark_finished(operation, Ending(status=OperationStatus.FAILED, error=words))
    back = held(operation).update(
        status=OperationStatus.QUEUED, lost_workers=lost, dispatched_at=None, not_before=None
    )
    return bool(back)


def held(operation: Operation) -> QuerySet[Operation]:
    """The row, as long as the attempt that `operation` was read in is the current one."""
    return Operation.objects.filter(
        pk=operation.pk, status=OperationStatus.RUNNING, attempts=operation.attempts
    )


def is_due() -> Q:
    """Not to be tried later. A time that no delay reaches was set before the clock was put back."""
    return (
        Q(not_before=None)
        | Q(not_before__lte=Now())
        | Q(not_before__gt=from_now(2 * LONGEST_DELAY_S))
    )


def _has_its_turn() -> Q:
    """What has lost two workers may be what killed them, or have been beside it: the last tries are made one at a time,

    so that it takes no other of them along.
    """
    is_suspect = Q(lost_workers__gte=QUARANTINE_AFTER - 1)
    others = Operation.objects.filter(is_suspect, status=OperationStatus.RUNNING)
    return ~is_suspect | Q(~Exists(others.exclude(pk=OuterRef("pk"))))


def is_long_ago(field: str, seconds: float) -> Q:
    """The time in `field` is so long past; or so far ahead, which only a clock that was put back explains."""
    return Q(**{f"{field}__lt": from_now(-seconds)}) | Q(**{f"{field}__gt": from_now(seconds)})


def from_now(seconds: float) -> ExpressionWrapper[CombinedExpression]:
    """The database's time, so many seconds on; negative for the past."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


def topic(operation_id: UUID) -> str:
    return f"operation-{operation_id}"


def _record(operation: Operation, ending: Ending) -> None:
    audit.services.record(
        actor=_actor(operation),
        action=f"workspace.{operation.kind}",
        outcome=OUTCOMES[ending.status],
        target=Target(
            kind="Workspace",
            cluster=operation.cluster.name,
            namespace=operation.namespace,
            name=operation.name,
            uid=ending.uid or operation.uid,
        ),
        operation_id=operation.pk,
        reason=operation.reason,
        detail={
            "error": ending.error,
            "cluster_said": ending.detail,
            "attempts": operation.attempts,
        },
        duration_ms=_milliseconds_since(operation.created_at),
    )


def _actor(operation: Operation) -> Actor:
    return Actor(
        key=person_key(operation.person) if operation.person else "",
        name=operation.person_name,
        source_ip=operation.source_ip or "",
        request_id=operation.request_id,
    )


def _milliseconds_since(start: datetime) -> int:
    milliseconds = int((timezone.now() - start).total_seconds() * 1000)
    return min(max(0, milliseconds), LONGEST_DURATION_MS)
