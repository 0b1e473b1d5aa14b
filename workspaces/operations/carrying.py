"""One attempt at an operation: what is sent to the cluster, and what its answer means."""

from __future__ import annotations

import logging
import os
import socket
from uuid import UUID

from clusters import gateway
from clusters.errors import ClusterError, Conflict, Denied, Invalid, NotFound, Unreachable
from clusters.targets import WORKSPACES
from workspaces import parsing
from workspaces.models import Operation, Workspace
from workspaces.operations import heartbeats, states
from workspaces.operations.states import Ending
from workspaces.types import OperationKind, OperationStatus

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 1.0
GIVE_UP_AFTER_S = 600.0  # since the first attempt


class Superseded(Exception):
    """Another worker has this operation now; nothing may be sent or written for it any more."""


def carry_out(operation_id: UUID) -> None:
    """Make one attempt. Harmless when called too often, at once, or for what is finished."""
    operation = states.mark_running(operation_id, worker=f"{socket.gethostname()}:{os.getpid()}")
    if operation is None:
        return
    with heartbeats.heartbeat(operation):
        try:
            uid = _sent(operation)
        except Superseded:
            logger.warning("Operation %s was taken over before it was sent", operation.pk)
        except Unreachable as error:
            _try_again(operation, error)
        except ClusterError as error:
            states.mark_finished(operation, _ending(error))
        except Exception:  # the top of the task: a mistake of ours counts like a lost worker
            logger.exception("Operation %s stumbled", operation.pk)
            states.mark_lost(operation)
        else:
            states.mark_finished(operation, Ending(status=OperationStatus.SUCCEEDED, uid=uid))


def _sent(operation: Operation) -> str:
    """The uid of the object that was made or deleted."""
    if operation.cluster.disconnected_at:
        raise ClusterError(
            "Disconnected", f"The cluster {operation.cluster.name} was disconnected."
        )
    api = gateway.for_cluster(operation.cluster)
    if operation.kind == OperationKind.CREATE:
        return _created(operation, api)
    return _deleted(operation, api)


def _created(operation: Operation, api: gateway.Gateway) -> str:
    """POST, so that a taken name is an error and never a takeover.

    An earlier attempt whose answer was lost may have got through, and its object may be gone again by now:
    both the cluster and the mirror are asked before anything is sent a second time.
    """
    if operation.attempts > 1 and (uid := _made_earlier(operation, api)):
        return uid
    if not states.held(operation).exists():
        raise Superseded
    try:
        made = api.create(WORKSPACES, operation.manifest or {})
    except Conflict as conflict:
        if conflict.kind != "exists":
            raise
        if uid := _uid_of_own(operation, api):
            return uid
        raise
    return parsing.uid_of(made)


def _made_earlier(operation: Operation, api: gateway.Gateway) -> str:
    """The uid of what an earlier attempt made, empty if it made nothing."""
    seen = Workspace.objects.filter(cluster=operation.cluster, operation_id=operation.pk)
    return seen.values_list("uid", flat=True).first() or _uid_of_own(operation, api)


def _uid_of_own(operation: Operation, api: gateway.Gateway) -> str:
    """The uid of the object that bears the name, empty if there is none; Conflict if another made it."""
    try:
        found = parsing.parse_workspace(api.get(WORKSPACES, operation.namespace, operation.name))
    except NotFound:
        return ""
    if found.operation_id == str(operation.pk):
        return found.uid
    state = "is still being deleted" if found.deletion_requested_at else "exists already"
    words = f"A workspace {operation.name} {state} in {operation.namespace}."
    raise Conflict("AlreadyExists", words, kind="exists")


def _deleted(operation: Operation, api: gateway.Gateway) -> str:
    """Bound to the uid that the person saw; when that object is gone, by whatever hand, the wish is fulfilled."""
    try:
        api.delete(WORKSPACES, operation.namespace, operation.name, uid=operation.uid)
    except NotFound as missing:
        if (
            missing.reason == "NotServed"
        ):  # the kind, or the address: that says nothing of the object
            raise
        logger.info("Operation %s: %s was gone already", operation.pk, operation.name)
    except Conflict as conflict:
        if conflict.kind != "uid":
            raise
        logger.info("Operation %s: another %s has taken its place", operation.pk, operation.name)
    return operation.uid


def _try_again(operation: Operation, error: Unreachable) -> None:
    delay_s = _delay_s(operation.attempts, error)
    if states.has_tried_for(operation, GIVE_UP_AFTER_S - delay_s):
        words = f"{error.message} Given up after {operation.attempts} attempts."
        ending = Ending(status=OperationStatus.FAILED, error=words, detail=error.detail)
        states.mark_finished(operation, ending)
    else:
        states.mark_queued(operation, after_s=delay_s, error=error.message, detail=error.detail)


def _delay_s(attempts: int, error: Unreachable) -> float:
    """Doubling from one second; the cluster may ask for more, up to the same cap."""
    doubled = FIRST_DELAY_S * 2.0 ** min(attempts - 1, 10)
    return min(max(doubled, error.retry_after_s or 0.0), states.LONGEST_DELAY_S)


def _ending(error: ClusterError) -> Ending:
    """What the cluster judged is refused; what it could not do has failed."""
    refused = isinstance(error, Invalid | Denied)
    return Ending(
        status=OperationStatus.REFUSED if refused else OperationStatus.FAILED,
        error=error.message,
        detail=error.detail,
    )
