"""What happened, in order: watches begin in it, and old states are found by undoing it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sandbox import status
from sandbox.objects import Object, Stored
from sandbox.resources import Key, Resource

LIMIT = 5_000  # to twice as many are kept: some 100 MB when all are Workspaces


class Event(NamedTuple):
    """`object` is shared: read it, never change it."""

    type: str  # ADDED, MODIFIED, DELETED
    resource: Resource
    object: Object
    resource_version: int
    stored: Stored
    old: Stored | None


class EventLog:
    def __init__(self, first: int) -> None:
        self.oldest = first  # reading must begin at this version or later
        self._events: list[Event] = []

    def append(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) > 2 * LIMIT:
            self.forget(self._events[-LIMIT].resource_version)

    def since(self, version: int) -> Sequence[Event]:
        """Raises 410 when the log no longer reaches that far back."""
        if version < self.oldest:
            raise status.expired(f"too old resource version: {version} ({self.oldest})")
        return self._events[self._position(version) :]

    def forget(self, version: int) -> None:
        self.oldest = max(self.oldest, version)
        del self._events[: self._position(self.oldest)]

    def _position(self, version: int) -> int:
        return bisect_right(self._events, version, key=lambda event: event.resource_version)


def undone(
    state: Sequence[Stored], later: Sequence[Event], key: Key, in_scope: Callable[[Object], bool]
) -> Sequence[Stored]:
    """The state of one kind before the events that came later."""
    relevant = [event for event in later if event.resource.key == key and in_scope(event.object)]
    if not relevant:
        return state
    found = {stored.name: stored for stored in state}
    for event in reversed(relevant):
        if event.old is None:
            found.pop(event.stored.name, None)
        else:
            found[event.stored.name] = event.old
    return [found[name] for name in sorted(found)]
