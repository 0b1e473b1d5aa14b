"""What other pages ask of the mirror: the playground's picker, and the page of one operation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from accounts import people
from workspaces import catalogue
from workspaces.models import Operation, Workspace
from workspaces.queries.endpoint import expected_dialect
from workspaces.queries.listing import visible_workspaces, workspace_url
from workspaces.types import Dialect, OperationKind, OperationStatus, Phase

PLAYABLE_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Playable:
    """A workspace in the playground's picker; `why_not` is empty when it answers."""

    uid: str
    cluster: str
    namespace: str
    name: str
    model: str
    served_name: str
    dialect: Dialect
    phase: Phase
    why_not: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationPage:
    operation: Operation
    kind: OperationKind
    status: OperationStatus
    workspace_url: str  # empty until the workspace is mirrored
    may_change: bool

    @property
    def deed(self) -> str:
        """What clusters.troubles calls it."""
        return {OperationKind.CREATE: "deploy", OperationKind.DELETE: "delete"}.get(self.kind, "")

    @property
    def is_open(self) -> bool:
        """Still to be looked at: not final, or accepted and not seen in the cluster yet."""
        is_unseen = self.status == OperationStatus.SUCCEEDED and not self.workspace_url
        return not self.status.is_final or is_unseen


def playable(person: people.Person) -> list[Playable]:
    """Those that answer first."""
    rows = (
        visible_workspaces(person)
        .filter(deleted_at=None)
        .select_related("cluster")
        .only(
            *("cluster", "uid", "namespace", "name", "model", "recipe", "runtime", "dialect"),
            *("phase", "headline", "answers", "cluster__name"),
        )
        .order_by("-answers", "name", "id")[:PLAYABLE_SHOWN]
    )
    return [_playable(w) for w in rows]


def _playable(workspace: Workspace) -> Playable:
    dialect = Dialect(workspace.dialect or "unknown")
    answers = workspace.answers and workspace.phase == Phase.READY
    return Playable(
        uid=workspace.uid,
        cluster=workspace.cluster.name,
        namespace=workspace.namespace,
        name=workspace.name,
        model=workspace.model,
        served_name=catalogue.served_name(workspace.model),
        dialect=expected_dialect(workspace) if dialect == Dialect.UNKNOWN else dialect,
        phase=Phase(workspace.phase),
        why_not="" if answers else workspace.headline or Phase(workspace.phase).label,
        url=workspace_url(workspace),
    )


def operation_page(person: people.Person, operation_id: uuid.UUID) -> OperationPage | None:
    operation = (
        Operation.objects.filter(people.readable(person), pk=operation_id)
        .select_related("cluster")
        .first()
    )
    if operation is None:
        return None
    found = visible_workspaces(person).filter(cluster=operation.cluster).select_related("cluster")
    mirrored = found.filter(operation_id=operation.id).first()
    if mirrored is None and operation.uid:
        mirrored = found.filter(uid=operation.uid).first()
    return OperationPage(
        operation=operation,
        kind=OperationKind(operation.kind),
        status=OperationStatus(operation.status),
        workspace_url=workspace_url(mirrored) if mirrored else "",
        may_change=people.may_change(
            person, cluster=operation.cluster, namespace=operation.namespace
        ),
    )
