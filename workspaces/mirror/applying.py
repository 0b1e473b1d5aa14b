"""From a watch event to the rows that it concerns: the fence, the transaction, the announcement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from clusters import leases
from clusters.models import Cluster
from clusters.targets import EVENTS, WORKSPACES, Target
from clusters.watching import Alive, Gone, Listed, Seen, Stale, WatchEvent
from workspaces import feed, parsing
from workspaces.mirror import dependents, happenings, joining, rows
from workspaces.mirror.rows import Topics
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.types import Phase, RawObject

SETTLED = (Phase.READY, Phase.DELETED)
EVENTS_LIVE = timedelta(hours=2)  # the API server forgets them after one


def apply(event: WatchEvent, *, cluster: Cluster, token: int) -> None:
    """Idempotent. Raises leases.Lost when another worker has taken the watch over."""
    work = _work(event, cluster)
    if work is not None:
        _fenced(work, cluster=cluster, token=token)


def recheck(*, cluster: Cluster, token: int) -> None:
    """Conclude anew what may change by time alone: a node that is late, a pod that does not come."""
    moving = Workspace.objects.filter(cluster=cluster).exclude(phase__in=SETTLED)
    for pk in list(moving.values_list("pk", flat=True)):
        _fenced(partial(_concluded, pk), cluster=cluster, token=token)


def known_versions(cluster: Cluster, target: Target) -> dict[str, str]:
    """uid → resourceVersion of what the mirror holds of `target`, so that a list tells only what is new."""
    if target.kind == WORKSPACES.kind:
        rows_of: QuerySet[Any] = Workspace.objects.filter(cluster=cluster, deleted_at=None)
    elif target.kind == EVENTS.kind:
        remembered = timezone.now() - EVENTS_LIVE
        rows_of = ClusterEvent.objects.filter(cluster=cluster, last_at__gte=remembered)
    else:
        rows_of = Dependent.objects.filter(cluster=cluster, kind=target.kind)
    return dict(rows_of.values_list("uid", "resource_version"))


def _fenced(work: Callable[[], Topics], *, cluster: Cluster, token: int) -> None:
    """All or nothing, only while the watch is ours, and announced once after the commit."""
    with transaction.atomic():
        if not leases.holds(cluster.pk, token):
            raise leases.Lost(f"The watch of {cluster.name} was taken over.")
        topics = work()
        if topics:
            transaction.on_commit(partial(feed.publish, *sorted(topics)))


def _concluded(pk: int) -> Topics:
    return rows.conclude(Workspace.objects.get(pk=pk), now=timezone.now())


def _work(event: WatchEvent, cluster: Cluster) -> Callable[[], Topics] | None:
    """What is to be done in the transaction; None where nothing is, which is most of a busy cluster's chatter."""
    match event:
        case Seen(target=target, raw=raw, listed=listed):
            return _seen(cluster, target, raw, listed=listed)
        case Gone(target=target, uid=uid, raw=raw):
            if target.kind == EVENTS.kind:
                return None
            return partial(_gone, cluster, target, uid, parsing.resource_version_of(raw or {}))
        case Listed():
            return None if event.target.kind == EVENTS.kind else partial(_listed, cluster, event)
        case Alive() | Stale():
            return None


def _seen(
    cluster: Cluster, target: Target, raw: RawObject, *, listed: bool
) -> Callable[[], Topics] | None:
    if not parsing.uid_of(raw):
        return None
    if target.kind == WORKSPACES.kind:
        return partial(rows.see_workspace, cluster, raw, listed=listed)
    if target.kind == EVENTS.kind:
        return (
            partial(happenings.see_event, cluster, raw) if happenings.is_about_ours(raw) else None
        )
    home = joining.home_of(raw)
    return partial(dependents.see_dependent, cluster, raw, home, listed=listed) if home else None


def _gone(cluster: Cluster, target: Target, uid: str, version: str) -> Topics:
    if target.kind == WORKSPACES.kind:
        workspace = Workspace.objects.filter(cluster=cluster, uid=uid).first()
        return rows.lose_workspace(workspace, version=version) if workspace else set()
    dependent = Dependent.objects.filter(cluster=cluster, uid=uid).first()
    return dependents.lose_dependent(dependent) if dependent else set()


def _listed(cluster: Cluster, event: Listed) -> Topics:
    """Sweep: what we have of this very target, in this very namespace, and the list has not, is gone."""
    topics: Topics = set()
    if event.target.kind == WORKSPACES.kind:
        live = Workspace.objects.filter(cluster=cluster, deleted_at=None)
        missing = _missing(event, live)
        for row in live.filter(pk__in=missing):
            topics |= rows.lose_workspace(row)
    else:
        known = Dependent.objects.filter(cluster=cluster, kind=event.target.kind)
        missing = _missing(event, known)
        for dependent in known.filter(pk__in=missing):
            topics |= dependents.lose_dependent(dependent)
    return topics


def _missing(event: Listed, known: QuerySet[Any]) -> list[int]:
    if event.namespace:
        known = known.filter(namespace=event.namespace)
    return [pk for pk, uid in known.values_list("pk", "uid") if uid not in event.uids]
