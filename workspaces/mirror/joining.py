"""Which workspace an object belongs to; there is no order between kinds, so either may be seen first.

Pods and node claims say it by label, services and workloads by their owner.
https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from clusters.models import Cluster
from workspaces import parsing
from workspaces.models import Dependent, Workspace
from workspaces.queries.sighting import Home, belongs
from workspaces.types import ParsedEvent, RawObject

OWNED_KINDS = frozenset({"Service", "StatefulSet", "Deployment", "Job"})
DEPENDENT_KINDS = OWNED_KINDS | {"Pod", "NodeClaim"}


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
    return _home(namespace, parsing.text(parsing.owner_of(raw).get("name")))


def workspaces_of(dependents: Sequence[Dependent]) -> list[Workspace | None]:
    """For each, the newest workspace of its name that it can belong to, be it gone or not. All are of one cluster."""
    namesakes = _namesakes(dependents)
    chosen = [next((w for w in namesakes[_home_of(d)] if belongs(d, w)), None) for d in dependents]
    whole = Workspace.objects.in_bulk({w.pk for w in chosen if w})
    return [whole.get(w.pk) if w else None for w in chosen]


def _namesakes(dependents: Sequence[Dependent]) -> defaultdict[Home, list[Workspace]]:
    """Newest first; only as much of each as tells one from the other, since a name may have been used often."""
    homes = {_home_of(d) for d in dependents}
    found: defaultdict[Home, list[Workspace]] = defaultdict(list)
    rows = Workspace.objects.filter(
        cluster_id=dependents[0].cluster_id,
        namespace__in={namespace for namespace, _ in homes},
        name__in={name for _, name in homes},
    )
    for row in rows.only("uid", "namespace", "name", "created_at").order_by("-created_at"):
        found[row.namespace, row.name].append(row)
    return found


def _home_of(dependent: Dependent) -> Home:
    return dependent.workspace_namespace, dependent.workspace_name


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
