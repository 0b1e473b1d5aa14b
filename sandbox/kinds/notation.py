"""Reads a short notation of Go's API types into OpenAPI schemas.

    Type: field field*:type field:[Type/key,key2] …

A field without a type is a string, `*` means required. Types: `str`, `int`, `long`, `bool`,
`time`, `bytes`, `qty` (a quantity), `ios` (number or string), `any`, or another Type. `[T]` is a
list that is one value, `[T/key]` one that merges by its items' keys (the first of which is the
patchMergeKey), `[T+]` a set; `{T}` is a map. `!` after a map or a type's name: it is one value.
`~` after a field's type: the patch strategy `retainKeys`; `?`: it may be null.
https://github.com/kubernetes/community/blob/main/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Refer = Callable[[str], Schema]

SCALARS: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "bool": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "qty": {"x-kubernetes-int-or-string": True, "format": "quantity"},
    "ios": {"x-kubernetes-int-or-string": True, "format": "int-or-string"},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
}
_FIELD = re.compile(r"(?P<name>\w+)(?P<required>\*?)(?::(?P<type>[^~?]+))?(?P<mark>[~?]?)")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    is_required: bool
    retains_keys: bool = False
    is_nullable: bool = False

    @property
    def inner(self) -> str:
        """The type of what stands in a list or map; itself of anything else."""
        return self.type.rstrip("!").strip("[]{}").partition("/")[0].rstrip("+")


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    is_atomic: bool
    fields: tuple[Field, ...]


def parse(text: str) -> dict[str, Type]:
    types = [_type(block) for block in _blocks(text)]
    return {each.name: each for each in types}


def _blocks(text: str) -> Iterator[str]:
    """A type begins in the first column; what is indented goes on with it."""
    return (block for block in re.split(r"\n(?=\S)", text.strip()) if block)


def _type(block: str) -> Type:
    head, _, rest = block.partition(":")
    fields = tuple(_field(word) for word in rest.split())
    return Type(head.rstrip("!"), head.endswith("!"), fields)


def _field(word: str) -> Field:
    found = _FIELD.fullmatch(word)
    if found is None:
        raise ValueError(f"not a field: {word}")
    return Field(
        found["name"],
        found["type"] or "str",
        bool(found["required"]),
        retains_keys=found["mark"] == "~",
        is_nullable=found["mark"] == "?",
    )


def schema_of(type_: Type, refer: Refer) -> Schema:
    """`refer(name)` gives the schema of a scalar or what stands for another type: it, or a
    reference to it."""
    schema: Schema = {
        "type": "object",
        "properties": {field.name: _field_schema(field, refer) for field in type_.fields},
    }
    required = [field.name for field in type_.fields if field.is_required]
    if required:
        schema["required"] = required
    if type_.is_atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _field_schema(field: Field, refer: Refer) -> Schema:
    schema = _schema(field.type, refer)
    if field.retains_keys:
        has_keys = "x-kubernetes-patch-merge-key" in schema
        strategy = "merge,retainKeys" if has_keys else "retainKeys"
        return schema | {"x-kubernetes-patch-strategy": strategy}
    return schema | {"nullable": True} if field.is_nullable else schema


def _schema(text: str, refer: Refer) -> Schema:
    if text[0] == "[":
        return _list_schema(text[1:-1], refer)
    if text[0] == "{":
        inner = _schema(text.rstrip("!")[1:-1], refer)
        atomic = {"x-kubernetes-map-type": "atomic"} if text.endswith("!") else {}
        return {"type": "object", "additionalProperties": inner, **atomic}
    return refer(text)


def _list_schema(inner: str, refer: Refer) -> Schema:
    name, _, keys = inner.partition("/")
    schema = {"type": "array", "items": _schema(name.rstrip("+"), refer)}
    if keys:
        named = keys.split(",")
        return schema | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": named,
            "x-kubernetes-patch-merge-key": named[0],
            "x-kubernetes-patch-strategy": "merge",
        }
    if name.endswith("+"):
        set_ = {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
        return schema | set_
    return schema | {"x-kubernetes-list-type": "atomic"}
