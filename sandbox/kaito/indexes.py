"""Names of one kind's objects by what they belong to, kept up to date by the store's events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any

from sandbox.resources import Resource
from sandbox.store import Event, Store

Raw = dict[str, Any]
Name = tuple[str, str]


class Index:
    """`key` says what an object belongs to; None leaves it out."""

    def __init__(
        self, store: Store, resource: Resource, key: Callable[[Raw], Hashable | None]
    ) -> None:
        self._store, self._resource, self._key = store, resource, key
        self._names: dict[Hashable, set[Name]] = defaultdict(set)
        for stored in store.snapshot_of(resource):
            self._add(stored.object)
        store.listeners.append(self.observe)

    def close(self) -> None:
        self._store.listeners.remove(self.observe)

    def names(self, key: Hashable) -> list[Name]:
        """Sorted so that `phi-2` comes before `phi-10`."""
        return sorted(self._names.get(key, ()), key=lambda name: (name[0], len(name[1]), name[1]))

    def objects(self, key: Hashable) -> list[Raw]:
        """Shared objects: read them, never change them."""
        found = [
            self._store.peek(self._resource, namespace or None, name)
            for namespace, name in self.names(key)
        ]
        return [stored.object for stored in found if stored is not None]

    def observe(self, event: Event) -> None:
        if event.resource.key != self._resource.key:
            return
        if event.old is not None:
            self._drop(event.old.object)
        if event.type == "DELETED":
            self._drop(event.object)
        else:
            self._add(event.object)

    def _add(self, obj: Raw) -> None:
        key = self._key(obj)
        if key is not None:
            self._names[key].add(_name(obj))

    def _drop(self, obj: Raw) -> None:
        key = self._key(obj)
        if key in self._names:
            self._names[key].discard(_name(obj))
            if not self._names[key]:
                del self._names[key]


def _name(obj: Raw) -> Name:
    return (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
