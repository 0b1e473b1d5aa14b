"""The custom kind of these tests: `widgets.conformance.kaitoweb.dev`, as tests/sandbox has it."""

from __future__ import annotations

from typing import Any

from tests.sandbox import widgets

GROUP = "conformance.kaitoweb.dev"
WIDGET_CRD = widgets.WIDGET_CRD | {
    "metadata": {"name": f"widgets.{GROUP}"},
    "spec": widgets.WIDGET_CRD["spec"] | {"group": GROUP},
}


def widgets_path(namespace: str = "", name: str = "", version: str = "v1") -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{version}{scope}/widgets" + (f"/{name}" if name else "")


def widget(name: str = "w", *, size: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": size, **spec},
    }
