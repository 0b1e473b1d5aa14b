"""Which kinds this cluster serves: the built-in ones and those of the CRDs in its store.

It follows the store, so a CRD works the same whether a controller, `kubectl apply` or a restored
snapshot brought it.
"""

from __future__ import annotations

from typing import Any

from sandbox.clock import rfc3339
from sandbox.resources import BUILT_IN, CRDS, Resource, resources_of
from sandbox.shapes import RootShape
from sandbox.store import Event, Store


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
        if event.resource.key != CRDS.key:
            return
        self._forget(event.object)
        if event.type == "DELETED":
            self._delete_objects(event.object)
        else:
            self.learn(event.object)

    def learn(self, crd: dict[str, Any]) -> None:
        for row in resources_of(crd):
            self._rows[(row.group, row.version, row.plural)] = row
            if row.api_version == row.stored_api_version:
                self._store.shapes[row.key] = RootShape("", row.schema)

    def _forget(self, crd: dict[str, Any]) -> None:
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        self._rows = {path: row for path, row in self._rows.items() if row.key != key}

    def _delete_objects(self, crd: dict[str, Any]) -> None:
        for resource in resources_of(crd)[:1]:
            for stored in self._store.snapshot_of(resource):
                metadata = stored.object["metadata"]
                self._store.delete(resource, metadata.get("namespace"), metadata["name"])


def established(crd: dict[str, Any], store: Store) -> dict[str, Any]:
    """The CRD with the status that its controllers would give it."""
    now = rfc3339(store.now())
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition(
            "Established", "InitialNamesAccepted", "the initial names have been accepted", now
        ),
    ]
    storage = [version["name"] for version in crd["spec"]["versions"] if version.get("storage")]
    names = crd["spec"]["names"]
    status = {"conditions": conditions, "acceptedNames": names, "storedVersions": storage}
    return crd | {"status": status}


def _condition(type_: str, reason: str, message: str, now: str) -> dict[str, str]:
    return {
        "type": type_,
        "status": "True",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
