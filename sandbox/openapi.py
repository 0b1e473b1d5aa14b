"""OpenAPI v3, as far as kubectl needs it: apply, explain and validation.

One document for each group and version, with a schema for each kind and a PATCH operation that
lists `fieldValidation`: without that, kubectl refuses to apply. There is no /openapi/v2, which
kubectl >= 1.30 does without.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import hashlib
from typing import Any

from aiohttp import web

from sandbox import status
from sandbox.answers import json_answer
from sandbox.registry import Registry
from sandbox.resources import Resource
from sandbox.tables import Object

ROOT = "/openapi/v3"
PATCH_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def answer(request: web.Request, registry: Registry) -> web.Response:
    path = request.path.rstrip("/")
    documents = {_path(row): (row.group, row.version) for row in registry.all()}
    if path == ROOT:
        return json_answer({"paths": {below: _link(below, registry) for below in documents}})
    below = path.removeprefix(f"{ROOT}/")
    if below not in documents:
        raise status.no_such_path()
    return json_answer(_document(registry, *documents[below]))


def _path(row: Resource) -> str:
    return f"apis/{row.group}/{row.version}" if row.group else f"api/{row.version}"


def _link(below: str, registry: Registry) -> Object:
    """The hash lets clients keep the document until a CRD changes."""
    rows = [repr((row, row.schema)) for row in registry.all() if _path(row) == below]
    digest = hashlib.sha256("".join(rows).encode()).hexdigest().upper()
    return {"serverRelativeURL": f"{ROOT}/{below}?hash={digest}"}


def _document(registry: Registry, group: str, version: str) -> Object:
    rows = [row for row in registry.all() if (row.group, row.version) == (group, version)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.3"},
        "paths": {url: operations for row in rows for url, operations in _operations(row)},
        "components": {"schemas": {_name(row): _schema(row) for row in rows}},
    }


def _name(row: Resource) -> str:
    """Reversed group, as the server names custom kinds: `sh.kaito.v1beta1.Workspace`."""
    if not row.group:
        return f"io.k8s.api.core.{row.version}.{row.kind}"
    return ".".join([*reversed(row.group.split(".")), row.version, row.kind])


def _schema(row: Resource) -> Object:
    about = {"group": row.group, "kind": row.kind, "version": row.version}
    base: dict[str, Any] = dict(row.schema) if row.schema else dict(OPEN)
    properties = dict(base.get("properties", {}))
    for name in ("apiVersion", "kind"):
        properties.setdefault(name, {"type": "string"})
    properties["metadata"] = OPEN
    return base | {"properties": properties, "x-kubernetes-group-version-kind": [about]}


def _operations(row: Resource) -> list[tuple[str, Object]]:
    namespaced = "/namespaces/{namespace}" if row.namespaced else ""
    collection = f"/{_path(row)}{namespaced}/{row.plural}"
    reference = {"$ref": f"#/components/schemas/{_name(row)}"}
    one = {
        "patch": _operation(row, "patch", reference),
        "get": _operation(row, "get", reference),
    }
    return [
        (collection, {"post": _operation(row, "post", reference)}),
        (f"{collection}/{{name}}", one),
    ]


def _operation(row: Resource, action: str, reference: Object) -> Object:
    names = () if action == "get" else PATCH_PARAMETERS
    return {
        "operationId": f"{action}{row.kind}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in names
        ],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": reference}}}
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": row.group, "kind": row.kind, "version": row.version,
        },
    }  # fmt: skip
