"""The options of a write, in the query or in the body of a deletion, and how they are refused.

https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/apis/meta/v1/validation/validation.go
"""

from __future__ import annotations

from typing import Any

import orjson

from sandbox import protobuf, status
from sandbox.calls import Call, content_type, decode_object, read_body
from sandbox.resources import Resource
from sandbox.status import Cause, StatusError

Object = dict[str, Any]

MANAGER_LIMIT = 128
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
POLICIES = ("Foreground", "Background", "Orphan")


def check(call: Call, kind: str) -> None:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions."""
    manager = call.query.get("fieldManager", "")
    validation = call.query.get("fieldValidation", "")
    causes = [
        *_about_manager(manager),
        *_about_dry_run(call.dry_run),
        *_about_choice("fieldValidation", validation, VALIDATIONS),
    ]
    if causes:
        raise _invalid(kind, causes)


def check_patch(call: Call, *, is_apply: bool) -> None:
    if is_apply and not call.query.get("fieldManager"):
        text = "Required value: is required for apply patch"
        raise _invalid("PatchOptions", [Cause("FieldValueRequired", "fieldManager", text)])
    if not is_apply and "force" in call.query:
        text = "Forbidden: may not be specified for non-apply patch"
        raise _invalid("PatchOptions", [Cause("FieldValueForbidden", "force", text)])
    check(call, "PatchOptions")


async def of_deletion(call: Call) -> Object:
    """A body, when there is one, wins over the query as a whole.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/
    """
    body = await read_body(call.request)
    options = _decoded(call, body) if body else _queried(call)
    causes = _about_dry_run(options.get("dryRun") or [])
    policy = options.get("propagationPolicy")
    if policy is not None:
        causes += _about_choice("propagationPolicy", policy, (*POLICIES, "nil"))
    if causes:
        raise _invalid("DeleteOptions", causes)
    return options


def _decoded(call: Call, body: bytes) -> Object:
    kind = content_type(call.request)
    is_protobuf = kind == protobuf.MEDIA_TYPE
    return protobuf.decode_object(body) if is_protobuf else decode_object(body, kind)


def _queried(call: Call) -> Object:
    options: Object = {"dryRun": call.dry_run}
    if "propagationPolicy" in call.query:
        options["propagationPolicy"] = call.query["propagationPolicy"]
    options["gracePeriodSeconds"] = call.number("gracePeriodSeconds")
    return options


def _about_manager(manager: str) -> list[Cause]:
    if len(manager.encode()) > MANAGER_LIMIT:
        text = f"Too long: may not be more than {MANAGER_LIMIT} bytes"
        return [Cause("FieldValueTooLong", "fieldManager", text)]
    for place, letter in enumerate(manager):
        if not letter.isprintable():
            quoted = manager.encode("unicode_escape").decode()
            code = f"U+{ord(letter):04X} (at position {place})"
            text = f'Invalid value: "{quoted}": invalid character {code}'
            return [Cause("FieldValueInvalid", "fieldManager", text)]
    return []


def _about_dry_run(values: list[str]) -> list[Cause]:
    if all(value in ("All", "") for value in values):
        return []
    text = f'Unsupported value: {orjson.dumps(values).decode()}: supported values: "All"'
    return [Cause("FieldValueNotSupported", "dryRun", text)]


def _about_choice(field: str, value: str, known: tuple[str, ...]) -> list[Cause]:
    if value in known:
        return []
    supported = ", ".join(f'"{each}"' for each in known)
    text = f'Unsupported value: "{value}": supported values: {supported}'
    return [Cause("FieldValueNotSupported", field, text)]


def _invalid(kind: str, causes: list[Cause]) -> StatusError:
    about = Resource(group="meta.k8s.io", version="v1", plural="", singular="", kind=kind)
    return status.invalid(about, "", causes)
