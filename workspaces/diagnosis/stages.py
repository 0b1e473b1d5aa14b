"""The timeline: what has happened, what happens now, what is to come; and backwards for a deletion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from workspaces.diagnosis.shapes import Cause, Progress, Stage, StageState
from workspaces.diagnosis.sightings import Sight, main_container, started_at
from workspaces.types import ParsedNodeClaim, ParsedPod, Recipe, Runtime


def deployment_stages(
    sight: Sight, cause: Cause | None, progress: Progress, is_answering: bool
) -> tuple[Stage, ...]:
    """Every stage before the current one is done; a blocking cause fails the stage it belongs to."""
    stages = [_in_order(s) for s in _all_stages(sight, progress)]
    if is_answering:
        return tuple(replace(s, state=StageState.DONE, percent=None) for s in stages)
    keys = [s.key for s in stages]
    is_blocked = cause is not None and cause.is_blocking and cause.stage in keys
    key = cause.stage if cause and is_blocked else _current_key(sight, progress, keys)
    current = keys.index(key)
    state = StageState.FAIL if is_blocked else StageState.NOW
    return (
        *(replace(s, state=StageState.DONE, percent=None) for s in stages[:current]),
        replace(stages[current], state=state, ended=None),
        *(_yet_to_come(s) for s in stages[current + 1 :]),
    )


def _in_order(stage: Stage) -> Stage:
    """A pod that was made anew later says nothing about how long the deployment took."""
    if stage.started and stage.ended and stage.ended < stage.started:
        return replace(stage, started=None, ended=None)
    return stage


def _yet_to_come(stage: Stage) -> Stage:
    note = stage.note if stage.key == "benchmark" else ""
    return replace(stage, started=None, ended=None, note=note, percent=None)


def _all_stages(sight: Sight, progress: Progress) -> list[Stage]:
    created_at, ready_at = sight.workspace.created_at, _ready_at(sight)
    stages = [
        Stage(
            key="accepted",
            title="Accepted by Kubernetes",
            icon="check",
            started=created_at,
            ended=created_at,
        ),
        _node_stage(sight),
        _image_stage(sight),
        _weights_stage(sight, progress),
        _load_stage(sight, progress),
    ]
    if has_benchmark(sight):
        stages.append(
            Stage(
                key="benchmark",
                title="Benchmark",
                icon="gauge",
                started=progress.benchmark_at,
                ended=ready_at,
                note="60 s, 2048 tokens in, 256 out",
            )
        )
    return [
        *stages,
        Stage(key="ready", title="Ready", icon="flag", started=ready_at, ended=ready_at),
    ]


def _node_stage(sight: Sight) -> Stage:
    return Stage(
        key="node",
        title="GPU node" if sight.is_gpu else "Node",
        icon="cpu",
        started=sight.workspace.created_at,
        ended=_noded_at(sight),
        note=_node_note(sight),
    )


def _image_stage(sight: Sight) -> Stage:
    pod = sight.first_pod
    container = main_container(pod) if pod else None
    return Stage(
        key="image",
        title="Container image",
        icon="box",
        started=(pod.created_at if pod else None) or _noded_at(sight),
        ended=started_at(pod),
        note=container.image.rpartition("/")[2] if container else "",
    )


def _weights_stage(sight: Sight, progress: Progress) -> Stage:
    is_now = progress.stage == "weights"
    return Stage(
        key="weights",
        title="Weights" if sight.workspace.recipe == Recipe.OTHER else "Weights from Hugging Face",
        icon="cloud-download",
        started=started_at(sight.first_pod),
        ended=progress.loading_at,
        note=progress.note if is_now else "",
        percent=progress.percent if is_now else None,
    )


def _load_stage(sight: Sight, progress: Progress) -> Stage:
    is_now = progress.stage == "load"
    return Stage(
        key="load",
        title="Load into GPU memory" if sight.is_gpu else "Load into memory",
        icon="circle-dot",
        started=progress.loading_at,
        ended=progress.benchmark_at or _ready_at(sight),
        note=progress.note if is_now else "",
        percent=progress.percent if is_now else None,
    )


def has_benchmark(sight: Sight) -> bool:
    """Only vLLM presets are measured, and not where the annotation says so.

    https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/inference/preset_inferences.go
    """
    workspace = sight.workspace
    is_disabled = workspace.annotations.get("kaito.sh/disable-benchmark", "").lower() == "true"
    is_vllm_preset = workspace.recipe == Recipe.PRESET and workspace.runtime == Runtime.VLLM
    return is_vllm_preset and not is_disabled


def _current_key(sight: Sight, progress: Progress, keys: list[str]) -> str:
    if started_at(sight.first_pod):
        return progress.stage if progress.stage in keys else "weights"
    if sight.has_nodes():
        return "image"
    is_noticed = sight.workspace.status.conditions or sight.claims or sight.workspace.finalizers
    return "node" if is_noticed else "accepted"


def _noded_at(sight: Sight) -> datetime | None:
    condition = sight.workspace.status.condition("ResourceReady")
    if condition and condition.is_true and sight.has_nodes():
        return condition.since
    return sight.first_pod.created_at if sight.first_pod else None


def _ready_at(sight: Sight) -> datetime | None:
    condition = sight.workspace.status.condition("InferenceReady")
    return condition.since if condition and condition.is_true else None


def _node_note(sight: Sight) -> str:
    status = sight.workspace.status
    if sight.has_nodes():
        names = status.worker_nodes or tuple(p.node for p in sight.pods if p.node)
        return ", ".join(names)
    if sight.claims:
        return f"{sight.claims[0].name} · {_claim_words(sight, sight.claims[0])}"
    return "" if status.target_node_count else "KAITO works out how many nodes it needs"


def _claim_words(sight: Sight, claim: ParsedNodeClaim) -> str:
    words = {c.type: c for c in claim.conditions}
    nodes = sight.workspace.status.condition("NodesReady")
    if "Registered" in words and words["Registered"].is_true:
        waits_for_gpu = nodes is not None and nodes.reason == "NodePluginsNotReady"
        return "joined, its GPU does not show yet" if waits_for_gpu else "joined, not ready yet"
    if "Launched" in words and words["Launched"].is_true:
        return "machine started, has not joined yet"
    is_refused = "Launched" in words and words["Launched"].status == "False"
    return "refused, KAITO tries again" if is_refused else "machine ordered"


def deletion_stages(sight: Sight, gone_at: datetime | None) -> tuple[Stage, ...]:
    """Judged by what is still there: KAITO lets the object go first, Kubernetes collects the rest after it.

    https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_gc_finalizer.go
    """
    claims = sight.claims
    services = [s.name for s in sight.dependents.services]
    ordered = [c.name for c in claims if c.deletion_requested_at is None]
    machines = [c.node or c.name for c in claims]
    leaving = (
        Stage(key="endpoint", title="Endpoint closed", icon="plug-x", note=", ".join(services)),
        Stage(key="pods", title="Pods stopped", icon="box", note=_names(sight.pods)),
        Stage(key="claim", title="Node claim deleted", icon="server-2", note=", ".join(ordered)),
        Stage(key="vm", title="Machine released", icon="server", note=", ".join(machines)),
    )
    since = sight.workspace.deletion_requested_at
    stages = [_leaving_stage(stage, since) for stage in leaving]
    is_gone = gone_at is not None and all(s.state == StageState.DONE for s in stages)
    last = StageState.DONE if is_gone else StageState.TODO
    return (*stages, Stage(key="gone", title="Gone", icon="flag", state=last, ended=gone_at))


def _leaving_stage(stage: Stage, since: datetime | None) -> Stage:
    """Under way as long as its note names something."""
    if not stage.note:
        return replace(stage, state=StageState.DONE)
    return replace(
        stage,
        title=_UNDER_WAY[stage.key],
        state=StageState.NOW,
        started=since,
        note=f"still there: {stage.note}",
    )


_UNDER_WAY = {
    "endpoint": "Closing the endpoint",
    "pods": "Stopping the pods",
    "claim": "Deleting the node claim",
    "vm": "Releasing the machine",
}


def _names(pods: Iterable[ParsedPod]) -> str:
    return ", ".join(p.name for p in pods)
