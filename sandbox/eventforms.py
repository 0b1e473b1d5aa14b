"""Events have two faces, core/v1 and events.k8s.io/v1; they are stored with the first.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/events/v1/conversion.go
"""

from __future__ import annotations

from typing import Any

from sandbox.resources import EVENTS, Resource

Object = dict[str, Any]

CORE_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
NEW_TO_CORE = {new: core for core, new in CORE_TO_NEW.items()}


def is_new(resource: Resource) -> bool:
    return resource.key == EVENTS.key and resource.group != EVENTS.group


def shown(obj: Object) -> Object:
    return {CORE_TO_NEW.get(key, key): value for key, value in obj.items()}


def stored(obj: Object) -> Object:
    return {NEW_TO_CORE.get(key, key): value for key, value in obj.items()}


def stored_path(path: str) -> str:
    """Of a field selector."""
    head, dot, rest = path.partition(".")
    return f"{NEW_TO_CORE.get(head, head)}{dot}{rest}"
