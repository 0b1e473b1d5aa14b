"""Where a pod or node claim stands in its life, kept in the object itself.

The sandbox's controllers remember nothing: after a restart they go on from the stage that an
object carries, and from how long it has been there. It is a condition, since those may be of any
type, and since it can then be written together with the rest of the status.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import parse_time

STAGE = "sandbox.kaitoweb/Stage"

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    since: datetime
    attempt: int = 0


def stage_of(obj: Raw) -> Stage | None:
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if condition["type"] == STAGE:
            since = parse_time(condition["lastTransitionTime"])
            return Stage(condition["reason"], since, int(condition["message"]))
    return None


def with_stage(status: Raw, stage: Stage) -> Raw:
    kept = [each for each in status.get("conditions") or [] if each["type"] != STAGE]
    mark = {
        "type": STAGE,
        "status": "True",
        "reason": stage.name,
        "message": str(stage.attempt),
        "lastTransitionTime": _precise(stage.since),
    }
    return status | {"conditions": [*kept, mark]}


def _precise(moment: datetime) -> str:
    """At speed 200 a second holds many stages."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
