"""How a value merges: which maps and lists are owned piece by piece, and which as one.

For custom kinds this follows the CRD's OpenAPI schema; what the schema leaves open is treated as
the server treats untyped data (maps granular, lists atomic). Built-in kinds have no schema here:
their lists merge by the keys that Kubernetes declares, looked up by the field's name.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

Json = Any  # a value as it was decoded: checked where it is used

LIST_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
CONTAINER_PORTS = ("containerPort", "protocol")
SERVICE_PORTS = ("port", "protocol")
SETS = frozenset({"finalizers"})
ATOMIC_MAPS = frozenset({"selector", "nodeSelector", "labelSelector"})
KEY_DEFAULTS = {"protocol": "TCP"}


@dataclass(frozen=True, slots=True)
class Shape:
    name: str = ""
    schema: dict[str, Any] | None = None
    is_built_in: bool = False

    def child(self, name: str) -> Shape:
        if self.schema is None:
            return Shape(name, None, self.is_built_in)
        declared = self.schema.get("properties", {}).get(name)
        if declared is not None:
            return Shape(name, declared)
        additional = self.schema.get("additionalProperties")
        return Shape(name, additional if isinstance(additional, dict) else None)

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
        if self.schema is None:
            return Shape("", None, self.is_built_in)
        return Shape("", self.schema.get("items"))

    @property
    def is_atomic_map(self) -> bool:
        if self.schema is not None:
            return self.schema.get("x-kubernetes-map-type") == "atomic"
        return self.is_built_in and self.name in ATOMIC_MAPS

    @property
    def is_associative(self) -> bool:
        if self.schema is not None:
            return self.schema.get("x-kubernetes-list-type") in ("map", "set")
        return self.is_built_in and (
            self.name in LIST_KEYS or self.name in SETS or self.name == "ports"
        )

    def step_of(self, item: Json) -> str:
        """The path step that names one item of an associative list."""
        keys = self._keys_for(item)
        if not keys or not isinstance(item, dict):
            return "v:" + orjson.dumps(item).decode()
        found = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(keys)}
        named = {key: value for key, value in found.items() if value is not None}
        return "k:" + orjson.dumps(named).decode()

    def _keys_for(self, item: Json) -> tuple[str, ...]:
        if self.schema is not None:
            return tuple(self.schema.get("x-kubernetes-list-map-keys", ()))
        if self.name == "ports":
            return CONTAINER_PORTS if "containerPort" in item else SERVICE_PORTS
        return LIST_KEYS.get(self.name, ())


class RootShape(Shape):
    """The shape of a whole custom object: metadata is the same for every kind."""

    __slots__ = ()

    def child(self, name: str) -> Shape:
        if name == "metadata":
            return Shape("metadata", None, True)
        return super().child(name)

    def declares(self, name: str) -> bool:
        return name in ("apiVersion", "kind", "metadata") or super().declares(name)


BUILT_IN_SHAPE = Shape("", None, True)
