"""Which workspace an object belongs to; there is no order between kinds, so either may be seen first.

Pods and node claims say it by label, services and workloads by their owner.
https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from clusters.models import Cluster
from workspaces import parsing
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.types import Dependents, ParsedEvent, RawObject

OWNED_KINDS = frozenset({"Service", "StatefulSet", "Deployment", "Job"})
DEPENDENT_KINDS = OWNED_KINDS | {"Pod", "NodeClaim"}
EVENTS_READ = 50

Home = tuple[str, str]  # namespace and name of a workspace


def home_of(raw: RawObject) -> Home | None:
    """None for an object that is no workspace's."""
    kind = raw.get("kind")
    if kind == "NodeClaim":
        claim = parsing.parse_node_claim(raw)
        return _home(claim.workspace_namespace, claim.workspace)
    metadata = parsing.mapping(raw.get("metadata"))
    namespace = parsing.text(metadata.get("namespace"))
    if kind == "Pod":
        return _home(namespace, parsing.parse_pod(raw).workspace)
    return _home(namespace, parsing.text(_owner(raw).get("name")))


def workspace_of(dependent: Dependent) -> Workspace | None:
    """The newest workspace of that name that it can belong to, be it gone or not."""
    namesakes = Workspace.objects.filter(
        cluster_id=dependent.cluster_id,
        namespace=dependent.workspace_namespace,
        name=dependent.workspace_name,
    ).order_by("-created_at")
    return next((w for w in namesakes if belongs(dependent, w)), None)


def belongs(dependent: Dependent, workspace: Workspace) -> bool:
    """Names come back: a node may outlive its workspace and meet another one of the same name."""
    owner = parsing.text(_owner(dependent.raw).get("uid"))
    if owner:
        return owner == workspace.uid
    if dependent.created_at is None or workspace.created_at is None:
        return True
    return dependent.created_at >= workspace.created_at - timedelta(seconds=1)


def dependents_of(workspace: Workspace) -> list[Dependent]:
    rows = Dependent.objects.filter(
        cluster_id=workspace.cluster_id,
        workspace_namespace=workspace.namespace,
        workspace_name=workspace.name,
    )
    return [row for row in rows if belongs(row, workspace)]


def parsed(rows: Iterable[Dependent]) -> Dependents:
    raws: dict[str, list[RawObject]] = {}
    for row in rows:
        raws.setdefault(row.kind, []).append(row.raw)
    workloads = [raw for kind in ("StatefulSet", "Deployment", "Job") for raw in raws.get(kind, [])]
    return Dependents(
        pods=tuple(parsing.parse_pod(raw) for raw in raws.get("Pod", [])),
        node_claims=tuple(parsing.parse_node_claim(raw) for raw in raws.get("NodeClaim", [])),
        services=tuple(parsing.parse_service(raw) for raw in raws.get("Service", [])),
        workloads=tuple(parsing.parse_workload(raw) for raw in workloads),
    )


def events_of(workspace: Workspace) -> tuple[ParsedEvent, ...]:
    """Newest first; those about a former workspace of the same name are left out."""
    rows = ClusterEvent.objects.filter(
        cluster_id=workspace.cluster_id,
        workspace_namespace=workspace.namespace,
        workspace_name=workspace.name,
    )
    if workspace.created_at:
        rows = rows.filter(last_at__gte=workspace.created_at)
    return tuple(_event(row) for row in rows.order_by("-last_at")[:EVENTS_READ])


def home_of_event(cluster: Cluster, event: ParsedEvent) -> Home | None:
    """Of the workspace itself, or of the dependent that it is about, once that has been seen."""
    if event.object_kind == "Workspace":
        return _home(event.namespace, event.object_name)
    about = Dependent.objects.filter(
        cluster=cluster, kind=event.object_kind, name=event.object_name
    )
    if event.object_kind != "NodeClaim":  # events of cluster-scoped objects lie in "default"
        about = about.filter(namespace=event.namespace)
    return about.values_list("workspace_namespace", "workspace_name").first()


def _home(namespace: str, name: str) -> Home | None:
    return (namespace, name) if namespace and name else None


def _owner(raw: RawObject) -> RawObject:
    """The Workspace among the owner references."""
    metadata = parsing.mapping(raw.get("metadata"))
    owners = parsing.items(metadata.get("ownerReferences"))
    return next((o for o in owners if o.get("kind") == "Workspace"), {})


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
        resource_version=row.resource_version,
    )
