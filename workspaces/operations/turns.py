"""Keeps a cluster that does not answer from holding all threads of a worker: operations on others go on meanwhile.

A write to a silent cluster may take the better part of a minute (clusters.gateway.WRITE), and a worker has four threads.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.utils import timezone

from clusters.errors import Unreachable
from clusters.models import Cluster, ClusterState

FOR_ONE_CLUSTER = 3  # threads of this process
FOR_SUSPECTS = 1  # of these for all clusters together that did not answer lately


class Turns:
    """Of one process; safe between its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Counter[int] = Counter()  # operations, by cluster
        self._suspected: Counter[int] = Counter()  # of these on suspects
        self._failed_at: dict[int, datetime] = {}

    @contextmanager
    def turn(self, cluster: Cluster) -> Iterator[bool]:
        """Whether there is a thread to spare for it; an Unreachable without an answer makes it a suspect."""
        suspected = self._is_suspect(cluster)
        if not self._take(cluster.pk, suspected=suspected):
            yield False
            return
        try:
            yield True
        finally:
            with self._lock:
                self._running[cluster.pk] -= 1
                self._suspected[cluster.pk] -= suspected

    def heard(self, cluster: Cluster, error: Unreachable | None) -> None:
        """How an attempt ended."""
        with self._lock:
            if error is not None and not error.status:
                self._failed_at[cluster.pk] = timezone.now()
            else:
                self._failed_at.pop(cluster.pk, None)

    def _take(self, key: int, *, suspected: bool) -> bool:
        with self._lock:
            is_free = self._running[key] < FOR_ONE_CLUSTER
            if not is_free or (suspected and self._suspected.total() >= FOR_SUSPECTS):
                return False
            self._running[key] += 1
            self._suspected[key] += suspected
            return True

    def _is_suspect(self, cluster: Cluster) -> bool:
        """Until it answers us, or the watch has heard it since."""
        if cluster.state == ClusterState.UNREACHABLE:
            return True
        failed_at, contact = self._failed_at.get(cluster.pk), cluster.last_contact_at
        return failed_at is not None and (contact is None or contact < failed_at)


turns = Turns()
