"""Bytes from a cluster as plain objects."""

from __future__ import annotations

import json
from typing import Any

import orjson


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """JSON; raises ValueError. Bytes that are not UTF-8 are replaced, since logs end up in messages as they are."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8", "replace"))
