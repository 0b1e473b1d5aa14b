"""What may be kept of an object: everything but its literal secrets, its managedFields and second copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from workspaces.parsing.raw import at, items, mapping, text
from workspaces.types import RawObject

# A literal that opens something: Hugging Face token, bearer token or JWT, signature of an Azure SAS URL, password in a URL.
_SECRET_TEXT = re.compile(
    r"hf_[A-Za-z0-9]{8,}|(?<=[Bb]earer )\S{8,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?<=[?&]sig=)[^&\s]+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_SECRET_NAME = re.compile(
    r"(token|secret|sas)$|passw(or)?d|passphrase|(api|account|access|private)_?key|credential|connection_?string",
    re.IGNORECASE,
)
REDACTED = "(redacted)"
# kubectl keeps the whole manifest in here a second time.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(raw: RawObject) -> RawObject:
    """A copy fit for our database: no managedFields, no second copy of the manifest, no literal secret."""
    clean = mapping(_redacted(raw))
    meta = mapping(clean.get("metadata"))
    meta.pop("managedFields", None)
    mapping(meta.get("annotations")).pop(_LAST_APPLIED, None)
    return clean


def carries_secret(raw: RawObject) -> bool:
    """Whether `raw` holds a literal that belongs into a Secret."""
    return _redacted(raw) != raw


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        hides = text(value.get("value")) and _SECRET_NAME.search(text(value.get("name")))
        return {k: REDACTED if hides and k == "value" else _redacted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return _SECRET_TEXT.sub(REDACTED, value) if isinstance(value, str) else value


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
