"""How a value merges: which maps and lists are owned piece by piece, and which as one.

This follows the kind's OpenAPI schema; what the schema leaves open is treated as the server treats
untyped data (maps granular, lists atomic).
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sandbox import kinds

Json = Any  # a value as it was decoded: checked where it is used

KEY_DEFAULTS = {"protocol": "TCP"}


@dataclass(frozen=True, slots=True)
class Shape:
    schema: dict[str, Any] | None = None

    def child(self, name: str) -> Shape:
        if self.schema is None:
            return self
        declared = self.schema.get("properties", {}).get(name)
        if declared is None:
            declared = self.schema.get("additionalProperties")
        return Shape(declared) if isinstance(declared, dict) else OPEN

    def declares(self, name: str) -> bool:
        """Whether a field of this name may stand in this map at all."""
        if self.schema is None or self.schema.get("x-kubernetes-preserve-unknown-fields"):
            return True
        additional = self.schema.get("additionalProperties")
        return bool(additional) or name in self.schema.get("properties", {})

    @property
    def type(self) -> str:
        """Empty where anything may stand."""
        return "" if self.schema is None else self.schema.get("type", "")

    @property
    def item(self) -> Shape:
        items = self.schema.get("items") if self.schema else None
        return Shape(items) if items else OPEN

    @property
    def is_atomic_map(self) -> bool:
        return self.schema is not None and self.schema.get("x-kubernetes-map-type") == "atomic"

    @property
    def is_associative(self) -> bool:
        return self.schema is not None and (
            self.schema.get("x-kubernetes-list-type") in ("map", "set")
        )

    def step_of(self, item: Json) -> str:
        """The path step that names one item of an associative list."""
        keys = (self.schema or {}).get("x-kubernetes-list-map-keys", ())
        if not keys or not isinstance(item, dict):
            return "v:" + orjson.dumps(item).decode()
        found = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(keys)}
        named = {key: value for key, value in found.items() if value is not None}
        return "k:" + orjson.dumps(named).decode()


OPEN = Shape()


class RootShape(Shape):
    """The shape of a whole object: metadata is the same for every kind."""

    __slots__ = ()

    def child(self, name: str) -> Shape:
        return Shape(kinds.metadata()) if name == "metadata" else super().child(name)

    def declares(self, name: str) -> bool:
        return name in ("apiVersion", "kind", "metadata") or super().declares(name)
