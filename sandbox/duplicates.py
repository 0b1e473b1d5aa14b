"""Fields that stand twice in a JSON object, which an ordinary parser does not tell.

https://kubernetes.io/docs/reference/using-api/api-concepts/#validation-for-unrecognized-or-duplicate-fields
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Pairs = list[tuple[str, Any]]


class _Map(dict[str, Any]):
    """What was parsed, with the names that came again."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = (
            [name for name in self if names.count(name) > 1] if len(names) > len(self) else []
        )


def duplicate_fields(body: bytes) -> list[str]:
    return list(_found(json.loads(body, object_pairs_hook=_Map), ""))


def _found(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401  JSON
    if isinstance(value, _Map):
        prefix = f"{path}." if path else ""
        yield from (prefix + name for name in value.twice)
        for name, inner in value.items():
            yield from _found(inner, prefix + name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _found(item, f"{path}[{index}]")
