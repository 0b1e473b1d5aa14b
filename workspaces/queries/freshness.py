"""How fresh the word of each cluster is, and what to say when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from accounts import people
from clusters.models import Cluster, ClusterState

STALE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the rows of one cluster are missing or old."""

    cluster: str
    state: str
    tone: str
    title: str
    text: str
    detail: str
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    cluster: str
    seen_at: datetime | None
    is_stale: bool


def connected_clusters(person: people.Person) -> list[Cluster]:
    if not people.may_read(person):
        return []
    return list(
        Cluster.objects.filter(disconnected_at=None)
        .only("name", "state", "last_contact_at", "last_list_at", "last_error", "last_error_at")
        .order_by("name")
    )


def freshness(person: people.Person) -> list[Freshness]:
    now = timezone.now()
    return [
        Freshness(
            cluster=c.name,
            seen_at=c.last_contact_at,
            is_stale=c.last_contact_at is None or now - c.last_contact_at > STALE_AFTER,
        )
        for c in connected_clusters(person)
    ]


def cluster_troubles(clusters: Sequence[Cluster], only: str = "") -> tuple[Trouble, ...]:
    chosen = [c for c in clusters if not only or c.name == only]
    return tuple(_trouble(c) for c in chosen if c.state != ClusterState.OK)


_WORDS = {
    ClusterState.UNREACHABLE: (
        "yellow",
        "{} cannot be reached",
        "What you see of it is what was last known. kaitoweb keeps trying.",
    ),
    ClusterState.DENIED: (
        "red",
        "{} forbids kaitoweb to list workspaces",
        "Nothing is missing here, it is only not allowed to be seen. An administrator finds the missing rule on the page Clusters.",
    ),
    ClusterState.KAITO_MISSING: (
        "yellow",
        "KAITO is not installed on {}",
        "The cluster answers, but it does not know the kind Workspace (kaito.sh). Install KAITO there, or switch on the AKS add-on.",
    ),
    ClusterState.UNKNOWN: (
        "blue",
        "{} is being read for the first time",
        "Its workspaces appear here within seconds, if a worker is running.",
    ),
}


def _trouble(cluster: Cluster) -> Trouble:
    tone, title, text = _WORDS[ClusterState(cluster.state)]
    return Trouble(
        cluster=cluster.name,
        state=cluster.state,
        tone=tone,
        title=title.format(cluster.name),
        text=text,
        detail=cluster.last_error,
        seen_at=cluster.last_contact_at,
    )
