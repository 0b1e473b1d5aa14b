"""Reads a line of a watch."""

from __future__ import annotations

import logging
from typing import Any

from clusters.payloads import loads

logger = logging.getLogger(__name__)


def parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    """Kind and object of a line; ("", {}) for one that is neither. A single bad line must not stop the stream."""
    try:
        event = loads(line) if line else {}
    except ValueError:
        logger.warning("A line of a watch is not JSON: %.80r", line)
        return "", {}
    kind, raw = (event.get("type"), event.get("object")) if isinstance(event, dict) else ("", {})
    return str(kind or ""), raw if isinstance(raw, dict) else {}
