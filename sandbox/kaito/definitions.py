"""The words that custom resource definitions are written in: schemas, columns, the frame."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
STRING_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
OPAQUE: Schema = {"x-kubernetes-preserve-unknown-fields": True}
REASON_PATTERN = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
TYPE_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)


def an_object(properties: dict[str, Schema], *required: str, **more: object) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, **more}
    if required:
        schema["required"] = list(required)
    return schema


def a_list(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, **more}


def said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


def condition() -> Schema:
    properties: dict[str, Schema] = {
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "message": {"type": "string", "maxLength": 32768},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": REASON_PATTERN,
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "type": {"type": "string", "maxLength": 316, "pattern": TYPE_PATTERN},
    }
    return an_object(properties, "lastTransitionTime", "message", "reason", "status", "type")


def column(name: str, path: str, kind: str = "string", **more: object) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def state_column(name: str, condition: str) -> dict[str, Any]:
    return column(name, f'.status.conditions[?(@.type=="{condition}")].status')


def definition(
    group: str, scope: str, names: dict[str, Any], versions: list[dict]
) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": scope, "versions": versions},
    }
