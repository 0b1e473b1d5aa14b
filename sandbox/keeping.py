"""Keeps a cluster over restarts: objects and logs in files, written at most every two seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from sandbox.auth import write_private
from sandbox.cluster import Cluster
from sandbox.resources import CRDS
from sandbox.store import Store

EVERY_S = 2.0
VERSION_GAP = 10_000  # versions handed out after the last write to disk must not come again


class Keeper:
    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._objects = folder / "objects.json"
        self._logs = folder / "logs.json"
        self._saved: tuple[int, int] | None = None

    def restore(self) -> None:
        if not self._objects.exists():
            return
        load(self._cluster, orjson.loads(self._objects.read_bytes()))
        if self._logs.exists():
            self._cluster.logbook.restore(self._logs)
        self._cluster.is_restored = True

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
        return dump(self._cluster.store), self._cluster.logbook.dump()

    def _write(self, objects: bytes, logs: bytes) -> None:
        write_private(self._objects, objects)
        write_private(self._logs, logs)


def dump(store: Store) -> bytes:
    kinds = [
        b'{"kind":%s,"objects":[%s]}'
        % (
            orjson.dumps(resource.key),
            b",".join(stored.encoded for stored in store.snapshot_of(resource)),
        )
        for resource in store.kinds()
    ]
    return b'{"resourceVersion":%d,"kinds":[%s]}' % (store.version, b",".join(kinds))


def load(cluster: Cluster, saved: dict[str, Any]) -> None:
    """CRDs first: other objects can only be filed when their kind is known. What is stored of a
    kind that is not known any more is dropped."""
    kinds = {tuple(kind["kind"]): kind["objects"] for kind in saved["kinds"]}
    for crd in kinds.get(CRDS.key, []):
        cluster.registry.learn(crd)
    for (group, plural), kept in kinds.items():
        resource = cluster.registry.by_key(group, plural)
        if resource is not None:
            cluster.store.load(resource, kept)
    cluster.store.resume(saved["resourceVersion"] + VERSION_GAP)
    cluster.garbage.index_all()
