"""Which clusters this worker watches: takes and renews leases, starts and ends sessions."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from clusters import gateway, leases
from clusters.models import Cluster
from workspaces.watcher.session import Session

logger = logging.getLogger(__name__)

STEP_S = 1.0  # between looks at the clusters
HEALTH_S = 2.0
STOP_S = 1.5  # threads end in this time, or are left to the end of the process; their writes are fenced out anyway


class Supervisor:
    """One thread. start() and stop() may be called from any other."""

    def __init__(self) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._sessions: dict[int, Session] = {}
        self._renewed_at: dict[int, float] = {}
        self._health_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends every watch and gives the leases up, so that another worker goes on at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S + 0.5)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(STEP_S)
            self._end(list(self._sessions))
        finally:
            connection.close()

    def _look(self) -> None:
        try:
            self.step()
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            logger.warning("The database is away, watches go on until their leases end: %s", error)
        except Exception:  # the top of the watch loop
            logger.exception("Supervising the watches")

    def step(self) -> None:
        """Bring the sessions in line with the clusters and the leases."""
        clusters = {c.pk: c for c in Cluster.objects.filter(disconnected_at=None)}
        self._end([pk for pk in self._sessions if self._is_over(pk, clusters.get(pk))])
        for pk, cluster in clusters.items():
            if pk in self._sessions:
                self._renew(pk)
            else:
                self._try_begin(cluster)
        if time.monotonic() - self._health_at >= HEALTH_S:
            self._health_at = time.monotonic()
            for session in list(self._sessions.values()):
                session.write_health()

    def _is_over(self, pk: int, cluster: Cluster | None) -> bool:
        """Lost, disconnected, or edited: a new address or new credentials need a new session."""
        session = self._sessions[pk]
        edited = cluster is not None and cluster.revision != session.cluster.revision
        return session.lost.is_set() or cluster is None or edited

    def _try_begin(self, cluster: Cluster) -> None:
        token = leases.acquire(cluster, self.holder)
        if token is None:
            return
        self._renewed_at[cluster.pk] = time.monotonic()
        self._sessions[cluster.pk] = session = Session(cluster, token)
        session.start()

    def _renew(self, pk: int) -> None:
        """At a third of its life. A lease that could not be renewed in time may be another's: stop at once."""
        session, age = self._sessions[pk], time.monotonic() - self._renewed_at[pk]
        if age < settings.KAITOWEB_LEASE_S / 3:
            return
        if leases.renew(session.cluster, self.holder, session.token):
            self._renewed_at[pk] = time.monotonic()
        else:
            logger.warning("The watch of %s was taken over", session.cluster.name)
            session.lost.set()
            session.stop()

    def _end(self, pks: list[int]) -> None:
        """Stop these sessions side by side and give their leases up."""
        sessions = [self._sessions.pop(pk) for pk in pks]
        for session in sessions:
            session.stop()
        deadline = time.monotonic() + STOP_S
        for session in sessions:
            session.join(max(0.0, deadline - time.monotonic()))
            gateway.forget(session.cluster)
            leases.release(session.cluster, self.holder, session.token)
            logger.info("No longer watching %s", session.cluster.name)
