"""What the built-in kinds look like: their schemas, as those of custom kinds come with a CRD.

Field validation, server-side apply, strategic merge and `kubectl explain` all read them. They are
made when they are first asked for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sandbox.kinds import asked, core, groups
from sandbox.kinds.notation import SCALARS, Type, parse, schema_of
from sandbox.resources import Key, Resource

Schema = dict[str, Any]

EXCEPTIONS: dict[Key, str] = {("", "events"): "CoreEvent"}  # two kinds of this name


@cache
def types() -> dict[str, Type]:
    return parse(core.TYPES) | parse(groups.TYPES) | parse(asked.TYPES)


def schema(resource: Resource) -> Schema | None:
    """Of a built-in or a custom kind: one that a CRD declares comes with the row."""
    if resource.is_custom:
        return resource.schema
    return built_in(type_name(resource))


def type_name(resource: Resource) -> str:
    return EXCEPTIONS.get((resource.group, resource.plural), resource.kind)


@cache
def built_in(name: str) -> Schema | None:
    """Whole: the types that it is made of are in it."""
    if name not in types():
        return None
    return schema_of(types()[name], _whole)


@cache
def metadata() -> Schema:
    return _whole("ObjectMeta")


def _whole(name: str) -> Schema:
    found = SCALARS.get(name) or built_in(name)
    if found is None:
        raise KeyError(name)
    return found
