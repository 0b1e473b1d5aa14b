"""What the threads of one watch hear, summed up for the cluster's row: state, freshness, the error if there is one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from clusters import leases
from clusters.errors import ClusterError, Denied, NotFound
from clusters.models import Cluster, ClusterState
from clusters.targets import WORKSPACES, Target
from clusters.watching import Listed, Stale, WatchEvent
from workspaces import feed

PULSE = "pulse"  # the plain question whether the API server is there, beside the streams
DETAIL_LIMIT = 256  # characters of the cluster's own words that are kept for each stream


@dataclass(slots=True)
class _Stream:
    state: str = "starting"  # then ok or stale
    since: datetime = field(default_factory=timezone.now)
    error: ClusterError | None = None

    def turn(self, state: str, error: ClusterError | None = None) -> None:
        if state != self.state:
            self.state, self.since = state, timezone.now()
        self.error = error

    def as_json(self) -> dict[str, Any]:
        """What clusters.troubles reads."""
        told: dict[str, Any] = {"state": self.state, "since": self.since.isoformat(), "error": ""}
        if self.error:
            error = self.error
            told |= {"error": error.message, "reason": error.reason, "status": error.status}
            told["detail"] = error.detail[:DETAIL_LIMIT]
        return told


class Health:
    """Threads report, the supervisor writes. `list` times are those of the workspaces."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._lock = threading.Lock()
        self._streams = {target.plural: _Stream() for target in targets} | {PULSE: _Stream()}
        self._contact: datetime | None = None
        self._listed: datetime | None = None
        self._written: dict[str, Any] = {}

    def note(self, event: WatchEvent) -> None:
        stream = self._streams[event.target.plural]
        with self._lock:
            if isinstance(event, Stale):
                stream.turn("stale", event.error)
                return
            self._contact = timezone.now()
            # What was stale is well again only when it is complete, or goes on from where it was.
            if isinstance(event, Listed) or stream.state == "stale":
                stream.turn("ok")
            if isinstance(event, Listed) and event.target.kind == WORKSPACES.kind:
                self._listed = self._contact

    def note_pulse(self, error: ClusterError | None) -> None:
        with self._lock:
            self._streams[PULSE].turn("stale" if error else "ok", error)
            if error is None:
                self._contact = timezone.now()

    def write(self, cluster: Cluster, token: int) -> None:
        """Bring the cluster's row up to date; tell the pages when more than the clock has moved."""
        with self._lock:
            values = self._values()
        moved = {key for key, value in values.items() if self._written.get(key) != value}
        with transaction.atomic():
            if not leases.holds(cluster.pk, token):
                raise leases.Lost(f"The watch of {cluster.name} was taken over.")
            # All of it, each time: others write here too, when a person tests the connection.
            Cluster.objects.filter(pk=cluster.pk).update(**values)
            if moved - {"last_contact_at"}:
                transaction.on_commit(partial(feed.publish, "clusters"))
        self._written = values

    def _values(self) -> dict[str, Any]:
        error = self._error()
        values: dict[str, Any] = {
            "state": self._state(error),
            "streams": {name: stream.as_json() for name, stream in self._streams.items()},
            "last_error": error.message if error else "",
        }
        if error:
            values["last_error_at"] = self._written.get("last_error_at") or timezone.now()
        if self._contact:
            values["last_contact_at"] = self._contact
        if self._listed:
            values["last_list_at"] = self._listed
        return values

    def _error(self) -> ClusterError | None:
        """The workspaces' own trouble comes first: it decides what the pages can show."""
        names = (WORKSPACES.plural, PULSE)
        return next((error for name in names if (error := self._streams[name].error)), None)

    def _state(self, error: ClusterError | None) -> ClusterState:
        if isinstance(error, NotFound):
            return ClusterState.KAITO_MISSING
        if isinstance(error, Denied):
            return ClusterState.DENIED
        if error:
            return ClusterState.UNREACHABLE
        started = self._streams[WORKSPACES.plural].state == "ok"
        return ClusterState.OK if started else ClusterState.UNKNOWN
