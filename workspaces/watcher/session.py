"""One cluster, watched by this worker for as long as it holds the lease: a thread a kind, one for the pulse, one for errands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from clusters import leases, watching
from clusters.models import Cluster
from clusters.targets import (
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NODECLAIMS,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
    Target,
)
from clusters.watching import Timing, WatchEvent
from workspaces import mirror
from workspaces.watcher.errands import Errands
from workspaces.watcher.following import RETRY_S, Context, Follower
from workspaces.watcher.health import Health
from workspaces.watcher.pulse import Pulse

logger = logging.getLogger(__name__)

TARGETS = (
    WORKSPACES,
    PODS,
    SERVICES,
    STATEFULSETS,
    DEPLOYMENTS,
    JOBS,
    NODECLAIMS,
    EVENTS,
)


class Session:
    """`is_lost` once another worker has taken over; then nothing more is written and stop() only tidies up."""

    def __init__(
        self,
        cluster: Cluster,
        token: int,
        targets: tuple[Target, ...] = TARGETS,
        timing: Timing = watching.USUAL,
    ) -> None:
        self.cluster = cluster
        self.token = token
        self.health = Health(targets)
        self.lost = threading.Event()
        self._context = Context(cluster=cluster, health=self.health, take=self._take, timing=timing)
        self._stop = self._context.stop
        followers = {target.plural: Follower(self._context, target).run for target in targets}
        pulse, errands = Pulse(self._context), Errands(self._context, self._recheck)
        runs = {**followers, "pulse": pulse.run, "errands": errands.run}
        self._threads = [self._thread(name, run) for name, run in runs.items()]

    def start(self) -> None:
        logger.info("Watching %s, lease %d", self.cluster.name, self.token)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end; does not wait."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def write_health(self) -> None:
        self._guarded(lambda: self.health.write(self.cluster, self.token))

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        label = f"watch-{self.cluster.name}-{name}"
        return threading.Thread(target=self._closing, args=(run,), name=label, daemon=True)

    @staticmethod
    def _closing(run: Callable[[], None]) -> None:
        try:
            run()
        finally:
            connection.close()

    def _take(self, events: list[WatchEvent]) -> None:
        """Apply them. While the database is away it is tried again, since they would not come again;

        what fails otherwise is tried one by one, then skipped, so that one odd object does not hide all others.
        """
        while not self._stop.is_set():
            try:
                self._guarded(lambda: mirror.apply(*events, cluster=self.cluster, token=self.token))
            except (OperationalError, InterfaceError) as error:
                logger.warning("%s: the database is away: %s", events[0].target.plural, error)
                connection.close()
                self._stop.wait(RETRY_S)
                continue
            except Exception:  # the top of the watch loop
                if len(events) > 1:
                    for event in events:
                        self._take([event])
                    return
                logger.exception("An object of %s was skipped", events[0].target.plural)
            self.health.note(events[-1])
            return

    def _guarded(self, write: Callable[[], None]) -> None:
        """Once the lease is lost, everything of this session ends."""
        try:
            write()
        except leases.Lost as lost:
            logger.warning("%s", lost)
            self.lost.set()
            self._stop.set()

    def _recheck(self) -> None:
        self._guarded(lambda: mirror.recheck(cluster=self.cluster, token=self.token))
