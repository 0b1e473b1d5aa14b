"""From conditions, pods, node claims and events to a sentence, a cause with its fixes, and a timeline.

Pure: no clock, no database, no network. Pods are believed before conditions, because conditions lag behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from workspaces.diagnosis import launching, starting
from workspaces.diagnosis.shapes import (
    Action,
    Cause,
    Diagnosis,
    Fix,
    Progress,
    Stage,
    StageState,
)
from workspaces.diagnosis.sightings import Sight
from workspaces.diagnosis.stages import deletion_stages, deployment_stages
from workspaces.types import Dependents, ParsedEvent, ParsedWorkspace, Phase, WorkspaceStatus

__all__ = ["Action", "Cause", "Diagnosis", "Fix", "Progress", "Stage", "StageState", "diagnose"]

NOTHING_READ = Progress()
# Only tuning knows these states.
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_types.go
TUNING_WORDS = {
    "Running": "The tuning job is running",
    "Succeeded": "The tuning job has finished",
    "Failed": "The tuning job failed",
}


def diagnose(
    workspace: ParsedWorkspace,
    dependents: Dependents,
    events: Sequence[ParsedEvent],
    now: datetime,
    *,
    progress: Progress = NOTHING_READ,
    gone_at: datetime | None = None,
) -> Diagnosis:
    """The state in plain words.

    `events` newest first. `progress` is what the log tells, where somebody has read it; without it download
    and load are one. `gone_at` is when the object was seen to be gone.
    """
    seen = Sight(workspace=workspace, dependents=dependents, events=events, now=now)
    if gone_at or workspace.deletion_requested_at:
        return _leaving(seen, gone_at)
    is_answering = _is_answering(seen)
    cause = _remark(seen) if is_answering else _cause(seen, progress)
    stages = deployment_stages(seen, cause, progress, is_answering)
    phase = _phase(seen, cause, is_answering)
    return Diagnosis(
        phase=phase,
        headline=_headline(seen, phase, cause, stages, progress),
        cause=cause,
        stages=stages,
        reassurance="" if cause or is_answering else _reassurance(seen),
    )


def _cause(seen: Sight, progress: Progress) -> Cause | None:
    """The first that explains the standstill; what the pods say comes before what KAITO says of them."""
    return (
        launching.refused_node(seen)
        or starting.failing_pod(seen, progress)
        or launching.stopped_operator(seen)
        or starting.told_by_kaito(seen)
        or launching.slow_node(seen)
        or launching.silent_operator(seen)
    )


def _remark(seen: Sight) -> Cause | None:
    """What is worth saying of a workspace that answers."""
    error = launching.stopped_operator(seen)
    return starting.failed_benchmark(seen) or (error and replace(error, is_blocking=False))


def _is_answering(seen: Sight) -> bool:
    """InferenceReady, but not against the word of the pods.

    State is not asked: it says NotReady for ever after a failed benchmark, while the model serves.
    """
    condition = seen.workspace.status.condition("InferenceReady")
    if not condition or not condition.is_true:
        return _tuning_state(seen.workspace.status) == "Succeeded"
    return not seen.pods or any(p.is_ready for p in seen.pods)


def _tuning_state(status: WorkspaceStatus) -> str:
    """KAITO before 0.9 writes no state; there the conditions say it. Of serving, nothing.

    https://github.com/kaito-project/kaito/blob/v0.7.0/pkg/workspace/controllers/workspace_controller.go
    """
    started, done = status.condition("JobStarted"), status.condition("WorkspaceSucceeded")
    if status.state or started is None:
        return status.state if status.state in TUNING_WORDS else ""
    if started.reason == "WorkspaceTuningJobStatusFailed":
        return "Failed"
    if done and done.is_true:
        return "Succeeded"
    return "Running" if started.is_true else ""


def _phase(seen: Sight, cause: Cause | None, is_answering: bool) -> Phase:
    status = seen.workspace.status
    if is_answering:
        return Phase.READY
    if _tuning_state(status) == "Failed" or (cause and cause.is_blocking):
        return Phase.FAILED
    ready = status.condition("InferenceReady")
    was_ready = status.state in ("Ready", "NotReady") or bool(ready and ready.is_true)
    return Phase.NOT_READY if was_ready else Phase.ON_THE_WAY


def _headline(
    seen: Sight,
    phase: Phase,
    cause: Cause | None,
    stages: tuple[Stage, ...],
    progress: Progress,
) -> str:
    tuning = _tuning_state(seen.workspace.status)
    if tuning:
        return TUNING_WORDS[tuning]
    if phase == Phase.READY:
        return cause.title if cause and cause.key == "benchmark" else "Answers prompts"
    if cause:
        return cause.title
    if phase == Phase.NOT_READY:
        return "Answered before, but its pod is not ready now"
    current = next(s for s in stages if s.state == StageState.NOW)
    if current.key == "weights" and not progress.stage:
        return "Downloading and loading the model"
    return _way_words(seen, current)


def _way_words(seen: Sight, stage: Stage) -> str:
    percent = f", {stage.percent} %" if stage.percent is not None else ""
    return {
        "accepted": "Waiting for KAITO to take notice",
        "node": "Waiting for the GPU node" if seen.is_gpu else "Waiting for the node",
        "image": "Pulling the container image" if seen.pods else "Creating the pod",
        "weights": f"Downloading weights{percent}",
        "load": f"Loading the model into memory{percent}",
        "benchmark": "Measuring its speed",
        "ready": "Waiting for KAITO to say it is ready",
    }[stage.key]


def _reassurance(seen: Sight) -> str:
    """What looks alarming in the conditions at this stage and is not."""
    status = seen.workspace.status
    if seen.has_nodes():
        return (
            "KAITO shows InferenceReady=False (WorkspaceInferenceStatusPending) until the model "
            "answers; that is normal at this stage, and so are failing probes."
        )
    if any(c.is_true for c in status.conditions) and not status.target_node_count:
        return (
            "Conditions may read True for a moment: KAITO has not counted yet how many nodes "
            "it needs, and finds none of none missing."
        )
    return (
        "KAITO shows InferenceReady=False and WorkspaceSucceeded=False until the model answers; "
        "that is normal. Azure usually needs three to ten minutes for a machine."
    )


def _leaving(seen: Sight, gone_at: datetime | None) -> Diagnosis:
    stages = deletion_stages(seen, gone_at)
    if gone_at and not seen.claims:
        return Diagnosis(
            phase=Phase.DELETED, headline="Nothing of it is left in the cluster", stages=stages
        )
    waiting = "Deleting: waiting for the machine to be released" if seen.claims else "Deleting"
    phase = Phase.DELETED if gone_at else Phase.DELETING
    return Diagnosis(
        phase=phase,
        headline="Deleted; its machine is still being released" if gone_at else waiting,
        stages=stages,
    )
