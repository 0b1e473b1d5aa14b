"""What stands under the tabs of a workspace's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from workspaces.models import Operation, Transition, Workspace
from workspaces.parsing.raw import moment
from workspaces.queries.sighting import Seen
from workspaces.types import (
    Condition,
    ContainerState,
    OperationKind,
    OperationStatus,
    ParsedPod,
    Phase,
)

TABS = ("pods", "logs", "events", "conditions", "manifest", "history")
HISTORY_SHOWN = 100
# Managers that write while nobody changes anything.
# https://github.com/kaito-project/kaito/blob/v0.12.0/cmd/workspace/main.go
_MACHINERY = ("kaito", "workspace", "manager", "kube-controller-manager", "kaito-workspace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    key: str
    label: str
    url: str
    count: int | None
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRow:
    name: str
    tone: str
    icon: str
    word: str
    ready: str
    restarts: int
    node: str
    image: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """A container that has, or had, a log."""

    pod: str
    container: str
    has_previous: bool

    @property
    def key(self) -> str:
        return f"{self.pod}/{self.container}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRow:
    type: str
    status: str
    tone: str
    icon: str
    reason: str
    message: str
    words: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    at: datetime
    icon: str
    tone: str
    who: str
    what: str
    detail: str = ""
    url: str = ""


def pod_rows(pods: Iterable[ParsedPod]) -> tuple[PodRow, ...]:
    return tuple(_pod_row(p) for p in pods)


def _pod_row(pod: ParsedPod) -> PodRow:
    servers = [c for c in pod.containers if not c.is_init]
    tone, icon, word = _pod_words(pod)
    return PodRow(
        name=pod.name,
        tone=tone,
        icon=icon,
        word=word,
        ready=f"{sum(c.is_ready for c in servers)}/{len(servers)}",
        restarts=sum(c.restarts for c in pod.containers),
        node=pod.node,
        image=next((c.image.rpartition("/")[2] for c in servers), ""),
        created_at=pod.created_at,
    )


def _pod_words(pod: ParsedPod) -> tuple[str, str, str]:
    if pod.deletion_requested_at:
        return "orange", "trash", "Stopping"
    reason = next((c.reason for c in pod.containers if _is_alarming(c)), "") or pod.reason
    if reason:
        return "red", "x", reason
    if pod.is_ready:
        return "green", "check", "Ready"
    if any(c.phase == "running" and not c.is_init for c in pod.containers):
        return "blue", "loader-2", "Running, not ready"
    return "blue", "loader-2", "Starting" if pod.node else "Waiting for a node"


def _is_alarming(container: ContainerState) -> bool:
    harmless = {"ContainerCreating", "PodInitializing", "Completed", ""}
    return container.phase != "running" and container.reason not in harmless


def log_sources(pods: Iterable[ParsedPod]) -> tuple[LogSource, ...]:
    """Serving containers first, as people mean those."""
    return tuple(
        LogSource(pod=p.name, container=c.name, has_previous=c.restarts > 0)
        for p in pods
        for c in sorted(p.containers, key=lambda c: c.is_init)
    )


def condition_rows(seen: Seen) -> tuple[ConditionRow, ...]:
    counted = seen.workspace.status.target_node_count
    return tuple(_condition_row(c, bool(counted)) for c in seen.workspace.status.conditions)


# In plain words, by type: when True, when not.
_CONDITION_WORDS = {
    "NodeClaimReady": ("The ordered machines are there", "Machines are ordered, not there yet"),
    "NodesReady": ("The nodes can take pods", "The nodes cannot take pods yet"),
    "ResourceReady": ("Machines and nodes are complete", "Follows from the machines and the nodes"),
    "InferenceReady": ("The model answers", "Normal until the model answers"),
    "BenchmarkCompleted": (
        "KAITO has measured its speed",
        "The benchmark failed; the model still answers",
    ),
    "WorkspaceSucceeded": (
        "Everything KAITO had to do is done",
        "Normal while pending; no failure by itself",
    ),
    "WorkspaceDeleting": ("KAITO is taking it down", ""),
    "ModelMirrorReady": (
        "The weights are in the cluster",
        "The weights are being copied into the cluster",
    ),
    "JobStarted": ("The tuning job runs", "The tuning job has not started"),
}
_QUIET_REASONS = (
    "NotReady",
    "Pending",
    "AwaitingReconciliation",
    "WorkspaceInferenceStatusPending",
    "workspacePending",
)


def _condition_row(condition: Condition, is_counted: bool) -> ConditionRow:
    good, bad = _CONDITION_WORDS.get(condition.type, ("", ""))
    words, tone, icon = (
        (good, "green", "check") if condition.is_true else (bad, "secondary", "circle-dashed")
    )
    if not condition.is_true and not condition.reason.endswith(_QUIET_REASONS):
        tone, icon = "red", "x"
        words = f"{words}. The reason names the cause" if words else "The reason names the cause"
    if (
        condition.is_true
        and not is_counted
        and condition.type in ("NodeClaimReady", "NodesReady", "ResourceReady")
    ):
        words, tone, icon = (
            "Means nothing yet: KAITO has not counted the nodes it needs",
            "secondary",
            "circle-dashed",
        )
    return ConditionRow(
        type=condition.type,
        status=condition.status,
        tone=tone,
        icon=icon,
        reason=condition.reason,
        message=condition.message,
        words=words,
        since=condition.since,
    )


def history_rows(workspace: Workspace, operations: Iterable[Operation]) -> tuple[HistoryRow, ...]:
    """What people asked for here, who else wrote to the object, and how its state went; newest first."""
    rows = [
        *(_operation_row(o) for o in operations),
        *_outside_changes(workspace.managers),
        *_phase_rows(workspace),
    ]
    return tuple(sorted(rows, key=lambda r: r.at, reverse=True)[:HISTORY_SHOWN])


def _operation_row(operation: Operation) -> HistoryRow:
    status = OperationStatus(operation.status)
    return HistoryRow(
        at=operation.created_at,
        icon="rocket" if operation.kind == OperationKind.CREATE else "trash",
        tone=status.tone,
        who=operation.person_name,
        what=f"{OperationKind(operation.kind).label}: {status.label.lower()}",
        detail=operation.error or operation.reason,
        url=reverse("workspaces:operation", args=[operation.id]),
    )


def _outside_changes(managers: list[dict[str, Any]]) -> Iterator[HistoryRow]:
    for entry in managers:
        at = moment(entry.get("time"))
        name = str(entry.get("manager", ""))
        if at is None or entry.get("subresource") or name.startswith(("kaitoweb", *_MACHINERY)):
            continue
        yield HistoryRow(
            at=at,
            icon="external-link",
            tone="orange",
            who=name,
            what="Changed outside kaitoweb",
            detail=", ".join(entry.get("paths", [])[:6]),
        )


def _phase_rows(workspace: Workspace) -> Iterator[HistoryRow]:
    rows = Transition.objects.filter(
        cluster=workspace.cluster, workspace_uid=workspace.uid, subject="phase"
    )
    for row in rows.order_by("-at", "-id")[:HISTORY_SHOWN]:
        phase = Phase(row.after) if row.after in Phase.__members__.values() else Phase.UNKNOWN
        yield HistoryRow(
            at=row.at,
            icon=phase.icon,
            tone=phase.tone,
            who="",
            what=phase.label,
            detail=row.message,
        )
