"""Server-side apply: merge what a manager wants into what there is, and keep who owns what.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from sandbox import status
from sandbox.fieldsets import (
    FieldSet,
    Path,
    compare,
    flatten,
    owned_by_apply,
    spelled,
)
from sandbox.managed import Entry, after_apply, decode, encode
from sandbox.schemas import TYPES
from sandbox.shapes import Json, Shape
from sandbox.status import Cause

Object = dict[str, Any]


def apply(live: Object, config: Object, *, shape: Shape, mine: Entry, force: bool) -> Object:
    """The live object with `config` merged in, its managedFields brought up to date.

    Raises a 409 that names every owner of a field that would change, unless forced. When nothing
    changes, the managedFields keep their old times, so that the write is none.
    """
    entries = decode(live["metadata"].get("managedFields", [])) or [_of_before(live, shape, mine)]
    mine = replace(mine, fields=owned_by_apply(flatten(config, shape)))
    before = next((entry for entry in entries if entry.identity == mine.identity), None)
    others = [entry for entry in entries if entry.identity != mine.identity]
    merged = _merged(live, config, shape)
    _give_up(merged, _abandoned(before, mine, others), shape)
    added, changed, removed = compare(flatten(live, shape), flatten(merged, shape))
    if before and before.fields == mine.fields and not (added or changed or removed):
        return live
    conflicts = _conflicts(others, added | changed)
    if conflicts and not force:
        raise status.apply_conflict(conflicts)
    merged["metadata"]["managedFields"] = encode(
        after_apply(entries, mine, added | changed, removed)
    )
    return merged


def _of_before(live: Object, shape: Shape, mine: Entry) -> Entry:
    """Where nobody owns anything, what there is belongs to who was there before the first apply."""
    fields = frozenset(flatten(live, shape))
    return replace(mine, manager="before-first-apply", operation="Update", fields=fields)


def first_apply(config: Object, *, shape: Shape, mine: Entry) -> Object:
    """The object that an apply creates."""
    created = copy.deepcopy(config)
    mine = replace(mine, fields=owned_by_apply(flatten(config, shape)))
    created["metadata"]["managedFields"] = encode([mine])
    return created


def type_errors(value: Json, shape: Shape, path: str = "") -> list[str]:
    """What keeps a config from being a typed value of its schema; never a 422 but a plain error.

    https://github.com/kubernetes-sigs/structured-merge-diff/blob/v6.3.0/typed/validate.go
    """
    if isinstance(value, dict) and (shape.type in ("object", "")):
        errors = []
        for name, inner in value.items():
            here = f"{path}.{name}"
            if not shape.declares(name):
                errors.append(f"{here}: field not declared in schema")
            else:
                errors += type_errors(inner, shape.child(name), here)
        return errors
    if isinstance(value, list) and shape.type == "array":
        return [
            error
            for index, item in enumerate(value)
            for error in type_errors(item, shape.item, path + _place(shape, item, index))
        ]
    return _scalar_error(value, shape.type, path)


def _place(shape: Shape, item: Json, index: int) -> str:
    return spelled((shape.step_of(item),)) if shape.is_associative else f"[{index}]"


GO_TYPES = {
    "object": "map[string]interface {}",
    "array": "[]interface {}",
    "string": "string",
    "boolean": "bool",
    "integer": "int64",
    "number": "float64",
}


def _scalar_error(value: Json, wanted: str, path: str) -> list[str]:
    if value is None or not wanted or TYPES[wanted](value):
        return []
    given = next(name for name in ("boolean", *TYPES) if TYPES[name](value))
    if wanted in ("integer", "number"):
        return [f"{path}: expected numeric (int or float), got {GO_TYPES[given]}"]
    word = {"object": "map", "array": "list"}.get(wanted, wanted)
    if word in ("map", "list"):
        return [f"{path}: expected {word}, got &{{{_go(value, quoted=False)}}}"]
    return [f"{path}: expected {word}, got &value.valueUnstructured{{Value:{_go(value)}}}"]


def _go(value: Json, *, quoted: bool = True) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and quoted else str(value)


def _merged(live: Json, config: Json, shape: Shape) -> Json:
    if isinstance(live, dict) and isinstance(config, dict) and not shape.is_atomic_map:
        merged = copy.deepcopy(live)
        for name, value in config.items():
            merged[name] = _merged(live.get(name), value, shape.child(name))
        return merged
    if isinstance(live, list) and isinstance(config, list) and shape.is_associative:
        return _merged_lists(live, config, shape)
    return copy.deepcopy(config)


def _merged_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items keep their live order; new ones follow."""
    wanted = {shape.step_of(item): item for item in config}
    merged = []
    for item in live:
        step = shape.step_of(item)
        merged.append(_merged(item, wanted.pop(step), shape.item) if step in wanted else item)
    return copy.deepcopy(merged) + copy.deepcopy(list(wanted.values()))


def _abandoned(before: Entry | None, mine: Entry, others: list[Entry]) -> FieldSet:
    """What this manager applied last time, does not any more, and nobody else owns."""
    if before is None:
        return frozenset()
    shared: FieldSet = frozenset().union(*(entry.fields for entry in others))
    return before.fields - mine.fields - shared


def _give_up(obj: Object, paths: FieldSet, shape: Shape) -> None:
    for path in sorted(paths, key=len):
        if not any(path[:length] in paths for length in range(1, len(path))):
            _take_out(obj, path, shape)
    for name in ("labels", "annotations"):
        if obj["metadata"].get(name) == {}:
            del obj["metadata"][name]


def _take_out(value: Json, path: Path, shape: Shape) -> None:
    for step in path[:-1]:
        value, shape = _descend(value, step, shape)
        if value is None:
            return
    last = path[-1]
    if last.startswith("f:"):
        value.pop(last[2:], None)
    else:
        value[:] = [item for item in value if shape.step_of(item) != last]


def _descend(value: Json, step: str, shape: Shape) -> tuple[Json, Shape]:
    if step.startswith("f:"):
        return value.get(step[2:]), shape.child(step[2:])
    found = next((item for item in value if shape.step_of(item) == step), None)
    return found, shape.item


def _conflicts(others: list[Entry], touched: FieldSet) -> list[Cause]:
    return [
        Cause("FieldManagerConflict", spelled(path), f"conflict with {_said(entry)}")
        for entry in others
        for path in sorted(entry.fields & touched)
    ]


def _said(entry: Entry) -> str:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/managedfields/internal/conflict.go"""
    name = f'"{entry.manager}"'
    if entry.subresource:
        name += f' with subresource "{entry.subresource}"'
    if entry.operation == "Update":
        return f"{name} using {entry.api_version}"
    return name
