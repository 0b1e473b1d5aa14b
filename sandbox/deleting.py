"""DELETE of one object or of all that are selected.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox import options, status
from sandbox.answers import in_version, json_answer, object_answer
from sandbox.calls import Call
from sandbox.listing import check_list_options
from sandbox.resources import NAMESPACES
from sandbox.selectors import selection

Object = dict[str, Any]


async def delete(call: Call) -> web.Response:
    gone = _delete(call, call.namespace, call.name, await options.of_deletion(call))
    if gone["metadata"].get("deletionTimestamp"):
        return object_answer(call, gone)
    return object_answer(call, status.success(call.resource, call.name, gone["metadata"]["uid"]))


async def delete_collection(call: Call) -> web.Response:
    """Answers what it deleted, as it last was."""
    if call.resource.key == NAMESPACES.key:
        raise status.method_not_allowed()
    check_list_options(call)
    asked = await options.of_deletion(call)
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
    gone = [_delete(call, namespace, name, asked) for namespace, name in found]
    first = {"continue": ""} if resource.is_custom else {}
    answer = {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": first | {"resourceVersion": str(store.version)},
        "items": [in_version(resource, obj) for obj in gone],
    }
    return json_answer(answer, 200, call.warnings)


def _delete(call: Call, namespace: str | None, name: str, asked: Object) -> Object:
    preconditions = asked.get("preconditions") or {}
    return call.cluster.store.delete(
        call.resource,
        namespace,
        name,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation=asked.get("propagationPolicy") or "Background",
        grace_s=asked.get("gracePeriodSeconds"),
        dry_run=bool(asked.get("dryRun")),
    )
