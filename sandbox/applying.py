"""PATCH with an apply configuration: checked, merged, and created where there is nothing yet.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox import admission, apply, decoding, kinds, options, preparing, status, writing
from sandbox.answers import in_version, object_answer
from sandbox.calls import Call, decode, read_body
from sandbox.clock import rfc3339
from sandbox.duplicates import duplicate_fields
from sandbox.managed import Entry
from sandbox.patches import undecodable
from sandbox.routing import is_true
from sandbox.shapes import RootShape, Shape

Object = dict[str, Any]


async def answer(call: Call) -> web.Response:
    options.check_patch(call, is_apply=True)
    config = _read(call, await read_body(call.request))
    about = config.get("metadata")
    namespace = about.get("namespace", "") if isinstance(about, dict) else ""
    _check(call, config)
    mine = Entry(
        manager=call.query["fieldManager"],
        operation="Apply",
        api_version=call.resource.api_version,
        time=rfc3339(call.cluster.clock.now()),
        subresource=call.target.subresource,
    )
    shape = RootShape(kinds.schema(call.resource))
    _check_typed(call, config, shape, namespace)
    decoding.check(call.resource, config)
    config = _own_part(call, config)
    live = call.cluster.store.get(call.resource, call.namespace, call.name)
    if live is None:
        return _first(call, config, shape, mine)
    live = in_version(call.resource, live)
    new = apply.apply(live, config, shape=shape, mine=mine, force=is_true(call.query, "force"))
    writing.check_same(call, new, live)
    return object_answer(call, writing.updated(call, live, new, has_owners=True))


def _read(call: Call, body: bytes) -> Object:
    try:
        config = decode(body, "yaml")
    except ValueError as error:
        raise status.bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(config, dict):
        raise undecodable(config, "map[string]interface {}")
    is_json = body.lstrip()[:1] == b"{"
    if call.query.get("fieldValidation") == "Strict" and is_json:
        for path in duplicate_fields(body):
            name = path.rpartition(".")[2]
            why = f'error converting YAML to JSON: key "{name}" already set in map'
            raise status.bad_request(f"error strict decoding YAML: {why}")
    return config


def _first(call: Call, config: Object, shape: Shape, mine: Entry) -> web.Response:
    if call.target.subresource:
        raise status.not_found(call.resource, call.name)
    uid = config["metadata"].get("uid")
    if uid:
        why = (
            f"uid mismatch: the provided object specified uid {uid}, and no existing object was "
            "found"
        )
        raise status.conflict(call.resource, call.name, why)
    writing.check_may_create(call)
    admission.check_place(call, call.name)
    config = preparing.prepared(call, config)
    created = apply.first_apply(config, shape=shape, mine=mine)
    return object_answer(call, writing.created(call, created), 201)


def _check(call: Call, config: Object) -> None:
    version, kind = config.get("apiVersion") or "", config.get("kind") or ""
    if (version, kind) != (call.resource.api_version, call.resource.kind):
        said = version if "/" in str(version) else f"/{version}"
        raise status.bad_request(f"invalid object type: {said}, Kind={kind}")
    admission.check_kind(call, config)
    if config["metadata"].get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")


def _check_typed(call: Call, config: Object, shape: Shape, namespace: str) -> None:
    """Told with the namespace that stood in the body, or none."""
    errors = apply.type_errors(config, shape)
    if not errors:
        return
    where = f"{namespace}/{call.name}; {call.resource.group}/{call.resource.version}"
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
