"""Rows of the mirror back to the values that a diagnosis takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from workspaces import parsing
from workspaces.diagnosis import NOTHING_READ, Diagnosis, Progress, diagnose
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.types import Dependents, ParsedEvent, ParsedWorkspace

EVENTS_SHOWN = 200
# Events of what a workspace leaves behind still belong to it.
_AFTERMATH = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One workspace with all that the mirror knows around it."""

    row: Workspace
    workspace: ParsedWorkspace
    dependents: Dependents
    events: tuple[ParsedEvent, ...]

    def diagnosis(self, now: datetime, progress: Progress = NOTHING_READ) -> Diagnosis:
        return diagnose(
            self.workspace,
            self.dependents,
            self.events,
            now,
            progress=progress,
            gone_at=self.row.deleted_at,
        )


def see(workspace: Workspace) -> Seen:
    return Seen(
        row=workspace,
        workspace=parsing.parse_workspace(workspace.raw),
        dependents=_dependents(workspace),
        events=tuple(_event(e) for e in events_of(workspace)),
    )


def _dependents(workspace: Workspace) -> Dependents:
    """By name, as KAITO joins them; so those of a namesake that came later are not a gone workspace's."""
    rows = Dependent.objects.filter(
        cluster=workspace.cluster,
        workspace_namespace=workspace.namespace,
        workspace_name=workspace.name,
    )
    if workspace.deleted_at and _has_successor(workspace):
        return Dependents()
    return dependents_from(rows.order_by("name").only("kind", "raw"))


def _has_successor(workspace: Workspace) -> bool:
    return (
        Workspace.objects.filter(
            cluster=workspace.cluster, namespace=workspace.namespace, name=workspace.name
        )
        .filter(deleted_at=None)
        .exists()
    )


def dependents_from(rows: Iterable[Dependent]) -> Dependents:
    by_kind: dict[str, list[Dependent]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    workloads = [w for kind in ("StatefulSet", "Deployment", "Job") for w in by_kind.get(kind, ())]
    return Dependents(
        pods=tuple(parsing.parse_pod(r.raw) for r in by_kind.get("Pod", ())),
        node_claims=tuple(parsing.parse_node_claim(r.raw) for r in by_kind.get("NodeClaim", ())),
        services=tuple(parsing.parse_service(r.raw) for r in by_kind.get("Service", ())),
        workloads=tuple(parsing.parse_workload(r.raw) for r in workloads),
    )


def events_of(workspace: Workspace) -> list[ClusterEvent]:
    """Newest first; those of an earlier or later namesake are left out by their time."""
    lifetime = Q()
    if workspace.created_at:
        lifetime &= Q(last_at__gte=workspace.created_at) | Q(last_at=None)
    if workspace.deleted_at:
        lifetime &= Q(last_at__lte=workspace.deleted_at + _AFTERMATH)
    rows = ClusterEvent.objects.filter(
        lifetime,
        cluster=workspace.cluster,
        workspace_namespace=workspace.namespace,
        workspace_name=workspace.name,
    )
    return list(rows.order_by("-last_at", "-id")[:EVENTS_SHOWN])


def _event(row: ClusterEvent) -> ParsedEvent:
    return ParsedEvent(
        uid=row.uid,
        namespace=row.workspace_namespace,
        object_kind=row.object_kind,
        object_name=row.object_name,
        object_uid=row.object_uid,
        type=row.type,
        reason=row.reason,
        message=row.message,
        source=row.source,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
    )
