"""Kubernetes Events: repeated ones are counted, old ones are dropped, there are never too many.

https://github.com/kubernetes/client-go/blob/v0.34.0/tools/record/events_cache.go
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import parse_time, rfc3339
from sandbox.resources import EVENTS, NAMESPACES
from sandbox.store import Store

KEPT_FOR = timedelta(hours=1)
LIMIT = 2_000
SWEEP_EVERY = timedelta(minutes=1)

Raw = dict[str, Any]
Name = tuple[str, str]
Same = tuple[str, str, str, str]  # object uid, reason, message, component


class Recorder:
    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._names: dict[Same, Name] = {}
        self._swept = now()
        for stored in store.snapshot_of(EVENTS):
            self._remember(stored.object)

    def record(self, obj: Raw, kind: str, reason: str, message: str, component: str) -> None:
        """`kind` is Normal or Warning; `component` who says it."""
        self._sweep()
        if self._is_ending(obj["metadata"].get("namespace", "default")):
            return
        same = (obj["metadata"]["uid"], reason, message, component)
        known = self._store.get(EVENTS, *self._names[same]) if same in self._names else None
        if known is not None:
            known["count"] = known.get("count", 1) + 1
            known["lastTimestamp"] = rfc3339(self._now())
            self._store.update(EVENTS, known, manager=component)
            return
        event = self._new(obj, component)
        event |= {"type": kind, "reason": reason, "message": message}
        self._remember(self._store.create(EVENTS, event, manager=component))

    def _is_ending(self, namespace: str) -> bool:
        """Nothing can be created in a namespace that is going; an event would hold it for ever."""
        found = self._store.peek(NAMESPACES, None, namespace)
        return found is not None and "deletionTimestamp" in found.object["metadata"]

    def _new(self, obj: Raw, component: str) -> Raw:
        metadata, now = obj["metadata"], rfc3339(self._now())
        namespace = metadata.get("namespace", "default")
        source = {"component": component}
        if component == "kubelet":
            source["host"] = (obj.get("spec") or {}).get("nodeName") or metadata["name"]
        return {
            "metadata": {
                "name": f"{metadata['name']}.{secrets.token_hex(8)}",
                "namespace": namespace,
            },
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
            },
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "eventTime": None,
            "source": source,
            "reportingComponent": component,
            "reportingInstance": source.get("host", ""),
        }

    def _remember(self, event: Raw) -> None:
        involved, source = event["involvedObject"], event.get("source") or {}
        same = (
            involved.get("uid", ""),
            event.get("reason", ""),
            event.get("message", ""),
            source.get("component", ""),
        )
        self._names[same] = _name(event)

    def _sweep(self) -> None:
        """Old ones go once a minute; at the limit the oldest go at once, some more than need be."""
        now = self._now()
        is_full = self._store.count(EVENTS) >= LIMIT
        if not is_full and now - self._swept < SWEEP_EVERY:
            return
        self._swept = now
        surplus = LIMIT // 10 if is_full else 0
        stored = sorted(self._store.snapshot_of(EVENTS), key=lambda each: _last(each.object))
        dropped = {
            _name(each.object)
            for position, each in enumerate(stored)
            if position < surplus or parse_time(_last(each.object)) < now - KEPT_FOR
        }
        for name in dropped:
            self._store.delete(EVENTS, *name)
        self._names = {same: name for same, name in self._names.items() if name not in dropped}


def _name(event: Raw) -> Name:
    return (event["metadata"].get("namespace", ""), event["metadata"]["name"])


def _last(event: Raw) -> str:
    return event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
