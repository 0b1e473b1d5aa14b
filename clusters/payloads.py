"""Bytes from a cluster as plain objects that every database can keep."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

DEEPEST = 100  # levels that are read of what is nested deeper than orjson, or Python, can go
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
# PostgreSQL keeps no NUL, and nothing keeps half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """JSON; raises ValueError. What orjson refuses but a cluster may send is mended:

    bytes that are not UTF-8 (logs end up in messages as they are), half surrogate pairs, NaN, and depth without end.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _cleaned(_forgiving(data.decode("utf-8", "replace")))
    return _cleaned(value) if rb"\u0000" in data else value


def identity(raw: Mapping[str, Any]) -> tuple[str, str]:
    """(uid, resourceVersion) of an object; a name may come back as another object, a uid never does."""
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")


def storable(text: str) -> str:
    return _UNSTORABLE.sub("", text)


def _forgiving(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text, parse_constant=str)
    except RecursionError:
        return json.loads(_shallow(text), parse_constant=str)


def _shallow(text: str) -> str:
    """JSON of at most DEEPEST levels: null stands for whatever lies below."""
    kept, depth, start = [], 0, 0
    for match in _BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : match.start()])
                start = len(text)  # until it ends
        elif match[0] in "]}":
            if depth == DEEPEST + 1:
                kept.append("null")
                start = match.end()
            depth -= 1
    return "".join([*kept, text[start:]])


def _cleaned(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): _cleaned(item) for key, item in value.items()}
    return value
