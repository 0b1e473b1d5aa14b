"""Whether a body of a built-in kind can be read as that kind, in the words of Go's JSON decoder.

Custom kinds are not decoded into types: their schemas judge them (`sandbox.schemas`).
https://github.com/kubernetes-sigs/json
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox import kinds, status
from sandbox.kinds.notation import Field
from sandbox.resources import Resource
from sandbox.shapes import Json

Object = dict[str, Any]

GO_TYPES = {
    "str": "string", "int": "int32", "long": "int64", "bool": "bool", "time": "v1.Time",
    "bytes": "[]uint8", "qty": "resource.Quantity", "ios": "intstr.IntOrString",
}  # fmt: skip


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FITS: dict[str, Callable[[Json], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str),
    "bytes": lambda value: isinstance(value, str),
    "qty": lambda value: isinstance(value, str) or _is_number(value),
    "ios": lambda value: isinstance(value, str | int) and not isinstance(value, bool),
    "any": lambda value: True,
}


def check(resource: Resource, obj: Object) -> None:
    """Raises for a value of another type; takes out nulls, which count as absent. In place."""
    if resource.is_custom:
        return
    name = kinds.type_name(resource)
    if name in kinds.types():
        _check_struct(resource, obj, name, "")


def _check_struct(resource: Resource, value: Object, name: str, path: str) -> None:
    for field in kinds.types()[name].fields:
        if field.name not in value:
            continue
        if value[field.name] is None:
            del value[field.name]
            continue
        here = f"{path}.{field.name}" if path else field.name
        if not _fits(resource, value[field.name], field.type, here):
            raise _cannot_decode(resource, value[field.name], name, here, field)


def _fits(resource: Resource, value: Json, type_: str, path: str) -> bool:
    """False when the value itself is of another type; raises for what is inside it."""
    if type_ in FITS:
        return FITS[type_](value)
    if type_[0] == "[":
        inner = type_.strip("[]").partition("/")[0].rstrip("+")
        return isinstance(value, list) and all(_fits(resource, each, inner, path) for each in value)
    if type_[0] == "{":
        inner = type_.rstrip("!").strip("{}")
        return isinstance(value, dict) and all(
            _fits(resource, each, inner, path) for each in value.values()
        )
    if not isinstance(value, dict):
        return False
    _check_struct(resource, value, type_, path)
    return True


def _cannot_decode(
    resource: Resource, value: Json, struct: str, path: str, field: Field
) -> status.StatusError:
    kind = resource.kind
    return status.bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: json: cannot '
        f"unmarshal {_word(value, field.type)} into Go struct field {struct}.{path} of type "
        f"{_wanted(value, field)}"
    )


def _wanted(value: Json, field: Field) -> str:
    """Where a list or map is one, what is in it was of another type."""
    is_outside = isinstance(value, list | dict) and field.type[0] in "[{"
    same = isinstance(value, list) is (field.type[0] == "[")
    return _go_type(field.inner if is_outside and same else field.type)


def _go_type(type_: str) -> str:
    if type_ in GO_TYPES:
        return GO_TYPES[type_]
    if type_[0] == "[":
        return "[]" + _go_type(type_.strip("[]").partition("/")[0].rstrip("+"))
    if type_[0] == "{":
        return "map[string]" + _go_type(type_.rstrip("!").strip("{}"))
    return f"v1.{type_}"


def _word(value: Json, type_: str) -> str:
    """Of a list or map of the right kind, the first inner value is what did not fit."""
    if isinstance(value, list) and type_[0] == "[":
        inner = type_.strip("[]").partition("/")[0].rstrip("+")
        return next(_json_word(each) for each in value if not FITS.get(inner, _is_map)(each))
    if isinstance(value, dict) and type_[0] == "{":
        inner = type_.rstrip("!").strip("{}")
        return next(
            _json_word(each) for each in value.values() if not FITS.get(inner, _is_map)(each)
        )
    return _json_word(value)


def _is_map(value: Json) -> bool:
    return isinstance(value, dict)


def _json_word(value: Json) -> str:
    if isinstance(value, bool):
        return "bool"
    words = {str: "string", int: "number", float: f"number {value}", list: "array", dict: "object"}
    return words.get(type(value), "null")
