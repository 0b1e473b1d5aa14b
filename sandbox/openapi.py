"""OpenAPI v3, as far as kubectl needs it: apply, explain and validation.

One document for each group and version, with a schema for each kind and a PATCH operation that
lists `fieldValidation`: without that, kubectl refuses to apply. There is no /openapi/v2, which
kubectl >= 1.30 does without.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from aiohttp import web

from sandbox import kinds, status
from sandbox.answers import json_answer
from sandbox.kinds import core
from sandbox.kinds.notation import SCALARS, Type, parse, schema_of
from sandbox.registry import Registry
from sandbox.resources import SCALES, Resource

Object = dict[str, Any]

ROOT = "/openapi/v3"
PATCH_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
REFERENCE = "#/components/schemas/"
# Of the types that stand beside the core ones, these belong to all groups.
META_TYPES = ("ObjectMeta", "OwnerReference", "LabelSelector", "LabelSelectorRequirement")
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
CORE = "io.k8s.api.core.v1"
NAMED_SCALARS = {
    "ios": ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "integer"),
    "qty": ("io.k8s.apimachinery.pkg.api.resource.Quantity", "number"),
}
FOR_EVER = "public, immutable"


def answer(request: web.Request, registry: Registry) -> web.Response:
    path = request.path.rstrip("/")
    documents = {path_of(row): (row.group, row.version) for row in registry.all()}
    if path == ROOT:
        links = {below: {"serverRelativeURL": _link(below, registry)} for below in documents}
        return json_answer({"paths": links})
    below = path.removeprefix(f"{ROOT}/")
    if below not in documents:
        raise status.no_such_path()
    return _document_answer(request, registry, below, documents[below])


def _document_answer(
    request: web.Request, registry: Registry, below: str, about: tuple[str, str]
) -> web.Response:
    """Under its hash a document never changes; under an old hash one is sent to the new one."""
    link, asked = _link(below, registry), request.query.get("hash")
    if asked and not link.endswith(f"?hash={asked}"):
        return web.Response(status=301, headers={"Location": link})
    found = json_answer(_document(registry, *about))
    if asked:
        found.headers["Cache-Control"] = FOR_EVER
    return found


def path_of(row: Resource) -> str:
    return f"apis/{row.group}/{row.version}" if row.group else f"api/{row.version}"


def _link(below: str, registry: Registry) -> str:
    """The hash lets clients keep the document until a CRD changes."""
    rows = [(repr(row), row.schema) for row in registry.all() if path_of(row) == below]
    digest = hashlib.sha256(orjson.dumps(rows)).hexdigest().upper()
    return f"{ROOT}/{below}?hash={digest}"


def _document(registry: Registry, group: str, version: str) -> Object:
    rows = [row for row in registry.all() if (row.group, row.version) == (group, version)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.3"},
        "paths": {url: operations for row in rows for url, operations in _operations(row)},
        "components": {"schemas": Components(rows).schemas},
    }


class Components:
    """The schemas of the kinds of one group, and of every type that they are made of."""

    def __init__(self, rows: list[Resource]) -> None:
        self.schemas: dict[str, Object] = {}
        self._group = ""
        for row in rows:
            self._group = name_of(row).rpartition(".")[0]
            self.schemas[name_of(row)] = self._kind(row)

    def _kind(self, row: Resource) -> Object:
        own = row.schema if row.is_custom else schema_of(_type_of(row), self._refer)
        base = own or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        about = {"group": row.group, "kind": row.kind, "version": row.version}
        text = {"type": "string"}
        properties = {"apiVersion": text, "kind": text} | base.get("properties", {})
        properties["metadata"] = {"allOf": [self._refer("ObjectMeta")]}
        return base | {"properties": properties, "x-kubernetes-group-version-kind": [about]}

    def _refer(self, type_: str) -> Object:
        if type_ in SCALARS:
            return self._scalar(type_)
        name = f"{self._home(type_)}.{type_}"
        if name not in self.schemas:
            self.schemas[name] = {}  # before its own fields refer to it again
            self.schemas[name] = schema_of(kinds.types()[type_], self._refer)
        return {"$ref": REFERENCE + name}

    def _scalar(self, type_: str) -> Object:
        if type_ not in NAMED_SCALARS:
            return SCALARS[type_]
        name, number = NAMED_SCALARS[type_]
        self.schemas[name] = {"oneOf": [{"type": number}, {"type": "string"}]}
        return {"$ref": REFERENCE + name}

    def _home(self, type_: str) -> str:
        if type_ in META_TYPES:
            return META
        return CORE if type_ in CORE_TYPES else self._group


CORE_TYPES = frozenset(parse(core.TYPES))


def _type_of(row: Resource) -> Type:
    return kinds.types()[kinds.type_name(row)]


def name_of(row: Resource) -> str:
    """Reversed group, as the server names custom kinds: `sh.kaito.v1beta1.Workspace`."""
    if row.is_custom:
        return ".".join([*reversed(row.group.split(".")), row.version, row.kind])
    return f"io.k8s.api.{row.group.partition('.')[0] or 'core'}.{row.version}.{row.kind}"


def _operations(row: Resource) -> list[tuple[str, Object]]:
    namespaced = "/namespaces/{namespace}" if row.namespaced else ""
    collection = f"/{path_of(row)}{namespaced}/{row.plural}"
    one = {action: _operation(row, action) for action in ("get", "put", "patch", "delete")}
    below = [
        (f"{collection}/{{name}}/{sub}", {"get": _operation(row, "get", sub)})
        for sub in row.subresources
        if sub in ("status", "scale")
    ]
    return [
        (collection, {"get": _operation(row, "get", "list"), "post": _operation(row, "post")}),
        (f"{collection}/{{name}}", one),
        *below,
    ]


def _operation(row: Resource, action: str, what: str = "") -> Object:
    names = () if action == "get" else PATCH_PARAMETERS
    reference = {"$ref": REFERENCE + name_of(row)}
    about = SCALES if what == "scale" else row
    return {
        "operationId": f"{action}{row.kind}{what.capitalize()}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in names
        ],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": reference}}}
        },
        "x-kubernetes-action": what if what == "list" else action,
        "x-kubernetes-group-version-kind": {
            "group": about.group, "kind": about.kind, "version": about.version,
        },
    }  # fmt: skip
