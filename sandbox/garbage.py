"""What follows a deletion: dependents, foreground and orphan finalizers, emptied namespaces.

It listens to the store and acts at once, where a cluster takes a moment.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sandbox.resources import NAMESPACES, Resource
from sandbox.status import StatusError
from sandbox.store import Event, Store

MANAGER = "kube-controller-manager"

Reference = tuple[Resource, str, str]  # resource, namespace, name


class GarbageCollector:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._owners: dict[str, Reference] = {}
        self._dependents: dict[str, dict[str, Reference]] = defaultdict(dict)
        store.listeners.append(self.observe)

    def index_all(self) -> None:
        """After a restore, which sends no events."""
        for resource in list(self._store.kinds()):
            for stored in self._store.snapshot_of(resource):
                self._index(resource, stored.object)

    def observe(self, event: Event) -> None:
        if event.old is not None:
            self._unindex(event.old.object)
        if event.type == "DELETED":
            self._after_removal(event.object)
        else:
            self._index(event.resource, event.object)
            self._after_change(event)
        self._settle_namespace(event)

    def _index(self, resource: Resource, obj: dict[str, Any]) -> None:
        metadata = obj["metadata"]
        here = (resource, metadata.get("namespace", ""), metadata["name"])
        self._owners[metadata["uid"]] = here
        for uid in _owner_uids(obj):
            self._dependents[uid][metadata["uid"]] = here

    def _unindex(self, obj: dict[str, Any]) -> None:
        self._owners.pop(obj["metadata"]["uid"], None)
        for uid in _owner_uids(obj):
            self._dependents[uid].pop(obj["metadata"]["uid"], None)
            if not self._dependents[uid]:
                del self._dependents[uid]

    def _after_change(self, event: Event) -> None:
        metadata = event.object["metadata"]
        uids = _owner_uids(event.object)
        if event.type == "ADDED" and uids and not any(uid in self._owners for uid in uids):
            self._delete(self._owners[metadata["uid"]])
        if not metadata.get("deletionTimestamp"):
            return
        finalizers = metadata.get("finalizers", [])
        if "foregroundDeletion" in finalizers:
            self._foreground(event.object)
        elif "orphan" in finalizers:
            self._orphan(event.object)

    def _after_removal(self, obj: dict[str, Any]) -> None:
        uid = obj["metadata"]["uid"]
        for dependent in list(self._dependents.get(uid, {}).values()):
            self._release(dependent, uid)
        for owner in _owner_uids(obj):
            self._finish_foreground(owner)

    def _release(self, dependent: Reference, uid: str) -> None:
        """The dependent goes when no other owner of it lives; else it only loses the reference."""
        obj = self._store.get(*dependent)
        if obj is None:
            return
        others = [other for other in _owner_uids(obj) if other != uid and other in self._owners]
        if others:
            self._drop_reference(dependent, uid)
        else:
            self._delete(dependent)

    def _foreground(self, owner: dict[str, Any]) -> None:
        uid = owner["metadata"]["uid"]
        for dependent in list(self._dependents.get(uid, {}).values()):
            self._release(dependent, uid)
        self._finish_foreground(uid)

    def _finish_foreground(self, uid: str) -> None:
        owner = self._owners.get(uid)
        obj = self._store.get(*owner) if owner else None
        if owner is None or obj is None or not obj["metadata"].get("deletionTimestamp"):
            return
        if not any(
            self._blocks(dependent, uid) for dependent in self._dependents.get(uid, {}).values()
        ):
            self._drop_finalizer(owner, "foregroundDeletion")

    def _blocks(self, dependent: Reference, uid: str) -> bool:
        obj = self._store.get(*dependent)
        references = obj["metadata"].get("ownerReferences", []) if obj else []
        return any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in references)

    def _orphan(self, owner: dict[str, Any]) -> None:
        uid = owner["metadata"]["uid"]
        for dependent in list(self._dependents.get(uid, {}).values()):
            self._drop_reference(dependent, uid)
        self._drop_finalizer(self._owners[uid], "orphan")

    def _drop_reference(self, dependent: Reference, uid: str) -> None:
        obj = self._store.get(*dependent)
        if obj is None:
            return
        kept = [ref for ref in obj["metadata"]["ownerReferences"] if ref["uid"] != uid]
        obj["metadata"]["ownerReferences"] = kept
        self._store.update(dependent[0], obj, manager=MANAGER)

    def _drop_finalizer(self, owner: Reference, finalizer: str) -> None:
        obj = self._store.get(*owner)
        finalizers = obj["metadata"].get("finalizers", []) if obj else []
        if obj is None or finalizer not in finalizers:
            return
        obj["metadata"]["finalizers"] = [name for name in finalizers if name != finalizer]
        self._store.update(owner[0], obj, manager=MANAGER)

    def _delete(self, reference: Reference) -> None:
        try:
            self._store.delete(*reference, manager=MANAGER)
        except StatusError as error:
            if error.code != 404:
                raise

    def _settle_namespace(self, event: Event) -> None:
        if event.resource.key == NAMESPACES.key:
            if event.type == "MODIFIED" and event.object["metadata"].get("deletionTimestamp"):
                self._empty(event.object["metadata"]["name"])
        elif event.type == "DELETED" and event.resource.namespaced:
            self._finish_namespace(event.object["metadata"].get("namespace", ""))

    def _empty(self, namespace: str) -> None:
        """https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/"""
        for resource in [kind for kind in self._store.kinds() if kind.namespaced]:
            for stored in self._store.snapshot_of(resource, namespace):
                if not stored.object["metadata"].get("deletionTimestamp"):
                    self._delete((resource, namespace, stored.object["metadata"]["name"]))
        self._finish_namespace(namespace)

    def _finish_namespace(self, name: str) -> None:
        found = self._store.get(NAMESPACES, None, name)
        if found is None or not found["metadata"].get("deletionTimestamp"):
            return
        kinds = [kind for kind in self._store.kinds() if kind.namespaced]
        if not any(self._store.count(kind, name) for kind in kinds):
            found["spec"]["finalizers"] = []
            self._store.update(NAMESPACES, found, manager=MANAGER)


def _owner_uids(obj: dict[str, Any]) -> list[str]:
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences", ())]
