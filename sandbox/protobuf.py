"""Reads the protobuf messages that kubectl insists on: access reviews, and what `kubectl create`
makes of namespaces, config maps, secrets and service accounts.

`k8s\\0`, then runtime.Unknown, whose `raw` is the object. A number is kept as its digits.
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/runtime/generated.proto
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/apis/meta/v1/generated.proto
https://github.com/kubernetes/api/blob/v0.36.3/core/v1/generated.proto
https://github.com/kubernetes/api/blob/v0.36.3/authorization/v1/generated.proto
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from sandbox import status

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

RESOURCE_FIELDS = {
    1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name",
}  # fmt: skip
PATH_FIELDS = {1: "path", 2: "verb"}
METADATA_FIELDS = {1: "name", 2: "generateName", 3: "namespace"}
METADATA_MAPS = {11: "labels", 12: "annotations"}


def decode_object(body: bytes) -> dict[str, Any]:
    try:
        return _decoded(body)
    except (IndexError, KeyError, UnicodeDecodeError, ValueError) as error:
        raise status.bad_request(f"unable to decode the protobuf body: {error}") from error


def _decoded(body: bytes) -> dict[str, Any]:
    if not body.startswith(MAGIC):
        raise ValueError("it does not begin with k8s\\0")
    unknown = _fields(body[len(MAGIC) :])
    type_meta = _last(unknown, 1)
    kind = _text(_fields(type_meta), 2)
    if kind not in DECODERS:
        raise ValueError(f"no kind that is read here: {kind}")
    raw = _fields(_last(unknown, 2))
    about = {"apiVersion": _text(_fields(type_meta), 1), "kind": kind}
    return about | {"metadata": _metadata(_fields(_last(raw, 1)))} | DECODERS[kind](raw)


Fields = dict[int, list[bytes]]


def _metadata(fields: Fields) -> dict[str, Any]:
    named = {name: _text(fields, number) for number, name in METADATA_FIELDS.items()}
    maps = {name: _map(fields, number) for number, name in METADATA_MAPS.items()}
    return {name: value for name, value in (named | maps).items() if value}


def _nothing_more(fields: Fields) -> dict[str, Any]:
    return {}


def _config_map(fields: Fields) -> dict[str, Any]:
    return {"data": _map(fields, 2)} | _binary(fields, 3, "binaryData")


def _secret(fields: Fields) -> dict[str, Any]:
    plain = {"type": _text(fields, 3)} if 3 in fields else {}
    return plain | _binary(fields, 2, "data") | {"stringData": _map(fields, 4)}


def _binary(fields: Fields, number: int, name: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value).decode() for key, value in _entries(fields, number)}
    return {name: encoded} if encoded else {}


def _rules_spec(fields: Fields) -> dict[str, Any]:
    return {"spec": {"namespace": _text(_fields(_last(fields, 2)), 1)}}


def _access_spec(fields: Fields) -> dict[str, Any]:
    spec = _fields(_last(fields, 2))
    if 2 in spec:
        return {"spec": {"nonResourceAttributes": _named(_last(spec, 2), PATH_FIELDS)}}
    return {"spec": {"resourceAttributes": _named(_last(spec, 1), RESOURCE_FIELDS)}}


def _other_access_spec(fields: Fields) -> dict[str, Any]:
    spec = _fields(_last(fields, 2))
    about = _access_spec(fields)["spec"]
    groups = [group.decode() for group in spec.get(4, [])]
    return {"spec": about | {"user": _text(spec, 3), "groups": groups}}


def _token_spec(fields: Fields) -> dict[str, Any]:
    spec = _fields(_last(fields, 2))
    asked: dict[str, Any] = {"audiences": [each.decode() for each in spec.get(1, [])]}
    if 4 in spec:
        asked["expirationSeconds"] = int(_last(spec, 4))
    return {"spec": asked}


DECODERS: dict[str, Callable[[Fields], dict[str, Any]]] = {
    "ConfigMap": _config_map,
    "Namespace": _nothing_more,
    "Secret": _secret,
    "SelfSubjectAccessReview": _access_spec,
    "SelfSubjectReview": _nothing_more,
    "SelfSubjectRulesReview": _rules_spec,
    "LocalSubjectAccessReview": _other_access_spec,
    "ServiceAccount": _nothing_more,
    "SubjectAccessReview": _other_access_spec,
    "TokenRequest": _token_spec,
}


def _named(message: bytes, names: dict[int, str]) -> dict[str, str]:
    return {
        names[number]: _text(_fields(message), number)
        for number in _fields(message)
        if number in names
    }


def _text(fields: Fields, number: int) -> str:
    return _last(fields, number).decode()


def _last(fields: Fields, number: int) -> bytes:
    return fields.get(number, [b""])[-1]


def _map(fields: Fields, number: int) -> dict[str, str]:
    return {key: value.decode() for key, value in _entries(fields, number)}


def _entries(fields: Fields, number: int) -> list[tuple[str, bytes]]:
    entries = [_fields(entry) for entry in fields.get(number, [])]
    return [(_text(entry, 1), _last(entry, 2)) for entry in entries]


def _fields(message: bytes) -> Fields:
    found: Fields = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag & 7 == 0:
            number, position = _varint(message, position)
            found.setdefault(tag >> 3, []).append(b"%d" % number)
            continue
        if tag & 7 != 2:
            raise ValueError(f"unexpected wire type {tag & 7}")
        length, position = _varint(message, position)
        found.setdefault(tag >> 3, []).append(message[position : position + length])
        position += length
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
