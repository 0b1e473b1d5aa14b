"""What a CRD's OpenAPI v3 schema does to an object: prune, default, and refuse.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from sandbox.shapes import Json
from sandbox.status import Cause

Schema = dict[str, Any]
ROOT_FIELDS = ("apiVersion", "kind", "metadata")

TYPES: dict[str, Callable[[Json], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def prune(obj: dict[str, Any], schema: Schema) -> list[str]:
    """Takes out, in place, what the schema does not know; gives back the paths that went."""
    unknown: list[str] = []
    for name in list(obj):
        if name in ROOT_FIELDS:
            continue
        _prune_field(obj, name, schema, name, unknown)
    return unknown


def _prune_field(
    parent: dict[str, Any], name: str, schema: Schema, path: str, unknown: list[str]
) -> None:
    inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
    if isinstance(inner, dict):
        _prune_value(parent[name], inner, path, unknown)
    elif not inner and not schema.get("x-kubernetes-preserve-unknown-fields"):
        del parent[name]
        unknown.append(path)


def _prune_value(value: Json, schema: Schema, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        for name in list(value):
            _prune_field(value, name, schema, f"{path}.{name}", unknown)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            _prune_value(item, schema["items"], f"{path}[{index}]", unknown)


def set_defaults(value: Json, schema: Schema) -> None:
    """In place. A null counts as absent, unless the schema says that it may be null.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable
    """
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            set_defaults(item, schema["items"])
    elif isinstance(value, dict):
        _default_fields(value, schema)


def _default_fields(value: dict[str, Any], schema: Schema) -> None:
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        if name in value and value[name] is None and not inner.get("nullable"):
            del value[name]
        if name not in value and "default" in inner:
            value[name] = copy.deepcopy(inner["default"])
    for name, here in value.items():
        inner = properties.get(name, schema.get("additionalProperties"))
        if isinstance(inner, dict):
            set_defaults(here, inner)


def check(obj: dict[str, Any], schema: Schema) -> list[Cause]:
    """Why the API server would answer 422, in its words."""
    causes: list[Cause] = []
    without_root = {name: value for name, value in obj.items() if name not in ROOT_FIELDS}
    _check_object(without_root, schema, "", causes)
    return causes


def _check(value: Json, schema: Schema, path: str, causes: list[Cause]) -> None:
    if value is None and schema.get("nullable"):
        return
    if not _has_type(value, schema):
        wanted = schema.get("type", "integer,string")  # a number or a string has none
        message = (
            f'Invalid value: "{kind_of(value)}": {path} in body must be of type {wanted}: '
            f'"{kind_of(value)}"'
        )
        causes.append(Cause("FieldValueTypeInvalid", path, message))
        if wanted == "integer" and isinstance(value, float):
            # A fraction is refused by two validators, of which one does not know where it is.
            text = f"Checked value must be of type integer (default format) in {path}"
            causes.append(Cause("FieldValueInvalid", "<nil>", f'Invalid value: "": {text}'))
        return
    _check_limits(value, schema, path, causes)
    _check_size(value, schema, path, causes)
    if isinstance(value, dict):
        _check_object(value, schema, path, causes)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            _check(item, schema["items"], f"{path}[{index}]", causes)


def _has_type(value: Json, schema: Schema) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return TYPES["integer"](value) or isinstance(value, str)
    return "type" not in schema or TYPES[schema["type"]](value)


def _check_object(value: dict[str, Any], schema: Schema, path: str, causes: list[Cause]) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            causes.append(Cause("FieldValueRequired", _joined(path, name), "Required value"))
    properties = schema.get("properties", {})
    for name, inner in value.items():
        declared = properties.get(name, schema.get("additionalProperties"))
        if isinstance(declared, dict):
            _check(inner, declared, _joined(path, name), causes)


def _check_limits(value: Json, schema: Schema, path: str, causes: list[Cause]) -> None:
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(_quoted(item) for item in schema["enum"])
        message = f"Unsupported value: {_quoted(value)}: supported values: {supported}"
        causes.append(Cause("FieldValueNotSupported", path, message))
    said = [
        text
        for rule, (kind, says) in LIMITS.items()
        if rule in schema and TYPES[kind](value)
        for text in says(value, schema)
    ]
    causes.extend(
        Cause("FieldValueInvalid", path, f"Invalid value: {_quoted(value)}: {path} in body {text}")
        for text in said
    )


def _minimum(value: Json, schema: Schema) -> list[str]:
    low = schema["minimum"]
    return [] if value >= low else [f"should be greater than or equal to {low}"]


def _maximum(value: Json, schema: Schema) -> list[str]:
    high = schema["maximum"]
    return [] if value <= high else [f"should be less than or equal to {high}"]


def _pattern(value: Json, schema: Schema) -> list[str]:
    return [] if re.search(schema["pattern"], value) else [f"should match '{schema['pattern']}'"]


def _min_length(value: Json, schema: Schema) -> list[str]:
    low = schema["minLength"]
    return [] if len(value) >= low else [f"should be at least {low} chars long"]


LIMITS: dict[str, tuple[str, Callable[[Json, Schema], list[str]]]] = {
    "minimum": ("number", _minimum),
    "maximum": ("number", _maximum),
    "pattern": ("string", _pattern),
    "minLength": ("string", _min_length),
}


def _check_size(value: Json, schema: Schema, path: str, causes: list[Cause]) -> None:
    longest = schema.get("maxLength")
    if isinstance(value, str) and longest is not None and len(value) > longest:
        text = f"Too long: may not be more than {longest} bytes"
        causes.append(Cause("FieldValueTooLong", path, text))
    if isinstance(value, list):
        most = schema.get("maxItems")
        if most is not None and len(value) > most:
            text = f"Too many: {len(value)}: must have at most {most} items"
            causes.append(Cause("FieldValueTooMany", path, text))
        causes.extend(_duplicates(value, schema, path))


def _duplicates(items: list[Json], schema: Schema, path: str) -> Iterator[Cause]:
    """https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy"""
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") not in ("map", "set"):
        return
    seen: list[Json] = []
    for index, item in enumerate(items):
        if keys and not isinstance(item, dict):
            continue  # said elsewhere
        key = {name: item.get(name) for name in keys if name in item} if keys else item
        if key in seen:
            yield Cause(
                "FieldValueDuplicate", f"{path}[{index}]", f"Duplicate value: {_quoted(key)}"
            )
        seen.append(key)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _quoted(value: Json) -> str:
    return orjson.dumps(value).decode()


def kind_of(value: Json) -> str:
    """The type's name as go-openapi says it."""
    if value is None:
        return "null"
    names = ("boolean", "integer", "number", "string", "object", "array")
    return next(name for name in names if TYPES[name](value))
