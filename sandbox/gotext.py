"""Values as Go prints them with `%v`, which some refusals of the API server contain."""

from __future__ import annotations

from sandbox.shapes import Json


def printed(value: Json) -> str:
    """https://pkg.go.dev/fmt#hdr-Printing"""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{printed(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(printed(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
