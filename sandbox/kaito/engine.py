"""The work queue: what changed is looked at again, each object by the reconciler of its kind.

A reconciler is a plain function of a name. It compares what is with what should be, takes the next
step, and says in how many seconds (of the sandbox's time) it wants to look again. It is never told
what changed, so nothing is lost when the process restarts.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from sandbox.kaito.world import World
from sandbox.resources import Resource
from sandbox.store import Event

logger = logging.getLogger(__name__)

RETRY_S = 1.0

Key = tuple[str, str, str]  # reconciler, namespace, name
Reconciler = Callable[[str, str], float | None]
Router = Callable[[dict], Iterable[Key]]


class VirtualClock:
    """Time that moves only when the engine moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


class Engine:
    def __init__(
        self,
        world: World,
        reconcilers: Mapping[str, Reconciler],
        routes: Mapping[Resource, Router],
    ) -> None:
        self._world = world
        self._reconcilers = reconcilers
        self._routes = {resource.key: route for resource, route in routes.items()}
        self._resources = list(routes)
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        world.store.listeners.append(self.observe)

    def close(self) -> None:
        self._world.store.listeners.remove(self.observe)

    def observe(self, event: Event) -> None:
        route = self._routes.get(event.resource.key)
        for key in route(event.object) if route else ():
            self.enqueue(key)

    def enqueue(self, key: Key, delay_s: float = 0.0) -> None:
        due = self._world.now().timestamp() + delay_s / self._world.speed
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._wake.set()

    def enqueue_all(self) -> None:
        for resource in self._resources:
            for stored in self._world.store.snapshot_of(resource):
                for key in self._routes[resource.key](stored.object):
                    self.enqueue(key)

    async def run(self) -> None:
        """For ever. Other tasks get their turn between any two steps."""
        self.enqueue_all()
        while True:
            due = self._next_due()
            wait_s = None if due is None else due - self._world.now().timestamp()
            if wait_s is not None and wait_s <= 0:
                self.step()
                await asyncio.sleep(0)
            else:
                await self._sleep(wait_s)

    def run_until(self, clock: VirtualClock, end: datetime) -> None:
        """Acts out everything up to `end` at once, moving the clock along."""
        while (due := self._next_due()) is not None and due <= end.timestamp():
            clock.moment = max(clock.moment, datetime.fromtimestamp(due, UTC))
            self.step()
        clock.moment = end

    def step(self) -> None:
        """Takes what is due first."""
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        kind, namespace, name = key
        try:
            again_s = self._reconcilers[kind](namespace, name)
        except Exception:  # one object's fault must not stop the others
            logger.exception("cannot reconcile %s %s/%s", *key)
            again_s = RETRY_S
        if again_s is not None:
            self.enqueue(key, again_s)

    def _next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    async def _sleep(self, wait_s: float | None) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return
