"""Keeps a cluster over restarts: objects and logs in files, written at most every two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sandbox import roles
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
        self._saved_objects = self._saved_logs = -1

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
            for path, content in self._news():
                await asyncio.to_thread(write_private, path, content)

    def save(self) -> None:
        for path, content in self._news():
            write_private(path, content)

    def _news(self) -> Iterator[tuple[Path, bytes]]:
        """What has changed since it was last asked for."""
        store, logbook = self._cluster.store, self._cluster.logbook
        if store.version != self._saved_objects:
            self._saved_objects = store.version
            yield self._objects, dump(store)
        if logbook.written != self._saved_logs:
            self._saved_logs = logbook.written
            yield self._logs, logbook.dump()


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
    roles.plant(cluster.store)  # that which a state of an older sandbox lacks
    cluster.garbage.index_all()
    cluster.definitions.settle_all()
