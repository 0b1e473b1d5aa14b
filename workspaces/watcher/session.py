"""One cluster, watched by this worker for as long as it holds the lease: a thread a kind, and one that feels the pulse."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from django.db import InterfaceError, OperationalError, connection

from clusters import gateway, interrupts, leases, services, watching
from clusters.errors import ClusterError, Denied, NotFound
from clusters.models import Cluster
from clusters.targets import (
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODECLAIMS,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
    Target,
)
from clusters.watching import Seen, Stale, WatchEvent
from workspaces import mirror, parsing
from workspaces.watcher.health import Health

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
PULSE_S = 10.0  # a cluster that went silent is noticed after so long
SLOW_BEATS = 3  # every so many: namespaces, and what time alone changes
FINDINGS_BEATS = 60  # every so many, the first included: versions and rights
RETRY_S = 2.0  # after a mistake of ours, or while the database is away


class Session:
    """`is_lost` once another worker has taken over; then nothing more is written and stop() only tidies up."""

    def __init__(self, cluster: Cluster, token: int, targets: tuple[Target, ...] = TARGETS) -> None:
        self.cluster = cluster
        self.token = token
        self.health = Health(targets)
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._threads = [self._thread(target.plural, self._follow, target) for target in targets]
        self._threads.append(self._thread("pulse", self._feel_pulse))

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

    def _thread(self, name: str, run: Callable[..., None], *args: Target) -> threading.Thread:
        label = f"watch-{self.cluster.name}-{name}"
        return threading.Thread(target=self._closing, args=(run, *args), name=label, daemon=True)

    @staticmethod
    def _closing(run: Callable[..., None], *args: Target) -> None:
        try:
            run(*args)
        finally:
            connection.close()

    def _follow(self, target: Target) -> None:
        while not self._stop.is_set():
            try:
                self._watch(target)
            except ClusterError as error:  # credentials that cannot be opened
                self.health.note(Stale(target=target, error=error, retry_in_s=PULSE_S))
                self._stop.wait(PULSE_S)
            except Exception:  # the top of the watch loop: a mistake of ours must not end it
                logger.exception("Watch of %s in %s", target.plural, self.cluster.name)
                connection.close()
                self._stop.wait(RETRY_S)

    def _watch(self, target: Target) -> None:
        """What the mirror holds already is not told again; what changed meanwhile comes with the first list."""
        known = mirror.known_versions(self.cluster, target)
        api = gateway.for_cluster(self.cluster)
        for events in _together(watching.watch(api, target, stop=self._stop, known=known)):
            self._take(events)

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

    def _feel_pulse(self) -> None:
        beats = 0
        with interrupts.interruptible(self._stop):
            while not self._stop.is_set():
                try:
                    self.health.note_pulse(self._beat(beats))
                except Exception:  # the top of the watch loop
                    logger.exception("Pulse of %s", self.cluster.name)
                    connection.close()
                beats += 1
                self._stop.wait(PULSE_S)

    def _beat(self, number: int) -> ClusterError | None:
        """Ask whether the API server is there, and now and then for what no watch tells."""
        try:
            if number % FINDINGS_BEATS == 0:
                services.refresh_findings(self.cluster)
            else:
                gateway.for_cluster(self.cluster).version()
            if number % SLOW_BEATS == 0:
                self._guarded(lambda: mirror.recheck(cluster=self.cluster, token=self.token))
                self._read_namespaces()
        except ClusterError as error:
            return error
        return None

    def _read_namespaces(self) -> None:
        """For the pickers; a cluster that hides its namespaces keeps what is known."""
        try:
            page = gateway.for_cluster(self.cluster).list(NAMESPACES, limit=0)
        except (Denied, NotFound):
            return
        found = (parsing.text(parsing.at(item, "metadata", "name")) for item in page.items)
        names = sorted(filter(None, found))
        others = Cluster.objects.filter(pk=self.cluster.pk).exclude(namespaces=names)
        others.update(namespaces=names)


def _together(events: Iterator[WatchEvent]) -> Iterator[list[WatchEvent]]:
    """The objects of a list in portions, everything else alone."""
    portion: list[WatchEvent] = []
    for event in events:
        is_listed = isinstance(event, Seen) and event.listed
        if is_listed:
            portion.append(event)
        if portion and (not is_listed or len(portion) == mirror.AT_ONCE):
            yield portion
            portion = []
        if not is_listed:
            yield [event]
