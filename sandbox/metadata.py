"""What an object's metadata may look like, and the words in which it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from sandbox import status
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    NAMESPACES,
    ROLEBINDINGS,
    ROLES,
    SERVICES,
    Key,
    Resource,
)
from sandbox.schemas import kind_of
from sandbox.shapes import Json
from sandbox.status import Cause

Object = dict[str, Any]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
PATH_NAMED = {row.key for row in (ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS)}
NAME_RULES: dict[Key, tuple[re.Pattern[str], int, str]] = {
    NAMESPACES.key: (_LABEL, 63, LABEL_TEXT),
    SERVICES.key: (_LABEL_1035, 63, LABEL_1035_TEXT),
}


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


def _is_string_map(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())


def _is_string_list(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_reference_list(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("uid"), str) for item in value
    )


FIELD_TYPES: dict[str, tuple[str, Callable[[Json], bool]]] = {
    "name": ("string", _is_string),
    "namespace": ("string", _is_string),
    "generateName": ("string", _is_string),
    "uid": ("types.UID", _is_string),
    "resourceVersion": ("string", _is_string),
    "labels": ("map[string]string", _is_string_map),
    "annotations": ("map[string]string", _is_string_map),
    "finalizers": ("[]string", _is_string_list),
    "ownerReferences": ("[]v1.OwnerReference", _is_reference_list),
}


OTHER_FIELDS = frozenset(
    ("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
     "managedFields", "selfLink")
)  # fmt: skip


def check_types(resource: Resource, metadata: Json) -> None:
    """Raises for what Go would not decode into ObjectMeta; a null it takes for absent."""
    if not isinstance(metadata, dict):
        raise _cannot_decode(resource, metadata, "metadata", "v1.ObjectMeta")
    for name, (wanted, fits) in FIELD_TYPES.items():
        value = metadata.get(name)
        if value is None:
            metadata.pop(name, None)
        elif not fits(value):
            raise _cannot_decode(resource, value, f"metadata.{name}", wanted)


def _cannot_decode(resource: Resource, value: Json, field: str, wanted: str) -> status.StatusError:
    kind = resource.kind
    return status.bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: json: cannot '
        f"unmarshal {kind_of(value)} into Go struct field {_go_field(resource, field)} of type "
        f"{wanted}"
    )


def _go_field(resource: Resource, field: str) -> str:
    """Of a custom kind the metadata is read alone."""
    inner = field.removeprefix("metadata.")
    if inner == field:
        return f"{resource.kind}.{field}"
    return f"ObjectMeta.{inner}" if resource.is_custom else f"ObjectMeta.{field}"


def prune(metadata: Object) -> list[str]:
    """Takes out, in place, what ObjectMeta does not have; gives back the paths that went."""
    unknown = sorted(metadata.keys() - FIELD_TYPES.keys() - OTHER_FIELDS)
    for name in unknown:
        del metadata[name]
    return [f"metadata.{name}" for name in unknown]


def check_change(new: Object, old: Object | None) -> list[Cause]:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/"""
    if old is None or not old.get("deletionTimestamp"):
        return []
    known = old.get("finalizers") or []
    added = [name for name in new.get("finalizers") or [] if name not in known]
    if not added:
        return []
    said = ", ".join(_quoted(name) for name in added)
    text = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new "
        f"finalizers []string{{{said}}}"
    )
    return [Cause("FieldValueForbidden", "metadata.finalizers", text)]


def check_values(resource: Resource, metadata: Object, *, is_new: bool) -> list[Cause]:
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        text = "Required value: name or generateName is required"
        return [Cause("FieldValueRequired", "metadata.name", text)]
    causes = _name_causes(resource.key, metadata) if is_new else []
    for value in (metadata.get("labels") or {}).values():
        if not _LABEL_VALUE.fullmatch(value) or len(value) > 63:
            text = f"Invalid value: {_quoted(value)}: {LABEL_VALUE_TEXT}"
            causes.append(Cause("FieldValueInvalid", "metadata.labels", text))
    return causes


def _name_causes(key: Key, metadata: Object) -> list[Cause]:
    field = "metadata.name" if metadata.get("name") else "metadata.generateName"
    name = metadata.get("name") or metadata["generateName"].rstrip("-")
    faults = _segment_faults(name) if key in PATH_NAMED else _dns_faults(key, name)
    return [
        Cause("FieldValueInvalid", field, f"Invalid value: {_quoted(name)}: {fault}")
        for fault in faults
    ]


def _segment_faults(name: str) -> list[str]:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/api/validation/path/name.go"""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in name]


def _dns_faults(key: Key, name: str) -> list[str]:
    pattern, limit, text = NAME_RULES.get(key, (_SUBDOMAIN, 253, SUBDOMAIN_TEXT))
    faults = []
    if text is not SUBDOMAIN_TEXT and "." in name:
        faults.append("must not contain dots")
    elif not pattern.fullmatch(name):
        faults.append(text)
    return faults + ([f"must be no more than {limit} characters"] if len(name) > limit else [])


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
