"""Knative's grammar for validation errors, to the last colon.

https://github.com/knative/pkg/blob/main/apis/field_error.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class FieldError:
    message: str
    paths: tuple[str, ...] = ()


Errors = list[FieldError]


def invalid(value: str, path: str) -> FieldError:
    return FieldError(f"invalid value: {value}", (path,))


def missing(*paths: str) -> FieldError:
    return FieldError("missing field(s)", paths)


def generic(message: str, *paths: str) -> FieldError:
    return FieldError(message, paths)


def via(prefix: str, errors: Iterable[FieldError]) -> Errors:
    return [
        replace(error, paths=tuple(_flatten(prefix, path) for path in error.paths))
        for error in errors
    ]


def _flatten(prefix: str, path: str) -> str:
    """Empty parts vanish: text that stands where a path belongs loses its last full stop."""
    return ".".join(part for part in f"{prefix}.{path}".split(".") if part)


def render(errors: Iterable[FieldError]) -> str:
    """Same messages are merged, then all are sorted."""
    merged: dict[str, set[str]] = {}
    for error in errors:
        merged.setdefault(error.message, set()).update(error.paths)
    return "\n".join(
        f"{message}: {', '.join(sorted(paths))}" for message, paths in sorted(merged.items())
    )
