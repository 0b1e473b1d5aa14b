"""Answers: in which form a client wants an object, and the bytes of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from sandbox import eventforms, schemas, status, tables
from sandbox.calls import JSON_TYPE, Call
from sandbox.resources import Resource
from sandbox.store import Stored

Object = dict[str, Any]

MEDIA_TYPES = (JSON_TYPE, "application/yaml", "application/vnd.kubernetes.protobuf")
FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def form_of(accept: str) -> str:
    """The first media type of the Accept header that this server can write; "" is the plain one."""
    for media_range in accept.split(","):
        kind, *parameters = [part.strip() for part in media_range.split(";")]
        if kind not in (JSON_TYPE, "application/*", "*/*"):
            continue
        wanted = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        if wanted.get("as", "") in ("", *FORMS):
            return wanted.get("as", "")
    message = f"only the following media types are accepted: {', '.join(MEDIA_TYPES)}"
    raise status.StatusError(406, "NotAcceptable", message)


def wanted_form(call: Call) -> str:
    return form_of(call.request.headers.get("Accept", "*/*") or "*/*")


def json_answer(
    body: bytes | Object, code: int = 200, warnings: Sequence[str] = ()
) -> web.Response:
    answer = web.Response(
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        status=code,
        content_type=JSON_TYPE,
        headers={"Cache-Control": "no-cache, private", "Audit-Id": str(uuid.uuid4())},
    )
    for warning in warnings:
        answer.headers.add("Warning", f'299 - "{_header_text(warning)}"')
    return answer


def _header_text(text: str) -> str:
    printable = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')


def status_answer(error: status.StatusError) -> web.Response:
    if error.text:
        return web.Response(text=error.text, status=error.code, charset="utf-8")
    answer = json_answer(error.status, error.code)
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def encoded(resource: Resource, stored: Stored) -> bytes:
    """In the version that was asked for. Stored bytes, unless that is not the stored version."""
    if resource.api_version == resource.stored_api_version:
        return stored.encoded
    return orjson.dumps(in_version(resource, stored.copy()))


def in_version(resource: Resource, obj: Object) -> Object:
    """KAITO's CRD has no conversion: only apiVersion changes, then that version's schema rules."""
    obj = obj | {"apiVersion": resource.api_version}
    if eventforms.is_new(resource):
        return eventforms.shown(obj)
    if resource.schema is not None:
        schemas.prune(obj, resource.schema)
        schemas.set_defaults(obj, resource.schema)
    return obj


def object_answer(call: Call, obj: Object, code: int = 200) -> web.Response:
    obj = obj if obj.get("kind") == "Status" else in_version(call.resource, obj)
    return json_answer(in_form(call, obj, wanted_form(call)), code, call.warnings)


def in_form(call: Call, obj: Object, form: str) -> bytes:
    if form == "Table" and obj.get("kind") != "Status":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return table_of(call, [obj], metadata)
    if form == "PartialObjectMetadata" and obj.get("kind") != "Status":
        return orjson.dumps(tables.partial(obj))
    return orjson.dumps(obj)


def table_of(call: Call, objects: Sequence[Object], metadata: Object) -> bytes:
    include = call.query.get("includeObject", "Metadata")
    now = call.cluster.clock.now()
    if eventforms.is_new(call.resource):
        objects = [eventforms.stored(obj) for obj in objects]
    return tables.table(call.resource, objects, metadata, now=now, include=include)
