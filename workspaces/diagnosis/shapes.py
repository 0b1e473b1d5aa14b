"""What a diagnosis is made of: the words and marks that the list and the detail page show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from workspaces.types import Phase


class StageState(StrEnum):
    DONE = "done"
    NOW = "now"
    FAIL = "fail"
    TODO = "todo"


class Action(StrEnum):
    """What a fix offers as a button; anything else is advice."""

    NONE = ""
    REDEPLOY = "redeploy"
    DELETE = "delete"
    LOGS = "logs"
    EVENTS = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    title: str
    text: str
    icon: str = "arrow-right"
    action: Action = Action.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why it stands still. `is_blocking` means that waiting alone will not help."""

    key: str
    title: str
    text: str
    stage: str
    evidence: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    is_blocking: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    key: str
    title: str
    icon: str
    state: StageState = StageState.TODO
    started: datetime | None = None
    ended: datetime | None = None
    note: str = ""
    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the log of the serving container tells of the model's start; see workspaces.logs."""

    stage: str = ""
    percent: int | None = None
    note: str = ""
    loading_at: datetime | None = None
    benchmark_at: datetime | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    phase: Phase
    headline: str
    stages: tuple[Stage, ...]
    cause: Cause | None = None
    reassurance: str = ""

    @property
    def current(self) -> Stage | None:
        return next((s for s in self.stages if s.state in (StageState.NOW, StageState.FAIL)), None)
