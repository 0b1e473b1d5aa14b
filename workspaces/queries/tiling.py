"""The four figures on top of the list, and of a workspace's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workspaces import catalogue
from workspaces.diagnosis import Diagnosis
from workspaces.queries.sighting import Seen
from workspaces.queries.usual import Usual, first_answer, start_budget_s
from workspaces.types import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A text, a clock that runs since a moment, or an age."""

    label: str
    icon: str
    text: str = ""
    since: datetime | None = None
    age: datetime | None = None
    note: str = ""
    tone: str = "blue"
    url: str = ""


def tiles_of(seen: Seen, diagnosis: Diagnosis, usual: Usual, now: datetime) -> list[Tile]:
    return [
        _time_tile(seen, diagnosis, usual, first_answer(seen.row)),
        _next_tile(seen, diagnosis, usual, now),
        _node_tile(seen),
        _benchmark_tile(seen, diagnosis),
    ]


def _time_tile(seen: Seen, diagnosis: Diagnosis, usual: Usual, ready: datetime | None) -> Tile:
    created, gone = seen.row.created_at, seen.row.deleted_at
    if gone and created:
        return Tile(label="Lived", icon="clock", text=words((gone - created).total_seconds()))
    if diagnosis.phase == Phase.READY and created and ready and ready >= created:
        took = (ready - created).total_seconds()
        return Tile(label="Took", icon="clock", text=words(took), note="until it answered")
    note = f"usually {words(usual.total)} in all" if usual.total else ""
    return Tile(label="So far", icon="clock", since=created, note=note)


def _next_tile(seen: Seen, diagnosis: Diagnosis, usual: Usual, now: datetime) -> Tile:
    phase, row = diagnosis.phase, seen.row
    if phase == Phase.READY:
        return Tile(label="Ready for", icon="flag", age=diagnosis.stages[-1].ended)
    if phase != Phase.ON_THE_WAY:
        label = "Gone for" if phase == Phase.DELETED else f"{phase.label} for"
        return Tile(label=label, icon="hourglass", age=row.phase_since)
    budget = start_budget_s(row)
    note = f"KAITO allows {words(budget)} for the start" if budget else ""
    return Tile(label="About to go", icon="hourglass", text=_to_go(seen, usual, now), note=note)


def _to_go(seen: Seen, usual: Usual, now: datetime) -> str:
    if not usual.total or not seen.row.created_at:
        return "not known yet"
    left = usual.total - (now - seen.row.created_at).total_seconds()
    return words(left) if left > 0 else "any moment"


def _node_tile(seen: Seen) -> Tile:
    wanted = seen.workspace.status.target_node_count or seen.row.count
    have = 0 if seen.row.deleted_at else seen.row.node_count
    known = catalogue.instance_type(seen.row.instance_type)
    note = known.summary if known else seen.row.instance_type or "nodes of your own"
    return Tile(label="Nodes", icon="cpu", text=f"{have} of {wanted}", note=note)


def _benchmark_tile(seen: Seen, diagnosis: Diagnosis) -> Tile:
    peak = seen.workspace.status.peak_tokens_per_minute
    if peak:
        number = f"{float(peak):,.0f}" if peak.replace(".", "", 1).isdigit() else peak
        return Tile(label="Benchmark", icon="gauge", text=number, note="tokens/min at its peak")
    if not any(s.key == "benchmark" for s in diagnosis.stages):
        note = "KAITO measures vLLM presets only"
        return Tile(label="Benchmark", icon="gauge", text="not measured", note=note)
    return Tile(label="Benchmark", icon="gauge", text="after the start", note="in tokens/min")


def words(seconds: float) -> str:
    """About how long: "40 s", "5 min", "1 h 20 min", "3 d"."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} d"
