"""The custom kind of the tests of beliefs: one field for each thing that a schema can say."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

GROUP = "conformance.kaitoweb.dev"
PLURAL = f"widgets.{GROUP}"
API_VERSION = f"{GROUP}/v1"

_SPEC: Object = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 100},
        "replicas": {"type": "integer"},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 8},
        "ratio": {"type": "number"},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "note": {"type": "string", "nullable": True},
        "tags": {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
        },
        "steps": {"type": "array", "items": {"type": "string"}},
        "selector": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "x-kubernetes-map-type": "atomic",
        },
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
    },
}
_STATUS: Object = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
    },
}
_COLUMNS = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def _version(name: str, *, is_stored: bool) -> Object:
    return {
        "name": name,
        "served": True,
        "storage": is_stored,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": _COLUMNS,
        "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {"spec": _SPEC, "status": _STATUS}}
        },
    }


WIDGET_CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": PLURAL},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "plural": "widgets",
            "singular": "widget",
            "kind": "Widget",
            "listKind": "WidgetList",
            "shortNames": ["wd"],
            "categories": ["all"],
        },
        "versions": [_version("v1", is_stored=True), _version("v1alpha1", is_stored=False)],
    },
}


def widgets_path(namespace: str = "", name: str = "", version: str = "v1") -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{version}{scope}/widgets" + (f"/{name}" if name else "")


def widget(name: str = "w", *, size: int = 1, labels: Object | None = None, **spec: Any) -> Object:
    metadata: Object = {"name": name} | ({"labels": labels} if labels else {})
    return {
        "apiVersion": API_VERSION,
        "kind": "Widget",
        "metadata": metadata,
        "spec": {"size": size, **spec},
    }


def wish(name: str = "w", **spec: Any) -> Object:
    """What one manager applies: only the fields that it names."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }
