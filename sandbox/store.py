"""Objects in memory, one rising resourceVersion, and the log of events that watches read.

A stored object is never changed in place: each write makes a new one, encoded to JSON once, and
lists and watches send those bytes. So a copy is a parse (about 15 µs), and a page of a list is a
join. The store knows nothing of HTTP, users, schemas or admission.
"""

from __future__ import annotations

import secrets
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sandbox import status
from sandbox.clock import rfc3339
from sandbox.fieldsets import flatten
from sandbox.managed import Entry, after_update, decode, encode
from sandbox.resources import Key, Resource
from sandbox.shapes import BUILT_IN_SHAPE, Shape
from sandbox.status import StatusError
from sandbox.subscriptions import Subscription

__all__ = ["Event", "StatusError", "Store", "Stored", "Subscription"]

LOG_LIMIT = 20_000
GAP_AFTER_RESTORE = 10_000  # versions handed out after the last snapshot must not come again
POD_GRACE_S = 30
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # k8s.io/apimachinery/pkg/util/rand

Name = tuple[str, str]
Object = dict[str, Any]
Objects = list[Object]


class Stored(NamedTuple):
    """One version of one object. `object` is shared: read it, never change it."""

    object: Object
    encoded: bytes
    version: int

    def copy(self) -> Object:
        return orjson.loads(self.encoded)


class Event(NamedTuple):
    """What happened. `object` is shared: read it, never change it."""

    type: str  # ADDED, MODIFIED, DELETED
    resource: Resource
    object: Object
    resource_version: int
    stored: Stored
    old: Stored | None


class Store:
    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self._tables: dict[Key, dict[Name, Stored]] = {}
        self._resources: dict[Key, Resource] = {}
        self._order: dict[Key, list[Name]] = {}
        self._log: list[Event] = []
        self.shapes: dict[Key, Shape] = {}  # of custom kinds, from their schemas
        self._subscriptions: set[Subscription] = set()
        self.version = 1
        self.compacted = 1  # watches must start at this version or later
        self.listeners: list[Callable[[Event], None]] = []

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

    def count(self, resource: Resource, namespace: str | None = None) -> int:
        return len(self._names(resource, namespace))

    def _names(self, resource: Resource, namespace: str | None) -> Sequence[Name]:
        order = self._order.get(resource.key, [])
        if namespace is None:
            return order
        start = bisect_left(order, (namespace, ""))
        return order[start : bisect_left(order, (namespace + "\0", ""), lo=start)]

    def snapshot_at(
        self, resource: Resource, namespace: str | None, version: int
    ) -> Sequence[Stored]:
        """The same as it was at an older version, found by undoing the log."""
        if version < self.compacted:
            raise status.expired(f"too old resource version: {version} ({self.compacted})")
        later = [
            event
            for event in self._log[self._position(version) :]
            if event.resource.key == resource.key
        ]
        if not later:
            return self.snapshot_of(resource, namespace)
        found = {_name_of(item.object): item for item in self.snapshot_of(resource, namespace)}
        for event in reversed(later):
            name = _name_of(event.object)
            if namespace is not None and name[0] != namespace:
                continue
            if event.old is None:
                found.pop(name, None)
            else:
                found[name] = event.old
        return [found[name] for name in sorted(found)]

    def shape_of(self, resource: Resource) -> Shape:
        return self.shapes.get(resource.key, BUILT_IN_SHAPE)

    def kinds(self) -> Iterable[Resource]:
        return self._resources.values()

    # Writing

    def create(
        self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False
    ) -> Object:
        new = orjson.loads(orjson.dumps(obj))
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + _suffix()
        namespace = metadata.get("namespace", "") if resource.namespaced else None
        if self.peek(resource, namespace, metadata["name"]):
            raise status.already_exists(resource, metadata["name"])
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
        """`managedFields` are worked out here, unless the caller sends new ones (an apply)."""
        old = self._required(resource, obj)
        new = _merged_for_write(resource, old.object, orjson.loads(orjson.dumps(obj)), subresource)
        self._check_version(resource, obj, old)
        if not _differs(old.object, new):
            return old.copy()
        if resource.has_generation and _desired(old.object) != _desired(new):
            new["metadata"]["generation"] = old.object["metadata"].get("generation", 0) + 1
        if manager and _fields(new) == _fields(old.object):
            self._record(resource, old, new, manager, subresource)
        if new["metadata"].get("deletionTimestamp") and not finalizers_of(new):
            return self._remove(resource, old._replace(object=new), dry_run)
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
        _check_preconditions(resource, old.object["metadata"], uid, resource_version)
        new = old.copy()
        wait_s = _grace(resource, new, grace_s)
        _add_propagation_finalizer(new["metadata"], propagation)
        if not finalizers_of(new) and not wait_s:
            return self._remove(resource, old, dry_run)
        if new["metadata"].get("deletionTimestamp"):
            return old.copy()
        new["metadata"]["deletionTimestamp"] = rfc3339(self.now())
        new["metadata"]["deletionGracePeriodSeconds"] = wait_s
        if resource.has_generation:
            new["metadata"]["generation"] = new["metadata"].get("generation", 0) + 1
        if resource.key == ("", "namespaces"):
            new["status"] = {"phase": "Terminating"}
        return self._put("MODIFIED", resource, new, old, dry_run)

    # Watching

    def subscribe(self, resource: Resource | None = None, since: int | None = None) -> Subscription:
        """Events from now on, or of everything after version `since`."""
        missed = self.events_since(since) if since is not None else []
        subscription = Subscription(resource.key if resource else None, self._subscriptions)
        for event in missed:
            subscription.offer(event)
        self._subscriptions.add(subscription)
        return subscription

    def events_since(self, version: int) -> Sequence[Event]:
        if version < self.compacted:
            raise status.expired(f"too old resource version: {version} ({self.compacted})")
        if version > self.version:
            raise status.version_too_large(version, self.version)
        return self._log[self._position(version) :]

    def close_subscriptions(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.close()

    def compact(self, version: int | None = None) -> None:
        """Forget events up to a version (default: all), as the watch cache does with time."""
        self.compacted = self.version if version is None else max(version, self.compacted)
        del self._log[: self._position(self.compacted)]

    # Keeping over restarts

    def snapshot(self, path: Path) -> None:
        path.write_bytes(self.dump())

    def dump(self) -> bytes:
        kinds = [
            b'{"kind":%s,"objects":[%s]}'
            % (
                orjson.dumps([resource.group, resource.plural]),
                b",".join(stored.encoded for stored in self._tables[key].values()),
            )
            for key, resource in self._resources.items()
            if self._tables.get(key)
        ]
        return b'{"resourceVersion":%d,"kinds":[%s]}' % (self.version, b",".join(kinds))

    def saved(self, path: Path, resource: Resource) -> Objects:
        """What a snapshot holds of one kind."""
        kinds = orjson.loads(path.read_bytes())["kinds"]
        return [
            obj for kind in kinds if tuple(kind["kind"]) == resource.key for obj in kind["objects"]
        ]

    def restore(self, path: Path, find: Callable[[str, str], Resource | None]) -> None:
        """Objects of kinds that `find` no longer knows are dropped. Old watches will get 410."""
        saved = orjson.loads(path.read_bytes())
        self.version = self.compacted = saved["resourceVersion"] + GAP_AFTER_RESTORE
        for kind in saved["kinds"]:
            resource = find(*kind["kind"])
            if resource is None:
                continue
            for obj in kind["objects"]:
                self._file(resource, _stored(obj, int(obj["metadata"]["resourceVersion"])), True)

    # Inside

    def _required(self, resource: Resource, obj: Object) -> Stored:
        metadata = obj["metadata"]
        old = self.peek(resource, metadata.get("namespace"), metadata["name"])
        if old is None:
            raise status.not_found(resource, metadata["name"])
        return old

    def _check_version(self, resource: Resource, obj: Object, old: Stored) -> None:
        asked = obj["metadata"].get("resourceVersion")
        uid = obj["metadata"].get("uid")
        if asked and asked != str(old.version):
            raise status.conflict(resource, obj["metadata"]["name"])
        if uid and uid != old.object["metadata"]["uid"]:
            raise _uid_conflict(
                resource, obj["metadata"]["name"], uid, old.object["metadata"]["uid"]
            )

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
        new["metadata"]["managedFields"] = encode(
            after_update(before, mine, was, flatten(new, shape))
        )

    def _put(
        self, type_: str, resource: Resource, new: Object, old: Stored | None, dry_run: bool
    ) -> Object:
        new = {
            "apiVersion": resource.stored_api_version, "kind": resource.kind, **_body(new),
        }  # fmt: skip
        if dry_run:
            return new
        stored = self._next(new)
        self._file(resource, stored, old is None)
        self._publish(Event(type_, resource, stored.object, stored.version, stored, old))
        return stored.copy()

    def _remove(self, resource: Resource, old: Stored, dry_run: bool) -> Object:
        last = orjson.loads(orjson.dumps(old.object))
        if dry_run:
            return last
        stored = self._next(last)
        name = _name_of(last)
        before = self._tables[resource.key].pop(name)
        order = self._order[resource.key]
        del order[bisect_left(order, name)]
        self._publish(Event("DELETED", resource, stored.object, stored.version, stored, before))
        return last

    def _next(self, obj: Object) -> Stored:
        self.version += 1
        return _stored(obj, self.version)

    def _file(self, resource: Resource, stored: Stored, is_new: bool) -> None:
        self._resources.setdefault(resource.key, resource)
        self._tables.setdefault(resource.key, {})[_name_of(stored.object)] = stored
        if is_new:
            insort(self._order.setdefault(resource.key, []), _name_of(stored.object))

    def _publish(self, event: Event) -> None:
        self._log.append(event)
        if len(self._log) > 2 * LOG_LIMIT:
            self.compact(self._log[-LOG_LIMIT].resource_version)
        for subscription in list(self._subscriptions):
            subscription.offer(event)
        for listener in self.listeners:
            listener(event)

    def _position(self, version: int) -> int:
        return bisect_right(self._log, version, key=lambda event: event.resource_version)


def _stored(obj: Object, version: int) -> Stored:
    obj["metadata"]["resourceVersion"] = str(version)
    return Stored(obj, orjson.dumps(obj), version)


def _name_of(obj: Object) -> Name:
    return (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def finalizers_of(obj: Object) -> list[str]:
    """A namespace has another list of them in its spec, which its emptying waits for."""
    listed = list(obj["metadata"].get("finalizers", ()))
    return listed + (obj["spec"].get("finalizers", []) if obj["kind"] == "Namespace" else [])


def _suffix() -> str:
    return "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def _fields(obj: Object) -> list[Object] | None:
    return obj["metadata"].get("managedFields")


def _desired(obj: Object) -> Object:
    skipped = ("apiVersion", "kind", "metadata", "status")
    return {key: value for key, value in obj.items() if key not in skipped}


def _differs(old: Object, new: Object) -> bool:
    """managedFields alone differ only by an apply that takes or gives up ownership: a write."""
    return orjson.dumps(_body(old), option=orjson.OPT_SORT_KEYS) != orjson.dumps(
        _body(new), option=orjson.OPT_SORT_KEYS
    )


KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def _merged_for_write(
    resource: Resource, old: Object, new: Object, subresource: str | None
) -> Object:
    """The new object as far as this endpoint may write it, on top of what the server keeps."""
    if subresource == "status":
        merged = {**old, "metadata": {**old["metadata"]}}
        merged["metadata"].update(_managed(new))
        merged.pop("status", None)
        return merged | ({"status": new["status"]} if "status" in new else {})
    if resource.has_status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    before = old["metadata"]
    kept = {name: before[name] for name in KEPT if name in before}
    metadata = {k: v for k, v in new["metadata"].items() if k not in KEPT}
    metadata = metadata | kept | {"resourceVersion": before["resourceVersion"]}
    if "managedFields" not in metadata:
        metadata |= _managed(old)
    return {**new, "metadata": metadata}


def _managed(obj: Object) -> Object:
    fields = obj["metadata"].get("managedFields")
    return {} if fields is None else {"managedFields": fields}


def _grace(resource: Resource, obj: Object, asked_s: int | None) -> int:
    """Only a pod that a node runs is given time; the kubelet (or its stand-in) ends it."""
    if resource.key != ("", "pods") or not obj.get("spec", {}).get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    declared = obj["spec"].get("terminationGracePeriodSeconds", POD_GRACE_S)
    return declared if asked_s is None else asked_s


def _add_propagation_finalizer(metadata: Object, propagation: str) -> None:
    """https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion"""
    finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
    if finalizer and finalizer not in metadata.get("finalizers", []):
        metadata["finalizers"] = [*metadata.get("finalizers", []), finalizer]


def _check_preconditions(
    resource: Resource, metadata: Object, uid: str | None, version: str | None
) -> None:
    if uid and uid != metadata["uid"]:
        raise _uid_conflict(resource, metadata["name"], uid, metadata["uid"])
    if version and version != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {version}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
        raise status.conflict(resource, metadata["name"], why)


def _uid_conflict(resource: Resource, name: str, asked: str, found: str) -> StatusError:
    why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
    return status.conflict(resource, name, why)
