"""Objects in memory, one rising resourceVersion, and who is told of changes.

A stored object is never changed in place: each write makes a new one, encoded to JSON once, and
lists and watches send those bytes. So a copy is a parse (about 15 µs), and a page of a list is a
join. The store knows nothing of HTTP, users, schemas or admission.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sandbox import kinds, objects, status
from sandbox.clock import rfc3339
from sandbox.eventlog import Event, EventLog, undone
from sandbox.fieldsets import flatten
from sandbox.managed import Entry, after_update, decode, encode
from sandbox.objects import Name, Object, Stored
from sandbox.resources import Key, Resource
from sandbox.shapes import RootShape, Shape
from sandbox.status import StatusError
from sandbox.subscriptions import Subscription

__all__ = ["Event", "StatusError", "Store", "Stored", "Subscription"]

Objects = list[Object]


class Store:
    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self.version = 1
        self.shapes: dict[Key, Shape] = {}  # the registry puts those of custom kinds here
        self.listeners: list[Callable[[Event], None]] = []  # told at once, in order
        self._tables: dict[Key, dict[Name, Stored]] = {}
        self._order: dict[Key, list[Name]] = {}
        self._resources: dict[Key, Resource] = {}
        self._log = EventLog(self.version)
        self._untold: deque[Event] = deque()
        self._is_telling = False
        self._subscriptions: set[Subscription] = set()

    # Reading

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        found = self.peek(resource, namespace, name)
        return found.copy() if found else None

    def peek(self, resource: Resource, namespace: str | None, name: str) -> Stored | None:
        return self._tables.get(resource.key, {}).get((namespace or "", name))

    def list(self, resource: Resource, namespace: str | None = None) -> Objects:
        return [stored.copy() for stored in self.snapshot_of(resource, namespace)]

    def snapshot_of(self, resource: Resource, namespace: str | None = None) -> Sequence[Stored]:
        """Every object of a kind, sorted by namespace and name, without copying any."""
        table = self._tables.get(resource.key, {})
        return [table[name] for name in self._names(resource, namespace)]

    def snapshot_at(
        self, resource: Resource, namespace: str | None, version: int
    ) -> Sequence[Stored]:
        """The same as it was at an older version; 410 when that is forgotten."""
        later = self._log.since(version)

        def in_scope(obj: Object) -> bool:
            return namespace is None or obj["metadata"].get("namespace") == namespace

        return undone(self.snapshot_of(resource, namespace), later, resource.key, in_scope)

    def count(self, resource: Resource, namespace: str | None = None) -> int:
        return len(self._names(resource, namespace))

    def kinds(self) -> Iterable[Resource]:
        return self._resources.values()

    def shape_of(self, resource: Resource) -> Shape:
        """Of the stored version."""
        if resource.key not in self.shapes:
            self.shapes[resource.key] = RootShape(kinds.schema(resource))
        return self.shapes[resource.key]

    def _names(self, resource: Resource, namespace: str | None) -> Sequence[Name]:
        order = self._order.get(resource.key, [])
        if namespace is None:
            return order
        start = bisect_left(order, (namespace, ""))
        return order[start : bisect_left(order, (namespace + "\0", ""), lo=start)]

    # Writing

    def create(
        self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False
    ) -> Object:
        """A creationTimestamp and managedFields that come with the object are kept."""
        new = objects.copied(obj)
        metadata = new["metadata"] = objects.without_empty(new.get("metadata", {}))
        name = objects.named(metadata)
        if self.peek(resource, metadata.get("namespace"), name):
            raise status.already_exists(resource, name)
        metadata.setdefault("creationTimestamp", rfc3339(self.now()))
        metadata["uid"] = str(uuid.uuid4())
        if resource.has_generation:
            metadata["generation"] = 1
        if "managedFields" not in metadata:
            self._record(resource, None, new, manager, None)
        return self._put("ADDED", resource, new, None, dry_run)

    def update(
        self,
        resource: Resource,
        obj: Object,
        *,
        manager: str,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """managedFields are worked out here, unless `manager` is empty: then those of `obj` hold.
        A write that changes nothing is none."""
        metadata = obj["metadata"]
        old = self.peek(resource, metadata.get("namespace"), metadata["name"])
        if old is None:
            raise status.not_found(resource, metadata["name"])
        objects.check_unchanged(resource, metadata, old.object["metadata"])
        new = objects.written(resource, old.object, objects.copied(obj), subresource)
        if manager:
            new["metadata"]["managedFields"] = old.object["metadata"].get("managedFields", [])
        if not objects.differs(old.object, new):
            return old.copy()
        if resource.has_generation and objects.wants_other(old.object, new):
            new["metadata"]["generation"] = old.object["metadata"].get("generation", 0) + 1
        if manager:
            self._record(resource, old, new, manager, subresource)
        if new["metadata"].get("deletionTimestamp") and not objects.finalizers_of(new):
            # Watchers are told of it as it was stored last, with the finalizers that held it.
            self._remove(resource, old.copy(), dry_run)
            return new
        return self._put("MODIFIED", resource, new, old, dry_run)

    def delete(  # noqa: PLR0913  DeleteOptions' fields, each by its name
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        manager: str = "",
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_s: int | None = None,
        dry_run: bool = False,
    ) -> Object:
        """What stays (finalizers, a pod's grace) comes back with its deletionTimestamp set; what
        goes at once comes back as it last was."""
        old = self.peek(resource, namespace, name)
        if old is None:
            raise status.not_found(resource, name)
        objects.check_preconditions(resource, old.object["metadata"], uid, resource_version)
        new = objects.with_propagation(old.copy(), propagation)
        wait_s = objects.grace_s(resource, new, grace_s)
        if not objects.finalizers_of(new) and not wait_s:
            return self._remove(resource, old.copy(), dry_run)
        if new["metadata"].get("deletionTimestamp"):
            return old.copy()
        new = objects.marked_deleted(resource, new, rfc3339(self.now()), wait_s)
        return self._put("MODIFIED", resource, new, old, dry_run)

    def load(self, resource: Resource, kept: Objects) -> None:
        """Objects of an earlier run, as they were; nobody is told."""
        for obj in kept:
            stored = objects.stored(obj, int(obj["metadata"]["resourceVersion"]))
            self._file(resource, stored, self._tables.get(resource.key, {}).get(stored.name))

    def rewrite(self, resource: Resource, change: Callable[[Object], Object]) -> None:
        """What is stored is read differently from now on; no version rises and nobody is told."""
        table = self._tables.get(resource.key, {})
        for name, before in table.items():
            table[name] = objects.stored(change(before.copy()), before.version)
        if resource.key in self._resources:
            self._resources[resource.key] = resource

    def resume(self, version: int) -> None:
        """Go on counting from here; watches from before get 410."""
        self.version = version
        self._log.forget(version)

    def _record(
        self,
        resource: Resource,
        old: Stored | None,
        new: Object,
        manager: str,
        subresource: str | None,
    ) -> None:
        shape = self.shape_of(resource)
        mine = Entry(
            manager=manager,
            operation="Update",
            api_version=resource.api_version,
            time=rfc3339(self.now()),
            subresource=subresource or "",
        )
        before = decode(old.object["metadata"].get("managedFields", [])) if old else []
        was = flatten(old.object, shape) if old else {}
        entries = after_update(before, mine, was, flatten(new, shape))
        new["metadata"]["managedFields"] = encode(entries)

    def _put(
        self, type_: str, resource: Resource, new: Object, old: Stored | None, dry_run: bool
    ) -> Object:
        new = objects.typed(resource, new)
        if dry_run:
            return new
        self.version += 1
        stored = objects.stored(new, self.version)
        self._file(resource, stored, old)
        self._publish(Event(type_, resource, stored.object, stored.version, stored, old))
        return stored.copy()

    def _remove(self, resource: Resource, last: Object, dry_run: bool) -> Object:
        if dry_run:
            return last
        self.version += 1
        stored = objects.stored(objects.typed(resource, last), self.version)
        old = self._tables[resource.key].pop(stored.name)
        order = self._order[resource.key]
        del order[bisect_left(order, stored.name)]
        self._publish(Event("DELETED", resource, stored.object, stored.version, stored, old))
        return stored.copy()

    def _file(self, resource: Resource, stored: Stored, old: Stored | None) -> None:
        self._resources.setdefault(resource.key, resource)
        self._tables.setdefault(resource.key, {})[stored.name] = stored
        if old is None:
            insort(self._order.setdefault(resource.key, []), stored.name)

    # Telling

    def subscribe(self, resource: Resource | None = None, since: int | None = None) -> Subscription:
        """Events from now on, or of everything after version `since`."""
        missed = self.events_since(since) if since is not None else []
        subscription = Subscription(resource.key if resource else None, self._subscriptions)
        for event in missed:
            subscription.offer(event)
        self._subscriptions.add(subscription)
        return subscription

    def events_since(self, version: int) -> Sequence[Event]:
        if version > self.version:
            raise status.version_too_large(version, self.version)
        return self._log.since(version)

    def compact(self, version: int | None = None) -> None:
        """Forget events up to a version (default: all), as the watch cache does with time."""
        self._log.forget(self.version if version is None else version)

    def end_subscriptions(self, key: Key) -> None:
        """Of a kind that is no longer served; what they have not read yet they still get."""
        for subscription in list(self._subscriptions):
            if subscription.key == key:
                subscription.close()

    def close_subscriptions(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.close()

    def _publish(self, event: Event) -> None:
        """A listener's own writes are told after the event that it was told of."""
        self._log.append(event)
        for subscription in list(self._subscriptions):
            subscription.offer(event)
        self._untold.append(event)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._untold:
                next_event = self._untold.popleft()
                for listener in list(self.listeners):
                    listener(next_event)
        finally:
            self._is_telling = False
