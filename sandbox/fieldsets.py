"""Sets of field paths, as server-side apply keeps them in managedFields.

A path is a tuple of the keys that fieldsV1 uses (`f:name`, `k:{"type":"Ready"}`, `v:"x"`), so
writing and reading that format needs no translation.
https://github.com/kubernetes-sigs/structured-merge-diff/blob/v6.3.0/fieldpath/serialize.go
"""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.shapes import Json, Shape

Path = tuple[str, ...]
FieldSet = frozenset[Path]

CONTAINER: Any = object()  # the value of a path that only says "this map or item exists"

# The server sets these itself, so nobody owns them.
# https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/managedfields/internal/stripmeta.go
UNOWNED = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
            "generation", "managedFields", "resourceVersion", "generateName",
            "deletionTimestamp", "deletionGracePeriodSeconds",
        )
    ]
)  # fmt: skip


def flatten(value: Json, shape: Shape, at: Path = ()) -> dict[Path, Any]:
    """Every path that can be owned, with what stands there."""
    found: dict[Path, Any] = {}
    _walk(value, shape, at, found)
    return {path: here for path, here in found.items() if path and path not in UNOWNED}


def _walk(value: Json, shape: Shape, at: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and not shape.is_atomic_map:
        found[at] = CONTAINER
        for name, inner in value.items():
            _walk(inner, shape.child(name), (*at, f"f:{name}"), found)
    elif isinstance(value, list) and value and shape.is_associative:
        found[at] = CONTAINER
        for item in value:
            _walk_item(item, shape, at, found)
    else:
        found[at] = value


def _walk_item(item: Json, shape: Shape, at: Path, found: dict[Path, Any]) -> None:
    step = shape.step_of(item)
    if step.startswith("v:"):
        found[(*at, step)] = item
    else:
        _walk(item, shape.item, (*at, step), found)


def owned_by_apply(flat: dict[Path, Any]) -> FieldSet:
    """An applied map is not owned as such, only what is in it; an applied list item is."""
    return frozenset(
        path for path, here in flat.items() if here is not CONTAINER or path[-1].startswith("k:")
    )


def compare(old: dict[Path, Any], new: dict[Path, Any]) -> tuple[FieldSet, FieldSet, FieldSet]:
    """Paths added, changed and removed."""
    added = frozenset(new.keys() - old.keys())
    removed = frozenset(old.keys() - new.keys())
    changed = frozenset(path for path in new.keys() & old.keys() if not _same(old[path], new[path]))
    return added, changed, removed


def _same(old: Json, new: Json) -> bool:
    if old is CONTAINER or new is CONTAINER:
        return old is new
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def to_v1(paths: FieldSet) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _without_leaf_dots(tree)


def _without_leaf_dots(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        step: {} if inner == {".": {}} else _without_leaf_dots(inner)
        for step, inner in tree.items()
    }


def from_v1(tree: dict[str, Any], at: Path = ()) -> FieldSet:
    paths: set[Path] = set()
    for step, inner in tree.items():
        if step == ".":
            paths.add(at)
        elif inner:
            paths |= from_v1(inner, (*at, step))
        else:
            paths.add((*at, step))
    return frozenset(paths)


def spelled(path: Path) -> str:
    """As conflicts name a field: `.spec.containers[name="x"].image`."""
    return "".join(_spelled_step(step) for step in path)


def _spelled_step(step: str) -> str:
    mark, rest = step[:2], step[2:]
    if mark == "f:":
        return f".{rest}"
    if mark == "k:":
        keys = orjson.loads(rest)
        return "[" + ",".join(f"{key}={_json(value)}" for key, value in keys.items()) + "]"
    return f"[={rest}]"


def _json(value: Json) -> str:
    return orjson.dumps(value).decode()
