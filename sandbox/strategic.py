"""Strategic merge patch: a merge patch that knows which lists merge by which key, with directives.

Only for built-in kinds: custom ones answer 415.
https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/strategicpatch/patch.go
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox import gotext, status
from sandbox.patches import undecodable
from sandbox.shapes import Json, Shape

Object = dict[str, Any]
Items = list[Any]

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
ORDER_PREFIX = "$setElementOrder/"
DELETE_PREFIX = "$deleteFromPrimitiveList/"


def merge(target: Json, patch: Json, shape: Shape) -> Json:
    """A new value; neither argument is changed."""
    if not isinstance(patch, dict):
        raise undecodable(patch, "map[string]interface {}", prefix="")
    return _merge_maps(target if isinstance(target, dict) else {}, patch, shape)


def _merge_maps(target: Object, patch: Object, shape: Shape) -> Object:
    directive = patch.get(DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive not in (None, "merge"):
        shown = gotext.printed(patch)
        raise status.untyped(f"unknown patch type: {directive} in map: {shown}")
    merged = _retained(target, patch)
    for field in _touched(patch):
        _merge_field(merged, patch, field, shape.child(field))
    return merged


def _retained(target: Object, patch: Object) -> Object:
    """https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md#retainkeys-directive"""
    kept = patch.get(RETAIN_KEYS)
    if kept is None:
        return dict(target)
    fields = [field for field in _touched(patch) if patch.get(field) is not None]
    if not isinstance(kept, list) or any(field not in kept for field in fields):
        raise status.bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in target.items() if key in kept}


def _touched(patch: Object) -> list[str]:
    """The fields that a patch is about, also where only a directive names them."""
    fields = []
    for key in patch:
        for prefix in (ORDER_PREFIX, DELETE_PREFIX):
            key = key.removeprefix(prefix)
        if key not in (DIRECTIVE, RETAIN_KEYS) and key not in fields:
            fields.append(key)
    return fields


def _merge_field(merged: Object, patch: Object, field: str, shape: Shape) -> None:
    before, change = merged.get(field), patch.get(field)
    if field in patch and change is None:
        merged.pop(field, None)
    elif isinstance(change, dict):
        merged[field] = _merge_maps(before if isinstance(before, dict) else {}, change, shape)
    elif change is not None and not isinstance(change, list):
        merged[field] = change
    elif _merges(shape):
        items = before if isinstance(before, list) else []
        order = patch.get(ORDER_PREFIX + field)
        removed = patch.get(DELETE_PREFIX + field) or []
        left = [item for item in items if item not in removed]
        merged[field] = _merge_lists(left, change or [], order, shape)
    elif change is not None:
        merged[field] = change


def _merges(shape: Shape) -> bool:
    return "merge" in (shape.schema or {}).get("x-kubernetes-patch-strategy", "").split(",")


def _merge_lists(items: Items, patch: Items, order: Items | None, shape: Shape) -> Items:
    key = (shape.schema or {}).get("x-kubernetes-patch-merge-key")
    if key is None:
        merged = [*items, *(item for item in patch if item not in items)]
        return _ordered(merged, items, patch if order is None else order, lambda item: item)
    for item in [*items, *patch]:
        if not isinstance(item, dict) or key not in item and DIRECTIVE not in item:
            shown = gotext.printed(item)
            raise status.untyped(f"map: {shown} does not contain declared merge key: {key}")
    if any(item.get(DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if DIRECTIVE not in item]
    gone = [item.get(key) for item in patch if item.get(DIRECTIVE) == "delete"]
    changes = {item[key]: item for item in patch if item.get(DIRECTIVE) != "delete"}
    left = [item for item in items if item[key] not in gone]
    merged = [_merge_maps(item, changes.pop(item[key], {}), shape.item) for item in left]
    merged += [_merge_maps({}, item, shape.item) for item in changes.values()]
    wanted = [item for item in patch if DIRECTIVE not in item] if order is None else order
    return _ordered(merged, items, wanted, lambda item: item.get(key))


def _ordered(
    merged: Items, before: Items, wanted: Sequence[Json], name: Callable[[Json], Json]
) -> Items:
    """Items that the patch names stand in its order, the others in their old order among them."""
    asked, old = [name(item) for item in wanted], [name(item) for item in before]
    named = [item for item in merged if name(item) in asked]
    named.sort(key=lambda item: asked.index(name(item)))
    others = [item for item in merged if name(item) not in asked]
    ordered: Items = []
    while named and others:
        first, other = name(named[0]), name(others[0])
        comes_later = first in old and other in old and old.index(first) > old.index(other)
        ordered.append(others.pop(0) if comes_later else named.pop(0))
    return ordered + named + others
