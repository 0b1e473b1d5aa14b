"""What an earlier attempt at an operation has done, whose answer was lost: asked of the mirror and of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.errors import ClusterError, Conflict, Denied, NotFound, Unreachable
from clusters.gateway import Gateway
from clusters.targets import EVENTS, WORKSPACES
from workspaces import parsing
from workspaces.models import Operation, Workspace
from workspaces.types import ParsedEvent


class Unseen(Exception):
    """It cannot be seen: what the operation ends with must say so. `error` is why."""

    def __init__(self, error: ClusterError) -> None:
        super().__init__(error.message)
        self.error = error


def made_earlier(operation: Operation, api: Gateway) -> str:
    """The uid of the object that an earlier attempt has made, empty if there is no sign of one.

    It may be gone by now, by another's hand: a row of the mirror tells of it, or else the cluster's events, which stay
    for an hour. Of an object that left neither nothing is known to anybody, and it is made anew.
    Raises Conflict where another's object has the name, Unseen where the cluster does not let us look.
    """
    seen = Workspace.objects.filter(cluster=operation.cluster, operation_id=operation.pk)
    if uid := seen.values_list("uid", flat=True).first():
        return str(uid)
    try:
        return uid_of_own(operation, api) or _uid_in_events(operation, api)
    except (Unreachable, Conflict):
        raise
    except ClusterError as error:
        raise Unseen(error) from error


def uid_of_own(operation: Operation, api: Gateway) -> str:
    """The uid of the object that bears the name, empty if there is none; Conflict if another made it."""
    try:
        found = parsing.parse_workspace(api.get(WORKSPACES, operation.namespace, operation.name))
    except NotFound as error:
        if not says_gone(error):
            raise
        return ""
    if found.operation_id == str(operation.pk):
        return found.uid
    state = "is still being deleted" if found.deletion_requested_at else "exists already"
    words = f"A workspace {operation.name} {state} in {operation.namespace}."
    raise Conflict("AlreadyExists", words, kind="exists")


def is_gone(operation: Operation, api: Gateway) -> bool:
    """Whether the object that was to be deleted is gone, or on its way."""
    try:
        found = parsing.parse_workspace(api.get(WORKSPACES, operation.namespace, operation.name))
    except Unreachable:
        raise
    except ClusterError as error:
        if says_gone(error):
            return True
        raise Unseen(error) from error
    return found.uid != operation.uid or found.deletion_requested_at is not None


def says_gone(error: ClusterError) -> bool:
    """That the object is not there, or another has taken its place; a kind or an address that is not served says neither."""
    if isinstance(error, NotFound):
        return error.reason != "NotServed"
    return isinstance(error, Conflict) and error.kind == "uid"


def _uid_in_events(operation: Operation, api: Gateway) -> str:
    """Of an object of this name that came after the first attempt began and that nobody else is known to have made."""
    theirs = Workspace.objects.filter(
        cluster=operation.cluster, namespace=operation.namespace, name=operation.name
    )
    known = set(theirs.values_list("uid", flat=True))
    found = (e.object_uid for e in _events(operation, api) if e.object_uid not in known)
    return next(found, "")


def _events(operation: Operation, api: Gateway) -> Iterator[ParsedEvent]:
    """Those about a workspace of this name since the operation was first taken."""
    target = replace(
        EVENTS,
        namespace=operation.namespace,
        field_selector=f"involvedObject.kind=Workspace,involvedObject.name={operation.name}",
    )
    try:
        items = api.list(target, limit=0).items
    except (Denied, NotFound):
        return
    # Kubernetes writes whole seconds down.
    begun = operation.started_at.replace(microsecond=0) if operation.started_at else None
    for event in map(parsing.parse_event, items):
        if event.object_uid and event.first_at and begun and event.first_at >= begun:
            yield event
