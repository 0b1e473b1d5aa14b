"""Reads for the pages about clusters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from accounts.people import Person, readable
from clusters.models import Cluster, ClusterKind, ClusterState
from clusters.probing import Right, cluster_role
from clusters.targets import (
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NODECLAIMS,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)

# Bookmarks come once a minute: who was not heard for longer than that is not quiet but gone.
SILENCE = timedelta(seconds=90)

FRAME_FIELDS = (
    *("name", "namespaces", "identity", "capabilities", "streams", "state", "created_at"),
    *("last_contact_at", "last_list_at", "last_error", "last_error_at"),
)
WATCHABLE = tuple(
    target.plural
    for target in (WORKSPACES, PODS, SERVICES, STATEFULSETS, DEPLOYMENTS, JOBS, NODECLAIMS, EVENTS)
)

# state → tone, icon, word, what it means and what to do
STATES: dict[str, tuple[str, str, str, str]] = {
    ClusterState.OK: ("green", "check", "Connected", ""),
    ClusterState.UNKNOWN: (
        "secondary",
        "hourglass",
        "Not heard of yet",
        "A worker takes it up within seconds. Test the connection to know at once.",
    ),
    ClusterState.UNREACHABLE: (
        "red",
        "plug-connected-x",
        "Unreachable",
        "Pages show what was last seen. kaitoweb goes on trying; check that the cluster runs and that its address can be reached from here.",
    ),
    ClusterState.DENIED: (
        "red",
        "lock",
        "Denied",
        "The cluster answers but does not let kaitoweb in. Disconnect it and connect it with a fresh kubeconfig, or grant what is missing below.",
    ),
    ClusterState.KAITO_MISSING: (
        "yellow",
        "alert-triangle",
        "KAITO not installed",
        "The cluster does not serve kaito.sh/v1beta1. Install KAITO, or turn on the AI toolchain operator of AKS; kaitoweb notices by itself.",
    ),
}
SILENT = (
    "yellow",
    "clock-pause",
    "Silent",
    "Nothing was heard of it for a while, and no worker says why. Is a worker running?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What may be done with one resource, verb by verb."""

    resource: str
    purpose: str
    verbs: tuple[Right, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One kind that is watched; `error` in our words while it is not."""

    kind: str
    error: str

    @property
    def is_watched(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterHealth:
    """A cluster as its card shows it."""

    pk: int
    name: str
    kind: str
    is_sandbox: bool
    endpoint: str
    tone: str
    icon: str
    word: str
    advice: str
    error: str
    last_contact_at: datetime | None
    last_list_at: datetime | None
    kubernetes: str
    kaito: str
    username: str
    groups: tuple[str, ...]
    namespaces: tuple[str, ...]
    streams: tuple[Stream, ...]
    permissions: tuple[Permission, ...]
    missing: int
    unknown: int
    role: str  # RBAC to copy, for what is missing

    @property
    def is_troubled(self) -> bool:
        return self.tone != "green"

    @property
    def unwatched(self) -> tuple[Stream, ...]:
        return tuple(s for s in self.streams if not s.is_watched)


def visible_clusters(person: Person) -> QuerySet[Cluster]:
    """Connected clusters that `person` may see, by name."""
    connected = Cluster.objects.filter(disconnected_at=None)
    return connected.filter(readable(person, cluster="pk", namespace="")).order_by("name")


def watched_clusters(person: Person) -> QuerySet[Cluster]:
    """As visible_clusters, with what clusters.troubles and the pages' frame read and nothing else."""
    rows = visible_clusters(person).select_related("watch_lease")
    return rows.only(*FRAME_FIELDS, "watch_lease__expires_at")


def cluster_list(person: Person) -> list[ClusterHealth]:
    return [
        cluster_health(cluster)
        for cluster in visible_clusters(person).defer("ca_pem", "sealed_credentials")
    ]


def cluster_health(cluster: Cluster) -> ClusterHealth:
    tone, icon, word, advice = _state(cluster)
    found: dict[str, Any] = cluster.capabilities
    rights = tuple(Right(**right) for right in found.get("rights", ()))
    missing = tuple(r for r in rights if r.allowed is False)
    return ClusterHealth(
        pk=cluster.pk,
        name=cluster.name,
        kind=ClusterKind(cluster.kind).label,
        is_sandbox=cluster.kind == ClusterKind.SANDBOX,
        endpoint=cluster.endpoint,
        tone=tone,
        icon=icon,
        word=word,
        advice=advice,
        error=cluster.last_error,
        last_contact_at=cluster.last_contact_at,
        last_list_at=cluster.last_list_at,
        kubernetes=found.get("kubernetes_version", ""),
        kaito=found.get("kaito_version", ""),
        username=cluster.identity.get("username", ""),
        groups=tuple(cluster.identity.get("groups") or ()),
        namespaces=tuple(cluster.namespaces),
        streams=_streams(cluster.streams),
        permissions=_permissions(rights),
        missing=len(missing),
        unknown=sum(r.allowed is None for r in rights),
        role=cluster_role(missing),
    )


def _state(cluster: Cluster) -> tuple[str, str, str, str]:
    heard = cluster.last_contact_at
    if cluster.state == ClusterState.OK and heard and timezone.now() - heard > SILENCE:
        return SILENT
    return STATES[cluster.state]


def _streams(raw: dict[str, Any]) -> tuple[Stream, ...]:
    found = ((kind, raw.get(kind)) for kind in WATCHABLE)
    return tuple(
        Stream(kind=kind, error=str(stream.get("error") or ""))
        for kind, stream in found
        if isinstance(stream, dict)
    )


def _permissions(rights: tuple[Right, ...]) -> tuple[Permission, ...]:
    grouped: dict[str, list[Right]] = {}
    for right in rights:
        grouped.setdefault(".".join(filter(None, (right.resource, right.group))), []).append(right)
    return tuple(
        Permission(resource=name, purpose=verbs[0].purpose, verbs=tuple(verbs))
        for name, verbs in grouped.items()
    )
