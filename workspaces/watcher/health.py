"""What the threads of one watch hear, summed up for the cluster's row: state, freshness, the error if there is one."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from clusters import leases
from clusters.errors import ClusterError, Denied, NotFound, Unreachable
from clusters.models import Cluster, ClusterState
from clusters.targets import WORKSPACES, Target
from clusters.troubles import PULSE
from clusters.watching import Alive, Listed, Stale, WatchEvent
from workspaces import feed

DETAIL_LIMIT = 256  # characters of the cluster's own words that are kept for each stream


@dataclass(slots=True)
class _Stream:
    state: str = "starting"  # then ok or stale
    since: datetime = field(default_factory=timezone.now)
    error: ClusterError | None = None
    polling: bool = False

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
        return told | ({"polling": True} if self.polling else {})


@dataclass(slots=True)
class _Kind:
    """A kind of objects: one stream for all, or one for each namespace that may be seen."""

    whole: _Stream = field(default_factory=_Stream)
    parts: dict[str, _Stream] = field(default_factory=dict)

    def stream(self, namespace: str) -> _Stream | None:
        """None for a namespace that is no longer followed."""
        return self.parts.get(namespace) if namespace else self.whole

    @property
    def worst(self) -> _Stream:
        """What can be said of all of it."""
        order = ("stale", "starting", "ok")
        return min(self.parts.values(), key=lambda s: order.index(s.state), default=self.whole)

    def as_json(self) -> dict[str, Any]:
        return self.worst.as_json() | ({"namespaces": sorted(self.parts)} if self.parts else {})


class Health:
    """Threads report, the supervisor writes. `list` times are those of the workspaces."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._lock = threading.Lock()
        self._kinds = {target.plural: _Kind() for target in targets}
        self._pulse = _Stream()
        self._refusal = _Stream()  # of the workspaces, when the pulse is told before their watch is
        self._contact: datetime | None = None
        self._listed: datetime | None = None
        self._written: dict[str, Any] = {}

    def note(self, event: WatchEvent) -> None:
        stream = self._kinds[event.target.plural].stream(event.target.namespace)
        if stream is None:
            return
        with self._lock:
            if isinstance(event, Stale):
                stream.turn("stale", event.error)
                return
            self._contact = timezone.now()
            if isinstance(event, Alive):
                stream.polling = event.polling
            # What was stale is well again only when it is complete, or goes on from where it was.
            if isinstance(event, Listed) or stream.state == "stale":
                stream.turn("ok")
            if isinstance(event, Listed) and event.target.kind == WORKSPACES.kind:
                self._listed = self._contact

    def note_pulse(self, error: ClusterError | None) -> None:
        """Who refuses is there: that is no word against the pulse, but against what can be seen."""
        refused = isinstance(error, Denied | NotFound)
        with self._lock:
            self._refusal.turn("stale" if refused else "ok", error if refused else None)
            down = None if refused else error
            self._pulse.turn("stale" if down else "ok", down)
            if error is None or error.status:
                self._contact = timezone.now()

    @property
    def has_sleepers(self) -> bool:
        """Whether some watch waits for what the pulse may have shown to be over."""
        with self._lock:
            errors = [kind.worst.error for kind in self._kinds.values()]
            own = self._kinds[WORKSPACES.plural].worst.error
        unheard = any(isinstance(error, Unreachable) and not error.status for error in errors)
        return own is not None or unheard

    def narrow(self, target: Target, namespaces: Iterable[str]) -> None:
        """It is followed in these namespaces only; none: in all."""
        with self._lock:
            kind = self._kinds[target.plural]
            kind.parts = {name: kind.parts.get(name, _Stream()) for name in namespaces}

    def namespaces(self, target: Target) -> tuple[str, ...]:
        """Where it is followed; empty: everywhere."""
        with self._lock:
            return tuple(sorted(self._kinds[target.plural].parts))

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
            "streams": self._streams(),
            "last_error": error.message if error else "",
        }
        if error:
            values["last_error_at"] = self._written.get("last_error_at") or timezone.now()
        if self._contact:
            values["last_contact_at"] = self._contact
        if self._listed:
            values["last_list_at"] = self._listed
        return values

    def _streams(self) -> dict[str, Any]:
        told = {plural: kind.as_json() for plural, kind in self._kinds.items()}
        if self._refusal.error and not self._kinds[WORKSPACES.plural].worst.error:
            told[WORKSPACES.plural] |= self._refusal.as_json()
        return told | {PULSE: self._pulse.as_json()}

    def _error(self) -> ClusterError | None:
        """The workspaces' own trouble comes first: it decides what the pages can show."""
        streams = (self._refusal, self._kinds[WORKSPACES.plural].worst, self._pulse)
        return next((stream.error for stream in streams if stream.error), None)

    def _state(self, error: ClusterError | None) -> ClusterState:
        if isinstance(error, NotFound):
            return ClusterState.KAITO_MISSING
        if isinstance(error, Denied):
            return ClusterState.DENIED
        if error:
            return ClusterState.UNREACHABLE
        started = self._kinds[WORKSPACES.plural].worst.state == "ok"
        return ClusterState.OK if started else ClusterState.UNKNOWN
