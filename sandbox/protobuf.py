"""Reads the one protobuf message that kubectl insists on: an access review.

`k8s\\0`, then runtime.Unknown, whose `raw` is the review. Only length-delimited fields occur.
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/runtime/generated.proto
https://github.com/kubernetes/api/blob/v0.36.3/authorization/v1/generated.proto
"""

from __future__ import annotations

from typing import Any

from sandbox import status

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

RESOURCE_FIELDS = {
    1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name",
}  # fmt: skip
PATH_FIELDS = {1: "path", 2: "verb"}


def decode_review(body: bytes) -> dict[str, Any]:
    try:
        return _decoded(body)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise status.bad_request(f"unable to decode the protobuf body: {error}") from error


def _decoded(body: bytes) -> dict[str, Any]:
    if not body.startswith(MAGIC):
        raise ValueError("it does not begin with k8s\\0")
    unknown = _fields(body[len(MAGIC) :])
    type_meta = _fields(unknown.get(1, b""))
    spec = _fields(_fields(unknown.get(2, b"")).get(2, b""))
    kind = type_meta.get(2, b"").decode()
    return {
        "apiVersion": type_meta.get(1, b"").decode(),
        "kind": kind,
        "metadata": {},
        "spec": _rules_spec(spec) if kind == "SelfSubjectRulesReview" else _access_spec(spec),
    }


def _rules_spec(spec: dict[int, bytes]) -> dict[str, Any]:
    return {"namespace": spec.get(1, b"").decode()}


def _access_spec(spec: dict[int, bytes]) -> dict[str, Any]:
    if 2 in spec:
        return {"nonResourceAttributes": _named(spec[2], PATH_FIELDS)}
    return {"resourceAttributes": _named(spec.get(1, b""), RESOURCE_FIELDS)}


def _named(message: bytes, names: dict[int, str]) -> dict[str, str]:
    return {
        names[number]: value.decode()
        for number, value in _fields(message).items()
        if number in names
    }


def _fields(message: bytes) -> dict[int, bytes]:
    """Field number → bytes; the last of each wins."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag & 7 == 0:
            _, position = _varint(message, position)
            continue
        if tag & 7 != 2:
            raise ValueError(f"unexpected wire type {tag & 7}")
        length, position = _varint(message, position)
        found[tag >> 3] = message[position : position + length]
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
