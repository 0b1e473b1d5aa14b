"""A patch that is not an apply: read from the request, then carried out on an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox import kinds, patches, status, strategic
from sandbox.calls import Call, content_type, decode, read_body
from sandbox.resources import Resource
from sandbox.shapes import Json, RootShape
from sandbox.status import Cause

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_OPTIONS = Resource(
    group="meta.k8s.io", version="v1", plural="", singular="", kind="PatchOptions"
)


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    patch: Json
    text: str  # as it came, for the words of a refusal

    def applied(self, obj: Object, resource: Resource) -> Object:
        if self.kind == JSON_PATCH:
            new = patches.apply_json_patch(obj, self.patch)
        elif self.kind == STRATEGIC_PATCH:
            new = strategic.merge(obj, self.patch, RootShape(kinds.schema(resource)))
        else:
            new = patches.merge(obj, self.patch)
        if not isinstance(new, dict):
            raise status.bad_request("the patched object must be of type Object")
        return new


def accepted(resource: Resource) -> list[str]:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply"""
    kinds_ = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if not resource.is_custom:
        kinds_.insert(2, STRATEGIC_PATCH)
    return kinds_


def kind_of(call: Call, takes: list[str]) -> str:
    kind = content_type(call.request)
    if kind not in takes:
        raise status.unsupported_media_type(takes)
    return kind


async def read(call: Call, takes: list[str]) -> Change:
    kind = kind_of(call, takes)
    if "force" in call.query:
        text = "Forbidden: may not be specified for non-apply patch"
        raise bad_option("force", "FieldValueForbidden", text)
    body = await read_body(call.request)
    return Change(kind, decode(body, kind), body.decode("utf-8", "replace"))


def bad_option(field: str, reason: str, message: str) -> status.StatusError:
    return status.invalid(PATCH_OPTIONS, "", [Cause(reason, field, message)])
