"""Kubernetes Events about a workspace or what belongs to it; kept when the cluster has long forgotten them.

An event often comes before the object that it is about. It then waits, in memory, for a bounded number of others:
after a restart the cluster tells it again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from django.utils import timezone

from clusters.models import Cluster
from clusters.versions import is_newer
from workspaces import parsing
from workspaces.mirror import joining, rows, transitions
from workspaces.mirror.rows import Topics
from workspaces.models import ClusterEvent, Dependent, Workspace
from workspaces.queries.sighting import Home
from workspaces.types import ParsedEvent, RawObject

WAITING_AT_MOST = 2000


class _Waiting:
    """Events whose object is not known yet, oldest first; safe between the threads of the watcher."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: OrderedDict[tuple[int, str], ParsedEvent] = OrderedDict()

    def put(self, cluster: Cluster, event: ParsedEvent) -> None:
        with self._lock:
            self._events[cluster.pk, event.uid] = event
            while len(self._events) > WAITING_AT_MOST:
                self._events.popitem(last=False)

    def take(self, cluster: Cluster, about: Dependent) -> list[ParsedEvent]:
        with self._lock:
            found = [
                key
                for key, event in self._events.items()
                if key[0] == cluster.pk
                and (event.object_kind, event.object_name) == (about.kind, about.name)
                and (event.namespace == about.namespace or about.kind == "NodeClaim")
            ]
            return [self._events.pop(key) for key in found]


waiting = _Waiting()


def is_about_ours(raw: RawObject) -> bool:
    """Whether it is about a kind of object that belongs to workspaces."""
    kind = parsing.text(parsing.mapping(raw.get("involvedObject")).get("kind"))
    return kind == "Workspace" or kind in joining.DEPENDENT_KINDS


def see_events(cluster: Cluster, raws: Iterable[RawObject]) -> Topics:
    return {topic for raw in raws for topic in _see(cluster, raw)}


def _see(cluster: Cluster, raw: RawObject) -> Topics:
    event = parsing.parse_event(parsing.redacted(raw))
    home = joining.home_of_event(cluster, event)
    if home is None:
        waiting.put(cluster, event)
        return set()
    if not _stored(cluster, event, home):
        return set()
    namesakes = Workspace.objects.filter(cluster=cluster, namespace=home[0], name=home[1])
    workspace = namesakes.order_by("-created_at").first()
    if workspace is None:
        return set()
    is_own = event.object_kind == "Workspace"
    changes = [transitions.event_change(event)] if is_own else []
    return {f"workspace-{workspace.uid}"} | rows.conclude(
        [(workspace, changes)], now=timezone.now()
    )


def join_pending(cluster: Cluster, about: Dependent) -> None:
    """Store what waited for `about`; whoever calls announces its workspace anyway."""
    for event in waiting.take(cluster, about):
        _stored(cluster, event, (about.workspace_namespace, about.workspace_name))


def _stored(cluster: Cluster, event: ParsedEvent, home: Home) -> bool:
    """False for what we have, in this version or a newer one."""
    row = ClusterEvent.objects.filter(cluster=cluster, uid=event.uid).first()
    if row and not is_newer(event.resource_version, row.resource_version):
        return False
    values = {
        "workspace_namespace": home[0],
        "workspace_name": home[1],
        "object_kind": event.object_kind[:40],
        "object_name": event.object_name,
        "object_uid": event.object_uid[:64],
        "type": event.type[:16],
        "reason": event.reason[:128],
        "message": event.message,
        "source": event.source[:128],
        "count": rows.fitting(event.count),
        "first_at": event.first_at,
        "last_at": event.last_at,
        "resource_version": event.resource_version[:32],
    }
    ClusterEvent.objects.update_or_create(cluster=cluster, uid=event.uid, defaults=values)
    return True
