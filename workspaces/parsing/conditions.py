"""Conditions, as every kind of Kubernetes object carries them."""

from __future__ import annotations

from workspaces.parsing.raw import items, moment, number, text
from workspaces.types import Condition, RawObject


def parse_conditions(status: RawObject) -> tuple[Condition, ...]:
    return tuple(_condition(item) for item in items(status.get("conditions")))


def _condition(raw: RawObject) -> Condition:
    return Condition(
        type=text(raw.get("type")),
        status=text(raw.get("status")),
        reason=text(raw.get("reason")),
        message=text(raw.get("message")),
        since=moment(raw.get("lastTransitionTime")),
        observed_generation=number(raw.get("observedGeneration"), -1)
        if "observedGeneration" in raw
        else None,
    )
