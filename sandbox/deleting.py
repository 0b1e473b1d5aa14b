"""DELETE of one object or of all that are selected, and its options.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox import protobuf, status
from sandbox.answers import in_version, json_answer, object_answer
from sandbox.calls import Call, content_type, decode_object, read_body
from sandbox.listing import check_list_options
from sandbox.resources import NAMESPACES
from sandbox.selectors import selection
from sandbox.status import Cause

Object = dict[str, Any]

POLICIES = (None, "Background", "Foreground", "Orphan")


async def delete(call: Call) -> web.Response:
    gone = _delete(call, call.namespace, call.name, await _options(call))
    if gone["metadata"].get("deletionTimestamp"):
        return object_answer(call, gone)
    return object_answer(call, status.success(call.resource, call.name, gone["metadata"]["uid"]))


async def delete_collection(call: Call) -> web.Response:
    """Answers what it deleted, as it last was."""
    if call.resource.key == NAMESPACES.key:
        raise status.method_not_allowed()
    check_list_options(call)
    options = await _options(call)
    query = call.query
    selects = selection(
        call.resource, query.get("labelSelector", ""), query.get("fieldSelector", "")
    )
    store, resource = call.cluster.store, call.resource
    found = [
        stored.name
        for stored in store.snapshot_of(resource, call.namespace)
        if selects is None or selects(stored.object)
    ]
    gone = [_delete(call, namespace, name, options) for namespace, name in found]
    answer = {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(store.version)},
        "items": [in_version(resource, obj) for obj in gone],
    }
    return json_answer(answer, 200, call.warnings)


def _delete(call: Call, namespace: str | None, name: str, options: Object) -> Object:
    preconditions = options.get("preconditions") or {}
    return call.cluster.store.delete(
        call.resource,
        namespace,
        name,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation=options.get("propagationPolicy") or "Background",
        grace_s=options.get("gracePeriodSeconds"),
        dry_run=bool(options.get("dryRun")),
    )


async def _options(call: Call) -> Object:
    """A body, when there is one, wins over the query as a whole."""
    body = await read_body(call.request)
    options = _decoded(call, body) if body else _query_options(call)
    if any(value != "All" for value in options.get("dryRun") or []):
        raise status.bad_request(f'invalid dryRun value: {options["dryRun"]}, must be "All"')
    policy = options.get("propagationPolicy")
    if policy not in POLICIES:
        supported = '"Foreground", "Background", "Orphan", "nil"'
        text = f'Unsupported value: "{policy}": supported values: {supported}'
        cause = Cause("FieldValueNotSupported", "propagationPolicy", text)
        raise status.invalid(call.resource, call.name, [cause])
    return options


def _decoded(call: Call, body: bytes) -> Object:
    kind = content_type(call.request)
    return (
        protobuf.decode_object(body) if kind == protobuf.MEDIA_TYPE else decode_object(body, kind)
    )


def _query_options(call: Call) -> Object:
    options: Object = {"dryRun": call.request.query.getall("dryRun", [])}
    if "propagationPolicy" in call.query:
        options["propagationPolicy"] = call.query["propagationPolicy"]
    options["gracePeriodSeconds"] = call.number("gracePeriodSeconds")
    return options
