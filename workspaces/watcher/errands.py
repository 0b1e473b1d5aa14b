"""What is looked after now and then beside the watches: versions and rights, the namespaces, and what time alone changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import connection

from clusters import gateway, interrupts, services
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.targets import NAMESPACES
from workspaces import parsing
from workspaces.watcher.following import Context

logger = logging.getLogger(__name__)

ERRANDS_S = 30.0
FINDINGS_S = 600.0  # between looks at versions and rights


class Errands:
    """run() is a thread's body. `recheck` is done whatever the cluster says."""

    def __init__(self, context: Context, recheck: Callable[[], None]) -> None:
        self._context = context
        self._recheck = recheck
        self._found_at = float("-inf")

    def run(self) -> None:
        context = self._context
        with interrupts.interruptible(context.stop):
            while not context.stop.is_set():
                try:
                    self._recheck()
                    with suppress(ClusterError):  # the pulse says what is wrong
                        self._ask()
                except Exception:  # the top of the watch loop
                    logger.exception("Errands of %s", context.cluster.name)
                    connection.close()
                context.stop.wait(ERRANDS_S)

    def _ask(self) -> None:
        """A cluster that hides one thing may tell the other."""
        with suppress(ClusterError):
            self._read_namespaces()
        if time.monotonic() - self._found_at >= FINDINGS_S:
            services.refresh_findings(self._context.cluster)
            self._found_at = time.monotonic()

    def _read_namespaces(self) -> None:
        """For the pickers; a cluster that hides its namespaces keeps what is known."""
        cluster = self._context.cluster
        page = gateway.for_cluster(cluster).list(NAMESPACES, limit=0)
        found = (parsing.text(parsing.at(item, "metadata", "name")) for item in page.items)
        names = sorted(filter(None, found))
        others = Cluster.objects.filter(pk=cluster.pk).exclude(namespaces=names)
        others.update(namespaces=names)
