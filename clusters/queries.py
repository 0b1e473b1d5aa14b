"""Reads for the pages about clusters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from accounts.people import Person, readable
from clusters.models import Cluster, ClusterKind
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
from clusters.troubles import troubles_of
from clusters.wording import Trouble

FRAME_FIELDS = (
    *("name", "namespaces", "identity", "capabilities", "streams", "state", "created_at"),
    *("last_contact_at", "last_list_at", "last_error", "last_error_at"),
)
WATCHABLE = tuple(
    target.plural
    for target in (WORKSPACES, PODS, SERVICES, STATEFULSETS, DEPLOYMENTS, JOBS, NODECLAIMS, EVENTS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What may be done with one resource, verb by verb."""

    resource: str
    purpose: str
    verbs: tuple[Right, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One kind that is watched, or would be if the cluster had it."""

    kind: str
    is_served: bool


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
    troubles: tuple[Trouble, ...]
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
    def unserved(self) -> tuple[str, ...]:
        """Kinds that the cluster does not have, so that there is nothing of them to follow."""
        others = (s for s in self.streams if s.kind != WORKSPACES.plural)
        return tuple(s.kind for s in others if not s.is_served)


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
        for cluster in visible_clusters(person)
        .select_related("watch_lease")
        .defer("ca_pem", "sealed_credentials")
    ]


def cluster_health(cluster: Cluster) -> ClusterHealth:
    troubles = troubles_of(cluster, now=timezone.now())
    first = troubles[0] if troubles else None
    found: dict[str, Any] = cluster.capabilities
    rights = tuple(Right(**right) for right in found.get("rights", ()))
    missing = tuple(r for r in rights if r.allowed is False)
    return ClusterHealth(
        pk=cluster.pk,
        name=cluster.name,
        kind=ClusterKind(cluster.kind).label,
        is_sandbox=cluster.kind == ClusterKind.SANDBOX,
        endpoint=cluster.endpoint,
        tone=first.tone if first else "green",
        icon=first.icon if first else "check",
        word=first.word if first else "Connected",
        troubles=troubles,
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


def _streams(raw: dict[str, Any]) -> tuple[Stream, ...]:
    found = ((kind, raw.get(kind)) for kind in WATCHABLE)
    return tuple(
        Stream(kind=kind, is_served=stream.get("status") != 404)
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
