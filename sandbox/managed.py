"""managedFields: who last set which field.

The rules are those of structured-merge-diff's Updater:
https://github.com/kubernetes-sigs/structured-merge-diff/blob/v6.3.0/merge/update.go
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sandbox.fieldsets import FieldSet, Path, compare, from_v1, to_v1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    manager: str
    operation: str
    api_version: str
    time: str
    subresource: str = ""
    fields: FieldSet = frozenset()

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return (self.manager, self.operation, self.api_version, self.subresource)


def decode(raw: list[dict[str, Any]]) -> list[Entry]:
    return [
        Entry(
            manager=entry.get("manager", ""),
            operation=entry.get("operation", "Update"),
            api_version=entry.get("apiVersion", ""),
            time=entry.get("time", ""),
            subresource=entry.get("subresource", ""),
            fields=from_v1(entry.get("fieldsV1", {})),
        )
        for entry in raw
    ]


def encode(entries: list[Entry]) -> list[dict[str, Any]]:
    ordered = sorted(entries, key=lambda entry: (entry.operation, entry.time, entry.manager))
    return [_encoded(entry) for entry in ordered if entry.fields]


def _encoded(entry: Entry) -> dict[str, Any]:
    raw = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_v1(entry.fields),
    }
    if entry.subresource:
        raw["subresource"] = entry.subresource
    return raw


def after_update(
    entries: list[Entry], mine: Entry, old: dict[Path, Any], new: dict[Path, Any]
) -> list[Entry]:
    """An update takes what it changed from everybody else; `mine` names who and when."""
    added, changed, removed = compare(old, new)
    touched = added | changed
    if not touched and not removed:
        return entries
    others = [
        _without(entry, changed | added | removed) for entry in entries if not _is(entry, mine)
    ]
    before = next((entry.fields for entry in entries if _is(entry, mine)), frozenset())
    return [*others, replace(mine, fields=(before | touched) - removed)]


def after_apply(entries: list[Entry], mine: Entry, taken: FieldSet, gone: FieldSet) -> list[Entry]:
    """An apply owns exactly what it said (`mine.fields`); `taken` was changed by force."""
    others = [_without(entry, taken | gone) for entry in entries if not _is(entry, mine)]
    return [*others, mine]


def _is(entry: Entry, mine: Entry) -> bool:
    return entry.identity == mine.identity


def _without(entry: Entry, paths: FieldSet) -> Entry:
    return replace(entry, fields=entry.fields - paths)
