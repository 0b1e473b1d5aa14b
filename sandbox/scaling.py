"""The sub-resource `/scale`: one number of a workload, whatever its kind.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/scale-v1/
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aiohttp import web

from sandbox import changes, decoding, status, writing
from sandbox.answers import json_answer
from sandbox.calls import Call
from sandbox.resources import SCALES, Resource
from sandbox.shapes import Json
from sandbox.status import Cause

Object = dict[str, Any]


class Paths(NamedTuple):
    """Where in the object the numbers stand; for built-in kinds, as they all have it."""

    wanted: str = ".spec.replicas"
    present: str = ".status.replicas"
    selector: str = ".spec.selector"


async def get(call: Call) -> web.Response:
    return _answer(call, _required(call))


async def update(call: Call) -> web.Response:
    asked = await writing.read_object(call)
    writing.check_says_name(call, asked)
    decoding.check(SCALES, asked)
    return _answer(call, _scaled(call, _required(call), asked))


async def patch(call: Call) -> web.Response:
    obj = _required(call)
    takes = [kind for kind in changes.accepted(call.resource) if kind != changes.APPLY_PATCH]
    change = await changes.read(call, takes)
    asked = change.applied(scale_of(call.resource, obj), SCALES)
    change.check_types(asked, SCALES)
    return _answer(call, _scaled(call, obj, asked))


def scale_of(resource: Resource, obj: Object) -> Object:
    about, paths = obj["metadata"], _paths(resource)
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    wanted = _at(obj, paths.wanted)
    present: Object = {"replicas": _at(obj, paths.present) or 0}
    selector = _selector(_at(obj, paths.selector)) if paths.selector else ""
    return {
        "kind": SCALES.kind,
        "apiVersion": SCALES.api_version,
        "metadata": {name: about[name] for name in names if name in about},
        "spec": {"replicas": wanted} if wanted else {},
        "status": present | ({"selector": selector} if selector else {}),
    }


def _answer(call: Call, obj: Object) -> web.Response:
    return json_answer(scale_of(call.resource, obj), 200, call.warnings)


def _required(call: Call) -> Object:
    found = call.cluster.store.get(call.resource, call.namespace, call.name)
    if found is None:
        raise status.not_found(call.resource, call.name)
    return found


def _scaled(call: Call, obj: Object, asked: Object) -> Object:
    replicas = (asked.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        raise _negative(call, replicas)
    version = (asked.get("metadata") or {}).get("resourceVersion")
    if version and version != obj["metadata"]["resourceVersion"]:
        raise status.conflict(call.resource, call.name)
    _put(obj, _paths(call.resource).wanted, replicas)
    return call.cluster.store.update(
        call.resource, obj, manager=call.manager, subresource="scale", dry_run=call.is_dry_run
    )


def _negative(call: Call, replicas: int) -> status.StatusError:
    """Custom kinds have words of their own for it."""
    if call.resource.is_custom:
        about, field = call.resource, _paths(call.resource).wanted
        why = f"Invalid value: {replicas}: should be a non-negative integer"
    else:
        about, field = SCALES, "spec.replicas"
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
    return status.invalid(about, call.name, [Cause("FieldValueInvalid", field, why)])


def _paths(resource: Resource) -> Paths:
    declared = resource.scale
    if declared is None:
        return Paths()
    return Paths(
        declared["specReplicasPath"],
        declared["statusReplicasPath"],
        declared.get("labelSelectorPath", ""),
    )


def _at(obj: Object, path: str) -> Json:
    here: Json = obj
    for step in path.strip(".").split("."):
        here = here.get(step) if isinstance(here, dict) else None
    return here


def _put(obj: Object, path: str, value: int) -> None:
    *parents, last = path.strip(".").split(".")
    for step in parents:
        obj = obj.setdefault(step, {})
    obj[last] = value


def _selector(value: Json) -> str:
    """A custom kind keeps it as text already."""
    if not isinstance(value, dict):
        return value or ""
    labels = value.get("matchLabels") or {}
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))
