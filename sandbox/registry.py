"""Which kinds this cluster serves: the built-in ones and those of the CRDs in its store.

It follows the store, so a CRD works the same whether a controller, `kubectl apply` or a restored
snapshot brought it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sandbox import schemas
from sandbox.definitions import is_condition_true
from sandbox.resources import BUILT_IN, CRDS, Resource, key_of, resources_of
from sandbox.shapes import RootShape
from sandbox.store import Event, Store

Object = dict[str, Any]


class Registry:
    def __init__(self, store: Store) -> None:
        self._rows = {(row.group, row.version, row.plural): row for row in BUILT_IN}
        self._store = store
        store.listeners.append(self.observe)

    def by_path(self, group: str, version: str, plural: str) -> Resource | None:
        return self._rows.get((group, version, plural))

    def by_key(self, group: str, plural: str) -> Resource | None:
        """The row in whose version objects are stored."""
        rows = (row for row in self._rows.values() if row.key == (group, plural))
        return next((row for row in rows if row.stored_api_version == row.api_version), None)

    def all(self) -> list[Resource]:
        return list(self._rows.values())

    def groups(self) -> dict[str, list[str]]:
        """Named API groups with their versions, the preferred (stored) one first."""
        found: dict[str, list[str]] = {}
        for row in self._rows.values():
            versions = found.setdefault(row.group, [])
            if row.version in versions:
                continue
            is_stored = row.api_version == row.stored_api_version
            versions.insert(0 if is_stored else len(versions), row.version)
        found.pop("", None)
        return found

    def observe(self, event: Event) -> None:
        if event.resource.key != CRDS.key or _changes_nothing(event):
            return
        self._forget(event.object)
        if event.type != "DELETED":
            self.learn(event.object)

    def learn(self, crd: Object) -> None:
        """Serve it, as soon as it is established; what is stored of it follows its schema."""
        if not _is_served(crd):
            return
        for row in resources_of(crd):
            self._rows[(row.group, row.version, row.plural)] = row
            if row.api_version == row.stored_api_version:
                self._store.shapes[row.key] = RootShape(row.schema)
                self._store.rewrite(row, partial(_fitted, row))

    def _forget(self, crd: Object) -> None:
        key = key_of(crd)
        self._rows = {path: row for path, row in self._rows.items() if row.key != key}


def _changes_nothing(event: Event) -> bool:
    if event.type != "MODIFIED" or event.old is None:
        return False
    old = event.old.object
    return old["spec"] == event.object["spec"] and _is_served(old)


def _is_served(crd: Object) -> bool:
    return is_condition_true(crd, "Established")


def _fitted(row: Resource, obj: Object) -> Object:
    """As it is read from now on: an API server prunes and defaults what it reads from etcd."""
    obj["apiVersion"] = row.api_version
    if row.schema is not None:
        schemas.prune(obj, row.schema)
        schemas.set_defaults(obj, row.schema)
    return obj
