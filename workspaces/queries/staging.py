"""A stage of the timeline as its row shows it: how long it took, and how long it usually takes."""

from __future__ import annotations

from dataclasses import dataclass

from workspaces.diagnosis import Diagnosis, Stage, StageState
from workspaces.models import Operation
from workspaces.queries.tiling import words
from workspaces.queries.usual import Usual
from workspaces.types import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    stage: Stage
    seconds: float | None
    note: str
    usual: str


def stage_row(
    stage: Stage, diagnosis: Diagnosis, creation: Operation | None, usual: Usual
) -> StageRow:
    """`creation` is the wish that made the workspace, where kaitoweb made it."""
    seconds, note = _seconds(stage), stage.note
    if stage.key == "accepted" and creation:
        note = f"asked for by {creation.person_name}"
        if stage.started:
            seconds = max(0.0, (stage.started - creation.created_at).total_seconds())
    last = diagnosis.stages[-1].ended
    if stage.key == "weights" and stage.state == StageState.DONE and not stage.ended and last:
        note = "all together, until it answered"
        seconds = (last - stage.started).total_seconds() if stage.started else None
    if stage.key == "ready":
        seconds = None  # a moment; how long it all took stands in the tile
    is_leaving = diagnosis.phase in (Phase.DELETING, Phase.DELETED)
    return StageRow(
        stage=stage, seconds=seconds, note=note, usual="" if is_leaving else _usual(stage, usual)
    )


def _usual(stage: Stage, usual: Usual) -> str:
    key = {"weights": "start"}.get(stage.key, stage.key)
    seconds = usual.seconds.get(key)
    if seconds is None:
        return ""
    return f"usually {words(seconds)}" + (" to the end" if key == "start" else "")


def _seconds(stage: Stage) -> float | None:
    """How long a finished stage took; of a running one the page shows a clock."""
    if stage.started is None or stage.ended is None or stage.state != StageState.DONE:
        return None
    return (stage.ended - stage.started).total_seconds()
