"""From a watch event to the rows that it concerns: the fence, the transaction, the announcement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from clusters import leases
from clusters.models import Cluster
from clusters.targets import EVENTS, WORKSPACES, Target
from clusters.watching import Gone, Listed, Seen, WatchEvent
from workspaces import feed, parsing
from workspaces.mirror import dependents, happenings, joining, rows
from workspaces.mirror.rows import Topics
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.types import Phase, RawObject

SETTLED = (Phase.READY, Phase.DELETED)
AT_ONCE = 50  # rows in one transaction: others wait for its end
GAP = 0.4  # of the time that was spent in writing
EVENTS_LIVE = timedelta(hours=2)  # the API server forgets them after one

Work = Callable[[], Topics]

_writing = threading.Lock()


def apply(*events: WatchEvent, cluster: Cluster, token: int) -> None:
    """One event; or several objects of one list, in one transaction, which is many times as quick as one by one.

    Idempotent. Raises leases.Lost when another worker has taken the watch over.
    """
    for work in _works(events, cluster):
        _fenced(work, cluster=cluster, token=token)


def recheck(*, cluster: Cluster, token: int) -> None:
    """Conclude anew what may change by time alone: a node that is late, a pod that does not come.

    Most does not, so nothing is locked before something would move.
    """
    moving = Workspace.objects.filter(cluster=cluster).exclude(phase__in=SETTLED)
    pks = list(moving.values_list("pk", flat=True))
    for portion in _portions(pks):
        moved = rows.would_move(Workspace.objects.filter(pk__in=portion), now=timezone.now())
        if moved:
            _fenced(partial(_concluded, moved), cluster=cluster, token=token)


def known_versions(cluster: Cluster, target: Target) -> dict[str, str]:
    """uid → resourceVersion of what the mirror holds of `target`, so that a list tells only what is new."""
    rows_of, namespace = _kept(cluster, target), "namespace"
    if target.kind == EVENTS.kind:
        remembered = timezone.now() - EVENTS_LIVE
        rows_of = ClusterEvent.objects.filter(cluster=cluster, last_at__gte=remembered)
        namespace = "workspace_namespace"
    if target.namespace:
        rows_of = rows_of.filter(**{namespace: target.namespace})
    return dict(rows_of.values_list("uid", "resource_version"))


def _fenced(work: Work, *, cluster: Cluster, token: int) -> None:
    """All or nothing, only while the watch is ours, and announced once after the commit."""
    with _turn(), transaction.atomic():
        if not leases.holds(cluster.pk, token):
            raise leases.Lost(f"The watch of {cluster.name} was taken over.")
        topics = work()
        if topics:
            transaction.on_commit(partial(feed.publish, *sorted(topics)))


@contextmanager
def _turn() -> Iterator[None]:
    """SQLite has one writer at a time, and who waits for it looks only now and then, up to ten times a second.

    So the threads of the watcher queue here, and each leaves a gap, or a form would wait until a first list is read.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with _writing:
        began = time.monotonic()
        yield
        time.sleep((time.monotonic() - began) * GAP)


def _concluded(pks: list[int]) -> Topics:
    told = [(row, ()) for row in Workspace.objects.filter(pk__in=pks)]
    return rows.conclude(told, now=timezone.now())


def _portions(pks: list[int]) -> Iterator[list[int]]:
    return (pks[start : start + AT_ONCE] for start in range(0, len(pks), AT_ONCE))


def _works(events: Sequence[WatchEvent], cluster: Cluster) -> Iterator[Work]:
    """What is to be done, each in a transaction; often nothing, which is most of a busy cluster's chatter."""
    match events[0]:
        case Seen(target=target, listed=listed):
            raws = [event.raw for event in events if isinstance(event, Seen)]
            work = _seen(cluster, target, raws, listed=listed)
            if work is not None:
                yield work
        case Gone(target=target, uid=uid, raw=raw) if target.kind != EVENTS.kind:
            row = _kept(cluster, target).filter(uid=uid)
            if row.exists():  # most that goes was never ours, and nobody needs a lock for that
                yield partial(_gone, row, parsing.resource_version_of(raw or {}))
        case Listed(target=target) as listed_all if target.kind != EVENTS.kind:
            yield from _sweeps(cluster, listed_all)


def _seen(
    cluster: Cluster, target: Target, raws: Sequence[RawObject], *, listed: bool
) -> Work | None:
    raws = [raw for raw in raws if parsing.uid_of(raw)]
    if target.kind == WORKSPACES.kind:
        return partial(rows.see_workspaces, cluster, raws, listed=listed) if raws else None
    if target.kind == EVENTS.kind:
        about_ours = [raw for raw in raws if happenings.is_about_ours(raw)]
        return partial(happenings.see_events, cluster, about_ours) if about_ours else None
    at_home = [(raw, home) for raw in raws if (home := joining.home_of(raw))]
    return partial(dependents.see_dependents, cluster, at_home, listed=listed) if at_home else None


def _gone(rows_of: QuerySet[Any], version: str = "") -> Topics:
    if rows_of.model is Workspace:
        return rows.lose_workspaces(rows_of, version=version)
    return {topic for row in rows_of for topic in dependents.lose_dependent(row)}


def _sweeps(cluster: Cluster, event: Listed) -> Iterator[Work]:
    """What we have of this very target, in this very namespace, and the list has not, is gone.

    In portions, so that others who write need not wait for the end of all.
    """
    known = _kept(cluster, event.target)
    if event.namespace:
        known = known.filter(namespace=event.namespace)
    missing = [pk for pk, uid in known.values_list("pk", "uid") if uid not in event.uids]
    for portion in _portions(missing):
        yield partial(_gone, known.filter(pk__in=portion))


def _kept(cluster: Cluster, target: Target) -> QuerySet[Any]:
    """The rows of what lives, as far as we know."""
    if target.kind == WORKSPACES.kind:
        return Workspace.objects.filter(cluster=cluster, deleted_at=None)
    return Dependent.objects.filter(cluster=cluster, kind=target.kind)
