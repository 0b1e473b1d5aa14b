"""How an entry is hashed and how the chain is checked; pure but for reading rows in order.

Canonical form: JSON with sorted keys, no spaces, UTF-8, times as UTC with microseconds. The first
`previous_hash` is 64 zeros. Changing, removing or inserting a row breaks the chain at its `seq`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from audit.models import Entry

GENESIS = "0" * 64
_HASHED = tuple(f.attname for f in Entry._meta.concrete_fields if f.attname not in {"hash"})


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold, and how."""

    seq: int
    what: str


def _plain(value: Any) -> Any:  # noqa: ANN401 - any column value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    return value


def entry_hash(entry: Entry) -> str:
    """SHA-256, hex, over every column but `hash` itself."""
    body = {name: _plain(getattr(entry, name)) for name in _HASHED}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def breaks(entries: Iterable[Entry], *, head_seq: int, head_hash: str) -> Iterator[Break]:
    """Every place where `entries` (in rising seq) do not form the chain that ends in the head."""
    seq, previous = 0, GENESIS
    for entry in entries:
        if entry.seq != seq + 1:
            yield Break(seq + 1, f"entries {seq + 1} to {entry.seq - 1} are missing")
        if entry.previous_hash != previous:
            yield Break(entry.seq, "does not follow the entry before it")
        if entry.hash != entry_hash(entry):
            yield Break(entry.seq, "was changed after it was written")
        seq, previous = entry.seq, entry.hash
    if (seq, previous) != (head_seq, head_hash):
        yield Break(seq, f"the chain ends here, but its head says #{head_seq}")
