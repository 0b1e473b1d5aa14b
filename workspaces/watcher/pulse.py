"""Feels whether a cluster is there and lets us in, more often than any watch would tell, and wakes the watches when it is back.

It asks for what matters, the workspaces, so that a right or a kind that was taken away is noticed in seconds too:
a watch that is open goes on for a while without either.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace

from django.db import connection

from clusters import gateway, interrupts
from clusters.errors import ClusterError, Denied, NotFound, Unreachable
from clusters.targets import WORKSPACES, Target
from workspaces.watcher.following import Context

logger = logging.getLogger(__name__)

PULSE_S = 3.0
EAGER_S = 1.0  # while nobody answers: asking costs nobody anything, and people wait


class Pulse:
    """run() is a thread's body."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._error: ClusterError | None = None
        self._rejections = 0  # in a row

    def run(self) -> None:
        context = self._context
        with interrupts.interruptible(context.stop):
            while not context.stop.is_set():
                try:
                    self._beat()
                except Exception:  # the top of the watch loop
                    logger.exception("Pulse of %s", context.cluster.name)
                    connection.close()
                context.stop.wait(self._rest_s())

    def _beat(self) -> None:
        before, self._error = self._error, self._felt()
        self._rejections = self._rejections + 1 if _is_rejection(self._error) else 0
        self._context.health.note_pulse(self._error)
        if self._error is None and (before or self._context.health.has_sleepers):
            self._context.bell.ring()

    def _rest_s(self) -> float:
        """A first rejection may be a token that is being renewed."""
        is_first = self._rejections == 1
        return _pause_s(self._error, EAGER_S if is_first else self._context.timing.unauthorized_s)

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


def _is_rejection(error: ClusterError | None) -> bool:
    return isinstance(error, Denied) and error.status == 401


def _pause_s(error: ClusterError | None, unauthorized_s: float) -> float:
    if _is_rejection(error):
        return unauthorized_s
    if isinstance(error, Denied | NotFound) or error is None:
        return PULSE_S
    asked = error.retry_after_s if isinstance(error, Unreachable) else None
    usual = PULSE_S if error.status else EAGER_S
    return max(usual, asked or 0.0) * random.uniform(1, 1.1)  # noqa: S311 - spreads load
