"""One kind of objects of one cluster, followed: everywhere at once, or where that is not allowed, namespace by namespace."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.db import connection

from clusters import gateway, watching
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.targets import WORKSPACES, Target
from clusters.watching import Bell, Seen, Stale, Timing, WatchEvent
from clusters.watching.pausing import Pauses
from workspaces import mirror
from workspaces.watcher.health import Health

logger = logging.getLogger(__name__)

RETRY_S = 2.0  # after a mistake of ours, or while the database is away
SCOPE_S = 60.0  # between looks at what is allowed, where not everything is
CHILD_ENDS_S = 1.0
NAMESPACES_ASKED = 100  # of those that are known
NAMESPACES_WATCHED = 6  # with a stream a kind; more are listed in turn

Share = tuple[str, ...]  # namespaces that one thread follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the threads of one session share. `take` applies events, and tells the health."""

    cluster: Cluster
    health: Health
    take: Callable[[list[WatchEvent]], None]
    timing: Timing = watching.USUAL
    stop: threading.Event = field(default_factory=threading.Event)
    bell: Bell = field(default_factory=Bell)


@dataclass(frozen=True, slots=True)
class _Child:
    stop: threading.Event
    thread: threading.Thread


class Follower:
    """run() is a thread's body, until the context's stop."""

    def __init__(self, context: Context, target: Target) -> None:
        self._context = context
        self._target = target
        self._children: dict[Share, _Child] = {}

    def run(self) -> None:
        while not self._context.stop.is_set():
            self._surely(self._everywhere)
            if self._target.namespaced:
                self._surely(self._by_namespace)

    def _surely(self, follow: Callable[[], None]) -> None:
        """Whatever goes wrong in it, the loop goes on."""
        context, target = self._context, self._target
        try:
            follow()
        except ClusterError as error:  # credentials that cannot be opened
            context.health.note(Stale(target=target, error=error, retry_in_s=RETRY_S))
            context.stop.wait(RETRY_S)
        except Exception:  # the top of the watch loop: a mistake of ours must not end it
            logger.exception("Watch of %s in %s", target.plural, context.cluster.name)
            connection.close()
            context.stop.wait(RETRY_S)

    def _everywhere(self) -> None:
        """Returns when the whole cluster is denied, and some namespaces are not."""
        for events in self._portions(("",), self._context.stop):
            self._context.take(events)
            last = events[-1]
            if isinstance(last, Stale) and last.error.status == 403 and self._allowed():
                return

    def _by_namespace(self) -> None:
        """Returns when all may be seen again, or nothing."""
        context = self._context
        pauses = Pauses(context.stop, context.bell)
        try:
            while not context.stop.is_set() and not self._sees_all():
                allowed = self._allowed()
                self._follow_in(allowed)
                if not allowed:
                    return
                pauses.wait(SCOPE_S, since=context.bell.rung)
        finally:
            self._follow(())
            context.health.narrow(self._target, ())

    def _follow_in(self, namespaces: Sequence[str]) -> None:
        """Health knows of each from before it is followed until after."""
        health = self._context.health
        health.narrow(self._target, {*namespaces, *health.namespaces(self._target)})
        self._follow(_shares(namespaces))
        health.narrow(self._target, namespaces)

    def _follow(self, shares: Sequence[Share]) -> None:
        """Have a thread for each of these and for no other."""
        ending = [self._children.pop(share) for share in set(self._children) - set(shares)]
        for child in ending:
            child.stop.set()
        for child in ending:
            child.thread.join(CHILD_ENDS_S)
        for share in shares:
            if share not in self._children:
                self._children[share] = self._started(share)

    def _started(self, share: Share) -> _Child:
        stop = threading.Event()
        name = f"watch-{self._context.cluster.name}-{self._target.plural}-{share[0]}"
        thread = threading.Thread(target=self._run_child, args=(share, stop), name=name)
        thread.daemon = True
        thread.start()
        return _Child(stop, thread)

    def _run_child(self, share: Share, stop: threading.Event) -> None:
        def follow() -> None:
            for events in self._portions(share, stop):
                self._context.take(events)

        try:
            while not stop.is_set():
                self._surely(follow)
        finally:
            connection.close()

    def _portions(self, share: Share, stop: threading.Event) -> Iterator[list[WatchEvent]]:
        """What the mirror holds already is not told again; what changed meanwhile comes with the first list."""
        context = self._context
        targets = [replace(self._target, namespace=namespace) for namespace in share]
        known: dict[str, str] = {}
        for target in targets:
            known |= mirror.known_versions(context.cluster, target)
        api = gateway.for_cluster(context.cluster)
        if len(targets) > 1:
            told = watching.poll(api, targets, stop=stop, known=known, timing=context.timing)
        else:
            told = watching.watch(
                api, targets[0], stop=stop, known=known, timing=context.timing, bell=context.bell
            )
        return _together(told)

    def _sees_all(self) -> bool:
        return self._may("") is not False

    def _allowed(self) -> list[str]:
        """The namespaces where it may be listed."""
        return [name for name in self._candidates() if self._may(name)]

    def _candidates(self) -> list[str]:
        """Only where workspaces are seen, if they are seen in some namespaces only."""
        seen = self._context.health.namespaces(WORKSPACES)
        if seen and self._target.plural != WORKSPACES.plural:
            return list(seen)
        row = Cluster.objects.only("namespaces", "default_namespace").get(
            pk=self._context.cluster.pk
        )
        return sorted({*row.namespaces, row.default_namespace})[:NAMESPACES_ASKED]

    def _may(self, namespace: str) -> bool | None:
        api = gateway.for_cluster(self._context.cluster)
        return api.may("list", self._target.group, self._target.plural, namespace=namespace)


def _shares(namespaces: Sequence[str]) -> list[Share]:
    if len(namespaces) > NAMESPACES_WATCHED:
        return [tuple(namespaces)]
    return [(namespace,) for namespace in namespaces]


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
