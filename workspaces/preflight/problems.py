"""The shape of what a check finds: where, how bad, in our words and in the cluster's, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    ERROR = "error"  # stands in the way
    WARNING = "warning"  # allowed, and likely to be regretted
    HINT = "hint"  # worth knowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """One click that sets `field` to `value`."""

    field: str
    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """`field` is a field of the deploy form, or empty when none is to blame; `detail` is the cluster's own words."""

    field: str
    message: str
    detail: str = ""
    level: Level = Level.ERROR
    mends: tuple[Mend, ...] = ()


def use(field: str, value: str) -> Mend:
    return Mend(field=field, value=value, label=f"Use {value}")
