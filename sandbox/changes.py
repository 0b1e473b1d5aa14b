"""A patch that is not an apply: read from the request, then carried out on an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sandbox import decoding, gotext, kinds, options, patches, status, strategic
from sandbox.calls import Call, content_type, decode, read_body
from sandbox.resources import Resource
from sandbox.shapes import Json, RootShape

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    patch: Json

    def applied(self, obj: Object, resource: Resource) -> Object:
        if self.kind == JSON_PATCH:
            new = patches.apply_json_patch(obj, self.patch)
        elif self.kind == STRATEGIC_PATCH:
            new = strategic.merge(obj, self.patch, RootShape(kinds.schema(resource)))
        elif isinstance(self.patch, dict):
            new = patches.merge(obj, self.patch)
        else:
            raise patches.undecodable(self.patch, "map[string]interface {}")
        if not isinstance(new, dict):
            raise status.bad_request("the patched object must be of type Object")
        return new

    def shown(self, whole: str) -> str:
        """As a refusal tells of it: the patched object, but of a strategic one the patch."""
        return gotext.printed(self.patch) if self.kind == STRATEGIC_PATCH else whole

    def check_types(self, obj: Object, resource: Resource) -> None:
        """What a built-in kind cannot be read from is told of the patch as a whole."""
        whole = orjson.dumps(obj).decode()
        try:
            decoding.check(resource, obj)
        except status.StatusError as error:
            why = error.status["message"].partition(f"cannot be handled as a {resource.kind}: ")[2]
            if self.kind == STRATEGIC_PATCH:
                why = f"unrecognized type: {why.rpartition(' ')[2]}"
            raise status.invalid_patch(self.shown(whole), why) from error


def accepted(resource: Resource) -> list[str]:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply"""
    kinds_ = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if not resource.is_custom:
        kinds_.insert(2, STRATEGIC_PATCH)
    return kinds_


def kind_of(call: Call, takes: list[str]) -> str:
    kind = content_type(call.request)
    if kind in takes:
        return kind
    if call.resource.is_custom:
        raise status.unsupported_media_type(takes)
    raise status.unsupported_method_type()


async def read(call: Call, takes: list[str]) -> Change:
    kind = kind_of(call, takes)
    options.check_patch(call, is_apply=False)
    try:
        return Change(kind, decode(await read_body(call.request), kind))
    except ValueError as error:
        raise status.bad_request(f"error decoding patch: {error}") from error
