"""A watch in a thread of its own, and what a reader of it would believe of the cluster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from clusters.gateway import Gateway
from clusters.targets import Target
from clusters.watching import Alive, Gone, Listed, Seen, Stale, Timing, WatchEvent, watch

# Waits short enough for a test, and none so short that a slow machine is taken for a silent one.
TIMING = Timing(
    watch_s=(20, 20),
    backoff_s=0.05,
    longest_unheard_s=0.2,
    longest_s=0.5,
    denied_s=0.5,
    unauthorized_s=0.5,
    not_served_s=0.2,
    brief_s=0.5,
)


class Follower:
    """`versions` is what Seen, Gone and Listed say is there, by name; `events` all but Alive."""

    def __init__(self) -> None:
        self.events: list[WatchEvent] = []
        self._found: dict[str, tuple[str, str]] = {}
        self.failure: Exception | None = None

    @property
    def versions(self) -> dict[str, str]:
        return dict(self._found.values())

    def take(self, event: WatchEvent) -> None:
        if isinstance(event, Alive):
            return
        if isinstance(event, Seen):
            metadata = event.raw["metadata"]
            self._found[metadata["uid"]] = metadata["name"], metadata["resourceVersion"]
        elif isinstance(event, Gone):
            self._found.pop(event.uid, None)
        elif isinstance(event, Listed):
            self._found = {uid: self._found[uid] for uid in event.uids}
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def reasons(self) -> list[str]:
        return [event.error.reason for event in self.of(Stale)]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Objects after the first list, in order: name and version, or name and "gone"."""
        first = next(n for n, event in enumerate(self.events) if isinstance(event, Listed))
        return [_short(e) for e in self.events[first:] if isinstance(e, Seen | Gone)]


def _short(event: Seen | Gone) -> tuple[str, str]:
    metadata = event.raw["metadata"]
    return metadata["name"], metadata["resourceVersion"] if isinstance(event, Seen) else "gone"


@contextlib.contextmanager
def following(gateway: Gateway, target: Target, timing: Timing = TIMING) -> Iterator[Follower]:
    stop, follower = threading.Event(), Follower()

    def run() -> None:
        try:
            for event in watch(gateway, target, stop=stop, timing=timing):
                follower.take(event)
        except Exception as error:  # noqa: BLE001 - raised again where the test can see it
            follower.failure = error

    thread = threading.Thread(target=run, name="follower")
    thread.start()
    try:
        yield follower
    finally:
        stop.set()
        thread.join(30)
    if follower.failure:
        raise follower.failure
