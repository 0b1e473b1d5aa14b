"""Label and field selectors, as the `labelSelector` and `fieldSelector` parameters write them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox import eventforms, status
from sandbox.resources import Resource

Object = dict[str, Any]
Match = Callable[[Object], bool]

_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<op>==|!=|=)\s*(?P<values>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<op>!?)\s*(?P<key>[^\s!=,()]+)$")
_COMMA = re.compile(r",(?![^()]*\))")


class Requirement(NamedTuple):
    key: str
    operator: str  # in, notin, exists, absent
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, str]) -> bool:
        match self.operator:
            case "exists":
                return self.key in labels
            case "absent":
                return self.key not in labels
            case "in":
                return labels.get(self.key) in self.values
            case _:
                return labels.get(self.key) not in self.values


def parse_labels(text: str) -> list[Requirement]:
    return [_requirement(part.strip()) for part in _COMMA.split(text) if part.strip()]


def _requirement(part: str) -> Requirement:
    if found := _SET.match(part):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], found["op"], values)
    if found := _EQUALITY.match(part):
        operator = "notin" if found["op"] == "!=" else "in"
        return Requirement(found["key"], operator, frozenset([found["values"]]))
    if found := _EXISTS.match(part):
        return Requirement(found["key"], "absent" if found["op"] else "exists")
    raise status.bad_request(_complaint(part))


def _complaint(part: str) -> str:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/labels/selector.go"""
    words = part.split()
    if len(words) > 1 and words[1] not in ("in", "notin"):
        expected = "in, notin, =, ==, !=, gt, lt"
        return f"unable to parse requirement: found '{words[1]}', expected: {expected}"
    if len(words) > 1:
        return f"unable to parse requirement: found '{' '.join(words[2:])}' expected: '('"
    return f"found '{part[:1]}', expected: !, identifier, or 'end of string'"


def matches_labels(requirements: list[Requirement], labels: dict[str, str]) -> bool:
    return all(requirement.matches(labels) for requirement in requirements)


def parse_fields(text: str, resource: Resource) -> list[Requirement]:
    requirements = [_requirement(part.strip()) for part in text.split(",") if part.strip()]
    selectable = {"metadata.name", *resource.selectable}
    if resource.namespaced:
        selectable.add("metadata.namespace")
    for requirement in requirements:
        if requirement.key not in selectable:
            raise status.bad_request(f"field label not supported: {requirement.key}")
    return requirements


def field_value(obj: Object, path: str) -> str:
    here: Any = obj
    for step in path.split("."):
        here = here.get(step) if isinstance(here, dict) else None
    if isinstance(here, dict):  # an event's `source` selects by its component
        here = here.get("component")
    if isinstance(here, bool):
        return str(here).lower()
    return "" if here is None else str(here)


def selection(resource: Resource, labels: str, fields: str) -> Match | None:
    """None selects everything."""
    by_label = parse_labels(labels)
    by_field = parse_fields(fields, resource)
    if not by_label and not by_field:
        return None
    path = eventforms.stored_path if eventforms.is_new(resource) else str

    def matches(obj: Object) -> bool:
        values = {need.key: field_value(obj, path(need.key)) for need in by_field}
        own_labels = obj["metadata"].get("labels") or {}
        return matches_labels(by_label, own_labels) and matches_labels(by_field, values)

    return matches
