"""One workspace with all that the mirror knows around it, read back from rows to values: for pages and for the mirror."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from workspaces import parsing
from workspaces.diagnosis import NOTHING_READ, Diagnosis, Progress, diagnose
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.types import Dependents, ParsedEvent, ParsedWorkspace, RawObject

Home = tuple[str, str]  # namespace and name of a workspace

EVENTS_READ = 200
# Events of what a workspace leaves behind still belong to it.
_AFTERMATH = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
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
    return see_all([workspace])[0]


def see_all(workspaces: Sequence[Workspace]) -> list[Seen]:
    """In the given order. They are of one cluster, and what is known around them is read at once."""
    if not workspaces:
        return []
    dependents, noted = _dependents_of(workspaces), _with_events(workspaces)
    return [
        Seen(
            row=row,
            workspace=parsing.parse_workspace(row.raw),
            dependents=_parsed([d for d in dependents[home_of(row)] if belongs(d, row)]),
            events=_events_of(row) if home_of(row) in noted else (),
        )
        for row in workspaces
    ]


def home_of(workspace: Workspace) -> Home:
    return workspace.namespace, workspace.name


def belongs(dependent: Dependent, workspace: Workspace) -> bool:
    """Names come back: a node may outlive its workspace and meet another one of the same name."""
    owner = parsing.text(parsing.owner_of(dependent.raw).get("uid"))
    if owner:
        return owner == workspace.uid
    if dependent.created_at is None or workspace.created_at is None:
        return True
    return dependent.created_at >= workspace.created_at - timedelta(seconds=1)


def _dependents_of(workspaces: Sequence[Workspace]) -> defaultdict[Home, list[Dependent]]:
    """By name, as KAITO joins them; so those of a namesake that came later are not a gone workspace's."""
    found: defaultdict[Home, list[Dependent]] = defaultdict(list)
    gone = [w for w in workspaces if w.deleted_at]
    homes = {home_of(w) for w in gone} - _homes_of_successors(gone)
    homes |= {home_of(w) for w in workspaces if not w.deleted_at}
    if not homes:
        return found
    rows = Dependent.objects.filter(
        cluster_id=workspaces[0].cluster_id,
        workspace_namespace__in={namespace for namespace, _ in homes},
        workspace_name__in={name for _, name in homes},
    )
    for row in rows.order_by("name"):
        home = row.workspace_namespace, row.workspace_name
        if home in homes:
            found[home].append(row)
    return found


def _homes_of_successors(gone: Sequence[Workspace]) -> set[Home]:
    """Where another one of the same name lives now; and others, whose names are mixed of these."""
    if not gone:
        return set()
    living = Workspace.objects.filter(
        cluster_id=gone[0].cluster_id,
        namespace__in={w.namespace for w in gone},
        name__in={w.name for w in gone},
        deleted_at=None,
    )
    return set(living.values_list("namespace", "name"))


def _parsed(rows: list[Dependent]) -> Dependents:
    raws: defaultdict[str, list[RawObject]] = defaultdict(list)
    for row in rows:
        raws[row.kind].append(row.raw)
    return Dependents(
        pods=tuple(map(parsing.parse_pod, raws["Pod"])),
        node_claims=tuple(map(parsing.parse_node_claim, raws["NodeClaim"])),
        services=tuple(map(parsing.parse_service, raws["Service"])),
        workloads=tuple(
            parsing.parse_workload(raw)
            for kind in ("StatefulSet", "Deployment", "Job")
            for raw in raws[kind]
        ),
    )


def _with_events(workspaces: Sequence[Workspace]) -> set[Home]:
    """Of one, it is as well asked what they are."""
    if len(workspaces) == 1:
        return {home_of(workspaces[0])}
    homes = ClusterEvent.objects.filter(
        cluster_id=workspaces[0].cluster_id,
        workspace_namespace__in={w.namespace for w in workspaces},
        workspace_name__in={w.name for w in workspaces},
    )
    return set(homes.values_list("workspace_namespace", "workspace_name").distinct())


def _events_of(workspace: Workspace) -> tuple[ParsedEvent, ...]:
    """Newest first; those of an earlier or later namesake are left out by their time."""
    lifetime = Q()
    if workspace.created_at:
        lifetime &= Q(last_at__gte=workspace.created_at) | Q(last_at=None)
    if workspace.deleted_at:
        lifetime &= Q(last_at__lte=workspace.deleted_at + _AFTERMATH)
    rows = ClusterEvent.objects.filter(
        lifetime,
        cluster_id=workspace.cluster_id,
        workspace_namespace=workspace.namespace,
        workspace_name=workspace.name,
    )
    return tuple(_event(row) for row in rows.order_by("-last_at", "-id")[:EVENTS_READ])


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
