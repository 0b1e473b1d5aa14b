"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), on plain values."""

from __future__ import annotations

import copy
from typing import Any

from sandbox import status
from sandbox.shapes import Json

Operation = dict[str, Any]


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
    if not isinstance(operations, list):
        raise status.bad_request("json: cannot unmarshal object into Go value of type []json.Patch")
    document = copy.deepcopy(target)
    for operation in operations:
        document = _carry_out(document, operation)
    return document


def _carry_out(document: Json, operation: Operation) -> Json:
    name = operation.get("op")
    path = operation.get("path", "")
    match name:
        case "add" | "replace":
            return _put(document, path, operation.get("value"), is_new=name == "add")
        case "remove":
            return _take_out(document, path)
        case "test":
            if _look_up(document, path) != operation.get("value"):
                raise _unprocessable(f"testing value {path} failed: test failed")
            return document
        case "copy" | "move":
            value = copy.deepcopy(_look_up(document, operation["from"]))
            rest = _take_out(document, operation["from"]) if name == "move" else document
            return _put(rest, path, value, is_new=True)
        case _:
            raise status.bad_request(f"Unexpected kind: {name}")


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _look_up(document: Json, path: str) -> Json:
    here = document
    for step in _steps(path):
        here = _child(here, step, path)
    return here


def _child(here: Json, step: str, path: str) -> Json:
    try:
        return here[int(step)] if isinstance(here, list) else here[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise _unprocessable(f"doc is missing key: {path}: missing value") from None


def _put(document: Json, path: str, value: Json, *, is_new: bool) -> Json:
    if not path:
        return value
    *parents, last = _steps(path)
    parent = document
    for step in parents:
        parent = _child(parent, step, path)
    if not is_new:
        _child(parent, last, path)
    if isinstance(parent, list):
        _put_in_list(parent, last, value, is_new=is_new)
    else:
        parent[last] = value
    return document


def _put_in_list(items: list[Any], step: str, value: Json, *, is_new: bool) -> None:
    if step == "-":
        items.append(value)
    elif is_new:
        items.insert(int(step), value)
    else:
        items[int(step)] = value


def _take_out(document: Json, path: str) -> Json:
    *parents, last = _steps(path)
    parent = document
    for step in parents:
        parent = _child(parent, step, path)
    _child(parent, last, path)
    del parent[int(last) if isinstance(parent, list) else last]
    return document


def _unprocessable(message: str) -> status.StatusError:
    text = f"the server rejected our request due to an error in our request: {message}"
    return status.StatusError(422, "Invalid", text)
