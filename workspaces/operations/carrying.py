"""One attempt at an operation: what is sent to the cluster, and what its answer means."""

from __future__ import annotations

import logging
import os
import socket
from uuid import UUID

from django.db import DatabaseError

from clusters import gateway
from clusters.errors import ClusterError, Conflict, Denied, Invalid, Unreachable
from clusters.targets import WORKSPACES
from workspaces import parsing
from workspaces.models import Operation
from workspaces.operations import heartbeats, looking, states
from workspaces.operations.looking import Unseen
from workspaces.operations.states import Ending
from workspaces.operations.turns import turns
from workspaces.types import OperationKind, OperationStatus

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 1.0
GIVE_UP_AFTER_S = 600.0  # since the first attempt
PUT_OFF_S = 2.0
UNAUTHORIZED = 401
CROWDED = "Others wait for an answer of this cluster; this is sent when it answers."
UNWRITTEN = "The end of this could not be written down yet."


class Superseded(Exception):
    """Another worker has this operation now; nothing may be sent or written for it any more."""


def carry_out(operation_id: UUID) -> None:
    """Make one attempt. Harmless when called too often, at once, or for what is finished."""
    queued = Operation.objects.filter(pk=operation_id, status=OperationStatus.QUEUED)
    waiting = queued.select_related("cluster").first()
    if waiting is None:
        return
    with turns.turn(waiting.cluster) as is_ours:
        if is_ours:
            _carry_out(operation_id)
        else:
            states.put_off(operation_id, after_s=PUT_OFF_S, error=CROWDED)


def _carry_out(operation_id: UUID) -> None:
    operation = states.mark_running(operation_id, worker=f"{socket.gethostname()}:{os.getpid()}")
    if operation is None:
        return
    with heartbeats.heartbeat(operation):
        try:
            ending = _attempt(operation)
        except Superseded:
            logger.warning("Operation %s was taken over before it was sent", operation.pk)
        except Unreachable as error:
            turns.heard(operation.cluster, error)
            _try_again(operation, error)
        except Exception:  # the top of the task: a mistake of ours counts like a lost worker
            logger.exception("Operation %s stumbled", operation.pk)
            states.mark_lost(operation)
        else:
            turns.heard(operation.cluster, None)
            _finish(operation, ending)


def _attempt(operation: Operation) -> Ending:
    try:
        if operation.lost_workers >= states.QUARANTINE_AFTER:
            return _last_look(operation)
        return Ending(status=OperationStatus.SUCCEEDED, uid=_sent(operation))
    except Unseen as unseen:
        _check_sign_in(unseen.error)
        return _unseen(unseen.error)
    except Unreachable:
        raise
    except ClusterError as error:
        _check_sign_in(error)
        return _judged(error)


def _check_sign_in(error: ClusterError) -> None:
    """A rejected sign-in is about kaitoweb, and a person renews it; the wish is tried again meanwhile."""
    if error.status == UNAUTHORIZED:
        raise Unreachable(error.reason, error.message, error.status, error.detail) from error


def _sent(operation: Operation) -> str:
    """The uid of the object that was made or deleted."""
    api = _api(operation)
    if operation.kind == OperationKind.CREATE:
        return _created(operation, api)
    return _deleted(operation, api)


def _api(operation: Operation) -> gateway.Gateway:
    name = operation.cluster.name
    if operation.cluster.disconnected_at:
        error = ClusterError("Disconnected", f"The cluster {name} was disconnected.")
        raise Unseen(error) if operation.attempts > 1 else error
    return gateway.for_cluster(operation.cluster)


def _created(operation: Operation, api: gateway.Gateway) -> str:
    """POST, so that a taken name is an error and never a takeover; only after a look at what an earlier attempt did."""
    if operation.attempts > 1 and (uid := looking.made_earlier(operation, api)):
        return uid
    if not states.held(operation).exists():
        raise Superseded
    try:
        made = api.create(WORKSPACES, operation.manifest or {})
    except Conflict as conflict:
        if conflict.kind != "exists":
            raise
        if uid := looking.uid_of_own(operation, api):
            return uid
        raise
    return parsing.uid_of(made)


def _deleted(operation: Operation, api: gateway.Gateway) -> str:
    """Bound to the uid that the person saw; when that object is gone, by whatever hand, the wish is fulfilled."""
    try:
        api.delete(WORKSPACES, operation.namespace, operation.name, uid=operation.uid)
    except Unreachable:
        raise
    except ClusterError as error:
        if not looking.says_gone(error):
            raise Unseen(error) if operation.attempts > 1 else error from None
        logger.info("Operation %s: %s was gone already", operation.pk, operation.name)
    return operation.uid


def _last_look(operation: Operation) -> Ending:
    """It has lost too many workers to be sent again; one of them may have got through all the same."""
    api = _api(operation)
    if operation.kind == OperationKind.CREATE:
        uid = looking.made_earlier(operation, api)
    else:
        uid = operation.uid if looking.is_gone(operation, api) else ""
    if uid:
        return Ending(status=OperationStatus.SUCCEEDED, uid=uid)
    return Ending(status=OperationStatus.FAILED, error=f"{states.QUARANTINED}.")


def _try_again(operation: Operation, error: Unreachable) -> None:
    delay_s = _delay_s(operation.attempts, error)
    if states.has_tried_for(operation, GIVE_UP_AFTER_S - delay_s):
        words = f"{error.message} Given up after {operation.attempts} attempts."
        _finish(operation, _unseen(error, words))
    else:
        states.mark_queued(operation, after_s=delay_s, error=error.message, detail=error.detail)


def _finish(operation: Operation, ending: Ending) -> None:
    """Where the end cannot be written down (its audit entry is part of it), it is found out again by another attempt."""
    try:
        states.mark_finished(operation, ending)
    except DatabaseError:
        logger.exception("The end of operation %s could not be written", operation.pk)
        states.mark_queued(operation, after_s=states.LONGEST_DELAY_S / 10, error=UNWRITTEN)


def _delay_s(attempts: int, error: Unreachable) -> float:
    """Doubling from one second; the cluster may ask for more, up to the same cap."""
    doubled = FIRST_DELAY_S * 2.0 ** min(attempts - 1, 10)
    return min(max(doubled, error.retry_after_s or 0.0), states.LONGEST_DELAY_S)


def _judged(error: ClusterError) -> Ending:
    """What the cluster judged is refused; what it could not do has failed."""
    refused = isinstance(error, Invalid | Denied)
    return Ending(
        status=OperationStatus.REFUSED if refused else OperationStatus.FAILED,
        error=error.message,
        detail=error.detail,
    )


def _unseen(error: ClusterError, words: str = "") -> Ending:
    """An attempt was made, and nobody can see what came of it."""
    sentence = f"{words or error.message} {states.UNSURE}"
    return Ending(status=OperationStatus.FAILED, error=sentence, detail=error.detail)
