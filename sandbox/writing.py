"""Create, update and patch of one object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from sandbox import admission, changes, decoding, eventforms, options, preparing, protobuf, status
from sandbox.answers import in_version, object_answer
from sandbox.auth import Attributes
from sandbox.calls import Call, content_type, decode_object, read_body
from sandbox.duplicates import duplicate_fields
from sandbox.kinds import defaults
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ENDPOINTS,
    EVENTS,
    LEASES,
    ROLEBINDINGS,
    ROLES,
    SERVICES,
)
from sandbox.status import Cause

Object = dict[str, Any]

BODY_TYPES = ["application/json", "application/yaml", protobuf.MEDIA_TYPE]
# Kinds that a PUT may create; all others answer 404.
CREATED_BY_UPDATE = {
    row.key
    for row in (
        CLUSTERROLEBINDINGS, CLUSTERROLES, ENDPOINTS, EVENTS, LEASES, ROLEBINDINGS, ROLES, SERVICES,
    )
}  # fmt: skip


async def create(call: Call) -> web.Response:
    if call.name:
        raise status.method_not_allowed()
    options.check(call, "CreateOptions")
    return _create(call, await read_object(call))


async def update(call: Call) -> web.Response:
    check_named(call)
    options.check(call, "UpdateOptions")
    obj = await read_object(call)
    found = call.cluster.store.peek(call.resource, call.namespace, call.name)
    if found is None and call.resource.key in CREATED_BY_UPDATE and not call.target.subresource:
        check_may_create(call)
        return _create(call, obj)
    old = required(call)
    check_says_name(call, obj)
    admission.check_kind(call, obj)
    decoding.check(call.resource, obj)
    if call.resource.is_custom and not obj["metadata"].get("resourceVersion"):
        raise _without_version(call)
    obj["metadata"].pop("managedFields", None)
    return object_answer(call, updated(call, old, obj))


async def patch(call: Call) -> web.Response:
    change = await changes.read(call, changes.accepted(call.resource))
    old = required(call)
    new = change.applied(old, call.resource)
    whole = orjson.dumps(new).decode()
    admission.check_kind(call, new)
    change.check_types(new, call.resource)
    check_same(call, new, old)
    owners = new["metadata"].get("managedFields")
    new["metadata"]["managedFields"] = old["metadata"].get("managedFields", [])
    if owners in ([], [{}]):  # how a client says that nobody owns anything any more
        new["metadata"]["managedFields"] = []
        return object_answer(
            call, updated(call, old, new, patched=change.shown(whole), has_owners=True)
        )
    return object_answer(call, updated(call, old, new, patched=change.shown(whole)))


def check_named(call: Call) -> None:
    """Below the path of a collection; of built-in kinds that path has no such method at all."""
    if call.name:
        return
    if call.resource.is_custom:
        raise status.bad_request("name must be provided")
    raise status.method_not_allowed()


def check_says_name(call: Call, obj: Object) -> None:
    about = obj.get("metadata") or {}
    if isinstance(about, dict) and not about.get("name"):
        raise status.bad_request(
            f"the name of the object ({call.name} based on URL) was undeterminable: name must be "
            "provided"
        )


def check_same(call: Call, new: Object, old: Object) -> None:
    uid = new["metadata"].get("uid")
    if uid != old["metadata"]["uid"]:
        text = f'Invalid value: "{uid}": field is immutable'
        cause = Cause("FieldValueInvalid", "metadata.uid", text)
        raise status.invalid(call.resource, call.name, [cause])


def _without_version(call: Call) -> status.StatusError:
    """https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/registry/generic/registry/store.go"""
    text = "Invalid value: 0: must be specified for an update"
    cause = Cause("FieldValueInvalid", "metadata.resourceVersion", text)
    return status.invalid(replace(call.resource, kind=call.resource.plural), call.name, [cause])


def required(call: Call) -> Object:
    found = call.cluster.store.get(call.resource, call.namespace, call.name)
    if found is None:
        raise status.not_found(call.resource, call.name)
    return in_version(call.resource, found)


async def read_object(call: Call) -> Object:
    kind = content_type(call.request)
    if kind == protobuf.MEDIA_TYPE and protobuf.reads(call.resource.kind):
        return protobuf.decode_object(await read_body(call.request))
    if kind not in BODY_TYPES[:2]:
        raise status.unsupported_media_type(BODY_TYPES)
    body = await read_body(call.request)
    obj = decode_object(body, kind, call.resource.kind)
    if not kind.endswith("yaml"):
        call.faults += [f'duplicate field "{path}"' for path in duplicate_fields(body)]
    return obj


def _create(call: Call, obj: Object) -> web.Response:
    admission.check_kind(call, obj)
    decoding.check(call.resource, obj)
    if obj["metadata"].get("resourceVersion"):
        raise status.untyped("resourceVersion should not be set on objects to be created")
    admission.check_place(call, obj["metadata"].get("name", ""))
    return object_answer(call, created(call, preparing.prepared(call, obj)), 201)


def created(call: Call, obj: Object) -> Object:
    obj = admission.fit_schema(call, obj, is_filled=True)
    admission.check_object(call, obj, None)
    admission.call_webhooks(call, "CREATE", obj, None)
    return call.cluster.store.create(
        call.resource, _stored(call, obj), manager=call.manager, dry_run=call.is_dry_run
    )


def updated(
    call: Call, old: Object, new: Object, *, patched: str = "", has_owners: bool = False
) -> Object:
    """An apply has already worked out who owns what; for the others the store does."""
    fills = not call.resource.is_custom and defaults.is_filled(call.resource, old)
    fitted = admission.fit_schema(call, new, patched=patched, is_filled=fills)
    shown = _as_written(call, old, fitted)
    admission.check_object(call, shown, old)
    admission.call_webhooks(call, "UPDATE", shown, old)
    return call.cluster.store.update(
        call.resource,
        _stored(call, fitted),
        manager="" if has_owners else call.manager,
        subresource=call.target.subresource or None,
        dry_run=call.is_dry_run,
    )


def _stored(call: Call, obj: Object) -> Object:
    return eventforms.stored(obj) if eventforms.is_new(call.resource) else obj


def _as_written(call: Call, old: Object, new: Object) -> Object:
    """What is judged: each endpoint changes only its own part of the object."""
    if call.target.subresource == "status":
        return old | {"status": new.get("status")}
    if not call.resource.has_status:
        return new
    kept = {"status": old["status"]} if "status" in old else {}
    return {key: value for key, value in new.items() if key != "status"} | kept


def check_may_create(call: Call) -> None:
    target = call.target
    asked = Attributes(
        verb="create",
        group=target.group,
        resource=target.plural,
        namespace=target.namespace,
        name=target.name,
    )
    allowed, reason = call.cluster.authorizer.judge(call.identity, asked)
    if not allowed:
        raise status.forbidden_to(call.identity.user, asked, reason)
