"""Reads the protobuf bodies that kubectl sends where it does not try JSON: what `kubectl create`
makes, access reviews, token requests.

`k8s\\0`, then runtime.Unknown, whose `raw` is the object.
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/runtime/generated.proto
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from sandbox import kinds, status
from sandbox.kinds import numbers
from sandbox.kinds.notation import Field
from sandbox.shapes import Json

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"
# Zero says something here; elsewhere it is what Go writes for "not set".
MEANINGFUL = frozenset({"replicas", "gracePeriodSeconds", "completions", "parallelism"})

Value = bytes | int
Fields = dict[int, list[Value]]


def decode_object(body: bytes) -> dict[str, Any]:
    try:
        return _decoded(body)
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise status.bad_request(f"unable to decode the protobuf body: {error}") from error


def reads(kind: str) -> bool:
    return bool(numbers.of(kind))


def _decoded(body: bytes) -> dict[str, Any]:
    if not body.startswith(MAGIC):
        raise ValueError("it does not begin with k8s\\0")
    unknown = _fields(body[len(MAGIC) :])
    type_meta = _fields(_bytes(unknown[1][-1]))
    version, kind = (_bytes(type_meta[number][-1]).decode() for number in (1, 2))
    if not reads(kind):
        raise ValueError(f"no kind that is read here: {kind}")
    about = {"apiVersion": version, "kind": kind, "metadata": {}}
    return about | _struct(_bytes(unknown[2][-1]), kind)


def _struct(message: bytes, type_: str) -> dict[str, Any]:
    named, found = _named(type_), {}
    for number, values in _fields(message).items():
        field = named.get(number)
        if field is None:
            continue
        value = _field(values, field.type)
        if value not in ("", 0, [], {}) or (value == 0 and field.name in MEANINGFUL):
            found[field.name] = value
    return found


def _named(type_: str) -> dict[int, Field]:
    declared = {field.name: field for field in kinds.types()[type_].fields}
    declared["metadata"] = Field("metadata", "ObjectMeta", is_required=False)
    return {number: declared[name] for number, name in numbers.of(type_).items()}


def _field(values: list[Value], type_: str) -> Json:
    if type_[0] == "[":
        inner = type_.strip("[]").partition("/")[0].rstrip("+")
        return [_value(value, inner) for value in values]
    if type_[0] == "{":
        inner = type_.rstrip("!").strip("{}")
        entries = [_fields(_bytes(value)) for value in values]
        return {_text(entry[1][-1]): _value(entry.get(2, [b""])[-1], inner) for entry in entries}
    return _value(values[-1], type_)


def _value(value: Value, type_: str) -> Json:
    read = READERS.get(type_)
    return read(value) if read else _struct(_bytes(value), type_)


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number where a message should be")
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode()


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError("a message where a number should be")
    return value - (1 << 64) if value >= 1 << 63 else value


def _int_or_string(value: Value) -> int | str:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/intstr/generated.proto"""
    fields = _fields(_bytes(value))
    if fields.get(1, [0])[-1]:
        return _text(fields.get(3, [b""])[-1])
    return _number(fields.get(2, [0])[-1])


READERS: dict[str, Callable[[Value], Json]] = {
    "str": _text,
    "int": _number,
    "long": _number,
    "bool": lambda value: bool(_number(value)),
    "bytes": lambda value: base64.b64encode(_bytes(value)).decode(),
    "qty": lambda value: _text(_fields(_bytes(value)).get(1, [b""])[-1]),
    "ios": _int_or_string,
}


def _fields(message: bytes) -> Fields:
    found: Fields = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag & 7 == 0:
            number, position = _varint(message, position)
            found.setdefault(tag >> 3, []).append(number)
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
