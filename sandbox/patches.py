"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), on plain values."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from sandbox import status
from sandbox.shapes import Json

Operation = dict[str, Any]

LIMIT = 10_000  # operations in one patch


def merge(target: Json, patch: Json) -> Json:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def apply_json_patch(target: Json, operations: Json) -> Json:
    if not isinstance(operations, list) or any(not isinstance(each, dict) for each in operations):
        raise undecodable(operations, "[]handlers.jsonPatchOp")
    if len(operations) > LIMIT:
        raise status.patch_too_long(LIMIT, len(operations))
    document = copy.deepcopy(target)
    for operation in operations:
        document = _carry_out(document, operation)
    return document


def _carry_out(document: Json, operation: Operation) -> Json:
    name, path = operation.get("op"), _pointer(operation, "path")
    match name:
        case "add" | "replace":
            return _put(document, path, _value(operation), is_new=name == "add")
        case "remove":
            return _take_out(document, path)
        case "test":
            if not _same(_look_up(document, path), operation.get("value")):
                raise status.unprocessable()
            return document
        case "copy" | "move":
            source = _pointer(operation, "from")
            value = copy.deepcopy(_look_up(document, source))
            rest = _take_out(document, source) if name == "move" else document
            return _put(rest, path, value, is_new=True)
        case _:
            raise status.unprocessable()


def _pointer(operation: Operation, name: str) -> str:
    pointer = operation.get(name)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise status.unprocessable()
    return pointer


def _value(operation: Operation) -> Json:
    if "value" not in operation:
        raise status.unprocessable()
    return copy.deepcopy(operation["value"])


def _same(found: Json, asked: Json) -> bool:
    """In JSON a number is no boolean, although Python compares them so."""
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        asked, option=orjson.OPT_SORT_KEYS
    )


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _look_up(document: Json, path: str) -> Json:
    here = document
    for step in _steps(path):
        here = _child(here, step)
    return here


def _child(here: Json, step: str) -> Json:
    if isinstance(here, list):
        return here[_index(step, len(here) - 1)]
    if not isinstance(here, dict) or step not in here:
        raise status.unprocessable()
    return here[step]


def _index(step: str, largest: int) -> int:
    """Negative indices count from the end, as the server's library lets them."""
    try:
        index = int(step)
    except ValueError:
        raise status.unprocessable() from None
    index = index + largest + 1 if index < 0 else index
    if not 0 <= index <= largest:
        raise status.unprocessable()
    return index


def _put(document: Json, path: str, value: Json, *, is_new: bool) -> Json:
    if not path:
        return value
    parent, last = _parent(document, path)
    if isinstance(parent, list):
        _put_in_list(parent, last, value, is_new=is_new)
    else:
        parent[last] = value  # a replacement may be the first value too
    return document


def _put_in_list(items: list[Any], step: str, value: Json, *, is_new: bool) -> None:
    if not is_new:
        items[_index(step, len(items) - 1)] = value
    elif step == "-":
        items.append(value)
    else:
        items.insert(_index(step, len(items)), value)


def _take_out(document: Json, path: str) -> Json:
    if not path:
        raise status.unprocessable()
    parent, last = _parent(document, path)
    _child(parent, last)
    del parent[_index(last, len(parent) - 1) if isinstance(parent, list) else last]
    return document


def _parent(document: Json, path: str) -> tuple[Json, str]:
    *parents, last = _steps(path)
    here = document
    for step in parents:
        here = _child(here, step)
    if not isinstance(here, dict | list):
        raise status.unprocessable()
    return here, last


def undecodable(
    patch: Json, wanted: str, *, prefix: str = "error decoding patch: "
) -> status.StatusError:
    given = {list: "array", dict: "object", str: "string", bool: "bool"}.get(type(patch), "number")
    why = f"json: cannot unmarshal {given} into Go value of type {wanted}"
    return status.bad_request(prefix + why)
