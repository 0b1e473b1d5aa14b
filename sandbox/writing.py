"""The verbs that change one object: create, update, patch, apply, delete."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox import admission, apply, kinds, patches, protobuf, status
from sandbox.answers import in_version, object_answer
from sandbox.auth import Attributes
from sandbox.calls import Call, content_type, decode, decode_object, read_body
from sandbox.clock import rfc3339
from sandbox.managed import Entry
from sandbox.resources import Resource
from sandbox.routing import is_true
from sandbox.shapes import RootShape, Shape
from sandbox.status import Cause

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
ACCEPTED_PATCHES = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
BODY_TYPES = ["application/json", "application/yaml"]
PATCH_OPTIONS = Resource(
    group="meta.k8s.io", version="v1", plural="", singular="", kind="PatchOptions"
)


async def create(call: Call) -> web.Response:
    if call.name:
        raise status.method_not_allowed()
    obj = await read_object(call)
    admission.check_kind(call, obj)
    admission.check_place(call)
    return object_answer(call, _created(call, admission.prepare_new(call, obj)), 201)


async def update(call: Call) -> web.Response:
    obj = await read_object(call)
    admission.check_kind(call, obj)
    if call.resource.is_custom and not obj["metadata"].get("resourceVersion"):
        text = "Invalid value: 0: must be specified for an update"
        cause = Cause("FieldValueInvalid", "metadata.resourceVersion", text)
        raise status.invalid(call.resource, call.name, [cause])
    obj["metadata"].pop("managedFields", None)
    return object_answer(call, _updated(call, _required(call), obj))


async def patch(call: Call) -> web.Response:
    kind = content_type(call.request)
    if kind not in ACCEPTED_PATCHES:
        raise status.unsupported_media_type(ACCEPTED_PATCHES)
    body = await read_body(call.request)
    if kind == APPLY_PATCH:
        return _apply(call, decode_object(body, "yaml"))
    if "force" in call.query:
        text = "Forbidden: may not be specified for non-apply patch"
        raise _bad_patch_option("force", "FieldValueForbidden", text)
    old = _required(call)
    change = decode(body, kind)
    if kind == JSON_PATCH:
        new = patches.apply_json_patch(old, change)
    else:
        new = patches.merge(old, change)
    admission.check_kind(call, new)
    new["metadata"]["managedFields"] = old["metadata"].get("managedFields", [])
    return object_answer(call, _updated(call, old, new, patch=body.decode("utf-8", "replace")))


async def delete(call: Call) -> web.Response:
    options = await _delete_options(call)
    preconditions = options.get("preconditions") or {}
    store = call.cluster.store
    gone = store.delete(
        call.resource,
        call.namespace,
        call.name,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation=options.get("propagationPolicy") or "Background",
        grace_s=options.get("gracePeriodSeconds"),
        dry_run=bool(options.get("dryRun")),
    )
    if gone["metadata"].get("deletionTimestamp"):
        return object_answer(call, gone)
    return object_answer(call, status.success(call.resource, call.name, gone["metadata"]["uid"]))


def _required(call: Call) -> Object:
    found = call.cluster.store.get(call.resource, call.namespace, call.name)
    if found is None:
        raise status.not_found(call.resource, call.name)
    return in_version(call.resource, found)


async def read_object(call: Call) -> Object:
    kind = content_type(call.request)
    if kind == protobuf.MEDIA_TYPE and call.resource.kind in protobuf.DECODERS:
        return protobuf.decode_object(await read_body(call.request))
    if kind not in BODY_TYPES:
        raise status.unsupported_media_type(BODY_TYPES)
    return decode_object(await read_body(call.request), kind)


def _created(call: Call, obj: Object) -> Object:
    obj = admission.fit_schema(call, obj)
    admission.check_object(call, obj, None)
    admission.call_webhooks(call, "CREATE", obj, None)
    return call.cluster.store.create(
        call.resource, obj, manager=call.manager, dry_run=call.is_dry_run
    )


def _updated(
    call: Call, old: Object, new: Object, *, patch: str = "", is_apply: bool = False
) -> Object:
    """An apply has already worked out who owns what; for the others the store does."""
    fitted = admission.fit_schema(call, new, patch=patch)
    shown = _as_written(call, old, fitted)
    admission.check_object(call, shown, old)
    admission.call_webhooks(call, "UPDATE", shown, old)
    return call.cluster.store.update(
        call.resource,
        fitted,
        manager="" if is_apply else call.manager,
        subresource=call.target.subresource or None,
        dry_run=call.is_dry_run,
    )


def _as_written(call: Call, old: Object, new: Object) -> Object:
    """What is judged: each endpoint changes only its own part of the object."""
    if call.target.subresource == "status":
        return old | {"status": new.get("status")}
    if not call.resource.has_status:
        return new
    kept = {"status": old["status"]} if "status" in old else {}
    return {key: value for key, value in new.items() if key != "status"} | kept


def _apply(call: Call, config: Object) -> web.Response:
    _check_apply(call, config)
    mine = Entry(
        manager=call.query["fieldManager"],
        operation="Apply",
        api_version=call.resource.api_version,
        time=rfc3339(call.cluster.clock.now()),
        subresource=call.target.subresource,
    )
    shape = _shape(call)
    _check_typed(call, config, shape)
    config = _own_part(call, config)
    live = call.cluster.store.get(call.resource, call.namespace, call.name)
    if live is None:
        return _first_apply(call, config, shape, mine)
    live = in_version(call.resource, live)
    force = is_true(call.query, "force")
    new = apply.apply(live, config, shape=shape, mine=mine, force=force)
    return object_answer(call, _updated(call, live, new, is_apply=True))


def _first_apply(call: Call, config: Object, shape: Shape, mine: Entry) -> web.Response:
    if call.target.subresource:
        raise status.not_found(call.resource, call.name)
    uid = config["metadata"].get("uid")
    if uid:
        why = (
            f"uid mismatch: the provided object specified uid {uid}, and no existing object was "
            "found"
        )
        raise status.conflict(call.resource, call.name, why)
    _check_may_create(call)
    admission.check_place(call)
    config = admission.prepare_new(call, config)
    created = apply.first_apply(config, shape=shape, mine=mine)
    return object_answer(call, _created(call, created), 201)


def _check_apply(call: Call, config: Object) -> None:
    if not call.query.get("fieldManager"):
        text = "Required value: is required for apply patch"
        raise _bad_patch_option("fieldManager", "FieldValueRequired", text)
    version = config.get("apiVersion", "")
    if version != call.resource.api_version:
        raise status.bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {version}, "
            f"expected: {call.resource.api_version}"
        )
    admission.check_kind(call, config)
    if config["metadata"].get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")


def _check_typed(call: Call, config: Object, shape: Shape) -> None:
    errors = apply.type_errors(config, shape)
    if not errors:
        return
    where = f"{call.target.namespace}/{call.name}; {call.resource.api_version}"
    said = errors[0] if len(errors) == 1 else "errors:\n  " + "\n  ".join(errors)
    raise status.untyped(
        f"failed to create typed patch object ({where}, Kind={call.resource.kind}): {said}"
    )


def _own_part(call: Call, config: Object) -> Object:
    """The status belongs to its own endpoint, everything else to the main one."""
    identity = ("apiVersion", "kind", "metadata")
    if call.target.subresource == "status":
        names = {name: config["metadata"][name] for name in ("name", "namespace", "uid")
                 if name in config["metadata"]}  # fmt: skip
        kept = {key: config[key] for key in (*identity, "status") if key in config}
        return kept | {"metadata": names}
    if call.resource.has_status:
        return {key: value for key, value in config.items() if key != "status"}
    return config


def _check_may_create(call: Call) -> None:
    target = call.target
    asked = Attributes(
        verb="create", group=target.group, resource=target.plural, namespace=target.namespace
    )
    allowed, reason = call.cluster.authorizer.judge(call.identity, asked)
    if not allowed:
        raise status.forbidden_to(call.identity.user, asked, reason)


def _shape(call: Call) -> Shape:
    """Of the version that was asked for; the store keeps that of the stored one."""
    return RootShape(kinds.schema(call.resource))


def _bad_patch_option(field: str, reason: str, message: str) -> status.StatusError:
    return status.invalid(PATCH_OPTIONS, "", [Cause(reason, field, message)])


async def _delete_options(call: Call) -> Object:
    """A body, when there is one, wins over the query as a whole.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/
    """
    body = await read_body(call.request)
    options = decode_object(body, content_type(call.request)) if body else _query_options(call)
    if any(value != "All" for value in options.get("dryRun") or []):
        raise status.bad_request(f'invalid dryRun value: {options["dryRun"]}, must be "All"')
    policy = options.get("propagationPolicy")
    if policy not in (None, "Background", "Foreground", "Orphan"):
        supported = '"Foreground", "Background", "Orphan", "nil"'
        text = f'Unsupported value: "{policy}": supported values: {supported}'
        cause = Cause("FieldValueNotSupported", "propagationPolicy", text)
        raise status.invalid(call.resource, call.name, [cause])
    return options


def _query_options(call: Call) -> Object:
    options: Object = {"dryRun": call.request.query.getall("dryRun", [])}
    if "propagationPolicy" in call.query:
        options["propagationPolicy"] = call.query["propagationPolicy"]
    options["gracePeriodSeconds"] = call.number("gracePeriodSeconds")
    return options
