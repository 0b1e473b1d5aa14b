"""Request side of the verbs: check, write the Operation and its audit entry in one transaction, wake a worker after it.

Never speaks with a cluster. Both verbs are idempotent on (person, key): a form sent twice is one wish.
A refusal is recorded too, in a transaction of its own, and raised as Refused.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from django.db import IntegrityError, transaction

import audit.services
from accounts import people
from accounts.people import Caller
from audit.redaction import redacted
from audit.types import Outcome, Target
from clusters.errors import Refused
from clusters.models import Cluster
from workspaces import feed, manifests, operations, parsing
from workspaces.models import Operation, Workspace
from workspaces.types import (
    FINAL_STATUSES,
    OperationKind,
    RawObject,
    Stamp,
    WorkspaceSpec,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What one person asks of one object, before it is an Operation."""

    kind: OperationKind
    cluster: Cluster
    namespace: str
    name: str
    by: Caller
    key: str
    reason: str = ""
    uid: str = ""
    manifest: RawObject | None = None
    manifest_before: RawObject | None = None

    @property
    def action(self) -> str:
        return f"workspace.{self.kind}"

    @property
    def target(self) -> Target:
        return Target(
            kind="Workspace",
            cluster=self.cluster.name,
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
        )


def deploy_workspace(
    asked: WorkspaceSpec | RawObject, *, cluster: Cluster, by: Caller, key: str, reason: str = ""
) -> Operation:
    """Ask for a new workspace. Raises Refused, with `field` where one is to blame."""
    manifest = manifests.workspace_manifest(asked) if isinstance(asked, WorkspaceSpec) else asked
    parsed = parsing.parse_workspace(manifest)
    wish = _Wish(
        kind=OperationKind.CREATE,
        cluster=cluster,
        namespace=parsed.namespace,
        name=parsed.name,
        by=by,
        key=key,
        reason=redacted(reason),
        manifest=manifest,
    )
    return _earlier(wish) or _accept(wish, _objection_to_deploying(wish))


def delete_workspace(workspace: Workspace, *, by: Caller, key: str, reason: str = "") -> Operation:
    """Ask for the end of exactly this object, known by its uid; a namesake made later is safe."""
    wish = _Wish(
        kind=OperationKind.DELETE,
        cluster=workspace.cluster,
        namespace=workspace.namespace,
        name=workspace.name,
        by=by,
        key=key,
        reason=redacted(reason),
        uid=workspace.uid,
        manifest_before=workspace.raw,
    )
    return _earlier(wish) or _accept(wish, _objection_to_deleting(wish, workspace))


def _earlier(wish: _Wish) -> Operation | None:
    """The operation that this very form has made before."""
    found = Operation.objects.filter(person=wish.by.person, idempotency_key=wish.key).first()
    same = found and (found.kind, found.namespace, found.name, found.cluster_id) == (
        wish.kind,
        wish.namespace,
        wish.name,
        wish.cluster.pk,
    )
    if found and not same:
        _refuse(wish, Refused(f"This form was already used for {found}. Open a fresh one."))
    return found


def _objection(wish: _Wish) -> Refused | None:
    """What stands against any wish."""
    if not people.may_change(wish.by.person, cluster=wish.cluster, namespace=wish.namespace):
        return Refused(f"You may look, but not change anything in {wish.namespace}.")
    if wish.cluster.disconnected_at:
        return Refused(f"The cluster {wish.cluster.name} is disconnected.", "cluster")
    return None


def _objection_to_deploying(wish: _Wish) -> Refused | None:
    manifest = wish.manifest or {}
    if objection := _objection(wish):
        return objection
    if (manifest.get("apiVersion"), manifest.get("kind")) != (manifests.API_VERSION, "Workspace"):
        return Refused(f"Only a Workspace of {manifests.API_VERSION} can be deployed.")
    if not wish.name or not wish.namespace:
        return Refused("A name and a namespace are needed.", "namespace" if wish.name else "name")
    if parsing.carries_secret(manifest):
        return Refused("This holds a token or password in plain text; put it into a Secret.")
    return _objection_to_name(wish)


def _objection_to_name(wish: _Wish) -> Refused | None:
    """Early words only; the cluster's answer to the POST is what decides."""
    place = {"cluster": wish.cluster, "namespace": wish.namespace, "name": wish.name}
    live = Workspace.objects.filter(**place, deleted_at=None).first()
    if live:
        state = "is still being deleted" if live.deletion_requested_at else "exists already"
        return Refused(f"A workspace {wish.name} {state} in {wish.namespace}.", "name")
    under_way = Operation.objects.filter(**place, kind=OperationKind.CREATE)
    other = under_way.exclude(status__in=FINAL_STATUSES).first()
    if other:
        return Refused(f"{other.person_name} is already deploying {wish.name}.", "name")
    return None


def _objection_to_deleting(wish: _Wish, workspace: Workspace) -> Refused | None:
    if objection := _objection(wish):
        return objection
    if workspace.deleted_at:
        return Refused(f"{workspace.name} is already gone.")
    if workspace.deletion_requested_at:
        return Refused(f"{workspace.name} is already being deleted.")
    return None


def _accept(wish: _Wish, objection: Refused | None) -> Operation:
    # The same form may be sent twice at once: what stands against it is then what the other one has just made.
    if objection:
        return _earlier(wish) or _refuse(wish, objection)
    try:
        with transaction.atomic():
            operation = _written(wish)
            transaction.on_commit(partial(_announce, operation))
    except IntegrityError:
        earlier = _earlier(wish)
        if earlier is None:
            raise
        return earlier
    return operation


def _written(wish: _Wish) -> Operation:
    """The Operation and its first audit entry."""
    operation_id, person = uuid.uuid4(), wish.by.person
    stamp = Stamp(operation_id=str(operation_id), person_key=people.person_key(person))
    operation = Operation.objects.create(
        id=operation_id,
        kind=wish.kind,
        cluster=wish.cluster,
        namespace=wish.namespace,
        name=wish.name,
        uid=wish.uid,
        manifest=manifests.stamped(wish.manifest, stamp) if wish.manifest else None,
        manifest_before=wish.manifest_before,
        person=person,
        person_name=person.get_username(),
        reason=wish.reason[:500],
        request_id=wish.by.request_id,
        source_ip=wish.by.source_ip or None,
        idempotency_key=wish.key,
    )
    audit.services.record(
        actor=wish.by.actor,
        action=wish.action,
        outcome=Outcome.REQUESTED,
        target=wish.target,
        operation_id=operation.pk,
        before=wish.manifest_before,
        after=operation.manifest,
        reason=wish.reason,
    )
    return operation


def _announce(operation: Operation) -> None:
    """One wait for a broker that does not answer is enough for whoever sent the form."""
    if operations.dispatch(operation.pk):
        feed.publish("workspaces", f"operation-{operation.pk}")


def _refuse(wish: _Wish, refused: Refused) -> NoReturn:
    with transaction.atomic(durable=True):
        audit.services.record(
            actor=wish.by.actor,
            action=wish.action,
            outcome=Outcome.REFUSED,
            target=wish.target,
            reason=wish.reason,
            detail={"error": refused.message},
        )
    raise refused
