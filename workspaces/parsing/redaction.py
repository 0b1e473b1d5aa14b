"""What may be kept of an object: everything but its literal secrets, its managedFields and second copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import audit.redaction
from audit.redaction import REDACTED
from workspaces.parsing.raw import at, items, mapping, text
from workspaces.types import RawObject


def redacted(raw: RawObject) -> RawObject:
    """A copy fit for our database."""
    return mapping(audit.redaction.redacted(raw))


def carries_secret(raw: RawObject) -> bool:
    """Whether `raw` holds a literal that belongs into a Secret."""
    before, after = json.dumps(raw), json.dumps(redacted(raw))
    return after.count(REDACTED) > before.count(REDACTED)


def summarise_managers(raw: RawObject) -> list[dict[str, Any]]:
    """Who owns which fields: one entry a manager, newest first; a manager is a tool, never a person."""
    entries = [
        {
            "manager": text(entry.get("manager")) or "unknown",
            "operation": text(entry.get("operation")),
            "subresource": text(entry.get("subresource")),
            "time": text(entry.get("time")),
            "paths": sorted(_field_paths(mapping(entry.get("fieldsV1")))),
        }
        for entry in items(at(raw, "metadata", "managedFields"))
    ]
    return sorted(entries, key=lambda entry: str(entry["time"]), reverse=True)


def _field_paths(fields: RawObject, prefix: str = "") -> Iterator[str]:
    """Dotted paths of a fieldsV1 set; keys start f: field, k: key of a list item, v: value, i: index, or are a dot.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    for key, below in fields.items():
        if key == ".":
            continue
        kind, _, name = key.partition(":")
        path = f"{prefix}.{name}".removeprefix(".") if kind == "f" else f"{prefix}[{name}]"
        if mapping(below).keys() - {"."}:
            yield from _field_paths(mapping(below), path)
        else:
            yield path
