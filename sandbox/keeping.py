"""Keeps a cluster over restarts: objects and logs in files, written at most every two seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sandbox.auth import write_private
from sandbox.cluster import Cluster
from sandbox.resources import CRDS, Resource

EVERY_S = 2.0


class Keeper:
    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._objects = folder / "objects.json"
        self._logs = folder / "logs.json"
        self._saved: tuple[int, int] | None = None

    def restore(self) -> None:
        """CRDs first: what is stored of a kind can only be filed when the kind is known."""
        cluster = self._cluster
        if not self._objects.exists():
            return
        for crd in cluster.store.saved(self._objects, CRDS):
            cluster.registry.learn(crd)
        cluster.store.restore(self._objects, self._find)
        cluster.garbage.index_all()
        if self._logs.exists():
            cluster.logbook.restore(self._logs)
        cluster.is_restored = True

    async def run(self, cluster: Cluster) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if self._state() != self._saved:
                await asyncio.to_thread(self._write, *self._dump())

    def save(self) -> None:
        if self._state() != self._saved:
            self._write(*self._dump())

    def _state(self) -> tuple[int, int]:
        return (self._cluster.store.version, self._cluster.logbook.written)

    def _dump(self) -> tuple[bytes, bytes]:
        self._saved = self._state()
        return self._cluster.store.dump(), self._cluster.logbook.dump()

    def _write(self, objects: bytes, logs: bytes) -> None:
        write_private(self._objects, objects)
        write_private(self._logs, logs)

    def _find(self, group: str, plural: str) -> Resource | None:
        return self._cluster.registry.by_key(group, plural)
