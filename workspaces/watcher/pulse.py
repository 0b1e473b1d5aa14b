"""Feels whether a cluster is there and lets us in, more often than any watch would tell, and wakes the watches when it is back.

It asks for what matters, the workspaces, so that a right or a kind that was taken away is noticed in seconds too:
a watch that is open goes on for a while without either.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from django.db import connection

from clusters import gateway, interrupts, services
from clusters.errors import ClusterError, Denied, NotFound, Unreachable
from clusters.models import Cluster
from clusters.targets import NAMESPACES, WORKSPACES, Target
from workspaces import parsing
from workspaces.watcher.following import Context

logger = logging.getLogger(__name__)

PULSE_S = 5.0
EAGER_S = 1.0  # while nobody answers: asking costs nobody anything, and people wait
SLOW_S = 30.0  # between looks at namespaces, and at what time alone changes
FINDINGS_S = 600.0  # between looks at versions and rights


class Pulse:
    """run() is a thread's body. `recheck` is done now and then, whatever the cluster says."""

    def __init__(self, context: Context, recheck: Callable[[], None]) -> None:
        self._context = context
        self._recheck = recheck
        self._slow_at = self._findings_at = float("-inf")
        self._error: ClusterError | None = None

    def run(self) -> None:
        context = self._context
        with interrupts.interruptible(context.stop):
            while not context.stop.is_set():
                try:
                    self._beat()
                except Exception:  # the top of the watch loop
                    logger.exception("Pulse of %s", context.cluster.name)
                    connection.close()
                context.stop.wait(_pause_s(self._error, context.timing.unauthorized_s))

    def _beat(self) -> None:
        before, self._error = self._error, self._felt()
        self._context.health.note_pulse(self._error)
        if self._error is None and (before or self._context.health.has_sleepers):
            self._context.bell.ring()
        if time.monotonic() - self._slow_at >= SLOW_S:
            self._slow_at = time.monotonic()
            self._recheck()
            if not isinstance(self._error, Unreachable):
                self._read_namespaces()
                self._find()

    def _felt(self) -> ClusterError | None:
        try:
            gateway.for_cluster(self._context.cluster).try_list(self._target())
        except ClusterError as error:
            return error
        return None

    def _target(self) -> Target:
        """Where not all may be seen, what may."""
        namespaces = self._context.health.namespaces(WORKSPACES)
        return replace(WORKSPACES, namespace=next(iter(namespaces), ""))

    def _find(self) -> None:
        """A cluster that hides its version is no worse a cluster; the pulse says what is wrong with it."""
        if time.monotonic() - self._findings_at < FINDINGS_S:
            return
        with suppress(ClusterError):
            services.refresh_findings(self._context.cluster)
            self._findings_at = time.monotonic()

    def _read_namespaces(self) -> None:
        """For the pickers; a cluster that hides its namespaces keeps what is known."""
        cluster = self._context.cluster
        try:
            page = gateway.for_cluster(cluster).list(NAMESPACES, limit=0)
        except ClusterError:
            return
        found = (parsing.text(parsing.at(item, "metadata", "name")) for item in page.items)
        names = sorted(filter(None, found))
        others = Cluster.objects.filter(pk=cluster.pk).exclude(namespaces=names)
        others.update(namespaces=names)


def _pause_s(error: ClusterError | None, unauthorized_s: float) -> float:
    if isinstance(error, Denied) and error.status == 401:
        return unauthorized_s
    if isinstance(error, Denied | NotFound) or error is None:
        return PULSE_S
    asked = error.retry_after_s if isinstance(error, Unreachable) else None
    usual = PULSE_S if error.status else EAGER_S
    return max(usual, asked or 0.0) * random.uniform(1, 1.1)  # noqa: S311 - spreads load
