"""The status of a Workspace, in KAITO's order and wording. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339

MESSAGE_LIMIT = 256

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One condition's status, reason and message."""

    status: str
    reason: str
    message: str

    @property
    def is_true(self) -> bool:
        return self.status == "True"


NODES_READY = Verdict("True", "NodesReady", "Enough Nodes are ready")
NODES_NOT_READY = Verdict("False", "NodeNotReady", "Not enough Nodes are ready")
PLUGINS_NOT_READY = Verdict("False", "NodePluginsNotReady", "waiting all node plugins to be ready")
CLAIMS_READY = Verdict("True", "NodeClaimsReady", "Enough NodeClaims are ready")
CLAIMS_NOT_READY = Verdict("False", "NodeClaimNotReady", "Ready NodeClaims are not enough")
RESOURCE_READY = Verdict("True", "workspaceResourceStatusSuccess", "workspace resource is ready")
INFERENCE_READY = Verdict(
    "True", "WorkspaceInferenceStatusSuccess", "Inference has been deployed successfully"
)
INFERENCE_PENDING = Verdict(
    "False", "WorkspaceInferenceStatusPending", "Inference workload is not ready"
)
BENCHMARK_DONE = Verdict("True", "BenchmarkCompleted", "benchmark result has been recorded")
SUCCEEDED = Verdict("True", "workspaceSucceeded", "workspace succeeds")
PENDING = Verdict(
    "False", "workspacePending", "workspace is waiting for inference workload readiness"
)
JOB_STARTED = Verdict("True", "WorkspaceTuningJobStatusStarted", "Tuning job has started")
JOB_FAILED = Verdict("False", "WorkspaceTuningJobStatusFailed", "tuning job failed")
TUNING_FAILED = Verdict("False", "workspaceFailed", "tuning job failed")
TUNING_RUNNING = Verdict(
    "False", "workspacePending", "workspace has not completed yet, tuning job is running"
)
BYO_NOT_READY = Verdict(
    "False", "workspaceResourceStatusNotReady", "node status condition not ready"
)
JOB_PENDING = Verdict("False", "WorkspaceTuningJobStatusPending", "Tuning job has not started")
TUNING_PENDING = Verdict(
    "False", "workspacePending", "workspace is initializing, tuning job has not started"
)
DELETING = Verdict("True", "workspaceDeleted", "workspace is being deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the operator saw of a workspace's objects in one look."""

    worker_nodes: Sequence[str] = field(default_factory=tuple)
    nodes: Verdict = NODES_NOT_READY
    claims: Verdict | None = CLAIMS_NOT_READY  # None where KAITO makes no nodes
    target: int = 0
    ready_claims: int = 0
    wanted_claims: int = 0
    ready_nodes: int = 0
    is_tuning: bool = False
    job: Raw | None = None
    has_workload: bool = False
    is_serving: bool = False
    stuck: str = ""  # why a Deployment makes no progress
    trouble: Verdict | None = None  # a pod's problem, instead of the generic pending
    has_benchmark: bool = False
    benchmark: Raw | None = None
    benchmark_error: str = ""
    error: str = ""

    @property
    def resource(self) -> Verdict:
        """The claims' reason before that of the nodes; without claims one of its own."""
        if self.claims is not None and not self.claims.is_true:
            return self.claims
        if self.nodes.is_true:
            return RESOURCE_READY
        return self.nodes if self.claims is not None else BYO_NOT_READY


def cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + "..."


def set_condition(
    conditions: list[Raw], kind: str, verdict: Verdict, *, generation: int, now: datetime
) -> list[Raw]:
    """As meta.SetStatusCondition: in place if known, at the end if new; the time moves only with
    the status."""
    wanted: Raw = {
        "type": kind,
        "status": verdict.status,
        "observedGeneration": generation,
        "lastTransitionTime": rfc3339(now),
        "reason": verdict.reason,
        "message": verdict.message,
    }
    for position, known in enumerate(conditions):
        if known["type"] == kind:
            if known["status"] == verdict.status:
                wanted["lastTransitionTime"] = known["lastTransitionTime"]
            return [*conditions[:position], wanted, *conditions[position + 1 :]]
    return [*conditions, wanted]


def find_condition(obj: Raw, kind: str) -> Raw | None:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)


def deleting_status(ws: Raw, now: datetime) -> Raw:
    """Once a workspace goes, its other conditions stay as they were."""
    return Writer(ws, now, "").set("WorkspaceDeleting", DELETING).status


def next_status(ws: Raw, seen: Snapshot, now: datetime) -> Raw:
    writer = Writer(ws, now, seen.error)
    writer.status["workerNodes"] = sorted(seen.worker_nodes)
    writer.set("NodesReady", seen.nodes)
    if seen.claims is None:
        writer.drop("NodeClaimReady")
    else:
        writer.set("NodeClaimReady", seen.claims)
    writer.set("ResourceReady", seen.resource)
    if seen.is_tuning:
        return _tuning_status(writer, (seen.job or {}).get("status") or {})
    if seen.is_serving and seen.resource.is_true:
        return _serving_status(writer, seen)
    writer.set("InferenceReady", seen.trouble or INFERENCE_PENDING)
    writer.set("WorkspaceSucceeded", PENDING)
    return writer.status | {"state": _waiting_state(ws)}


def _tuning_status(writer: Writer, job: Raw) -> Raw:
    """One failed pod is enough, for ever: also when a later one succeeds."""
    if job.get("failed"):
        writer.set("JobStarted", JOB_FAILED).set("WorkspaceSucceeded", TUNING_FAILED)
        return writer.status | {"state": "Failed"}
    if job.get("succeeded"):
        writer.set("JobStarted", JOB_STARTED).set("WorkspaceSucceeded", SUCCEEDED)
        return writer.status | {"state": "Succeeded"}
    if job.get("ready") or job.get("active"):
        writer.set("JobStarted", JOB_STARTED).set("WorkspaceSucceeded", TUNING_RUNNING)
        return writer.status | {"state": "Running"}
    writer.set("JobStarted", JOB_PENDING).set("WorkspaceSucceeded", TUNING_PENDING)
    return writer.status | {"state": "Pending"}


def _serving_status(writer: Writer, seen: Snapshot) -> Raw:
    writer.set("InferenceReady", INFERENCE_READY)
    if seen.has_benchmark and not writer.has("BenchmarkCompleted", "True"):
        if seen.benchmark is None:
            failed = Verdict("False", "BenchmarkFailed", seen.benchmark_error)
            writer.set("BenchmarkCompleted", failed).set("WorkspaceSucceeded", failed)
            return writer.status | {"state": "NotReady"}
        writer.status["performance"] = seen.benchmark
        writer.set("BenchmarkCompleted", BENCHMARK_DONE)
    writer.set("WorkspaceSucceeded", SUCCEEDED)
    return writer.status | {"state": "Ready"}


def _waiting_state(ws: Raw) -> str:
    """Pending until the first time it was ready; NotReady ever after."""
    was = (ws.get("status") or {}).get("state")
    return "NotReady" if was in ("Ready", "NotReady") else "Pending"


class Writer:
    """Collects conditions; each message ends with the last reconcile error, if there is one."""

    def __init__(self, ws: Raw, now: datetime, error: str) -> None:
        self.status: Raw = dict(ws.get("status") or {})
        self._generation = ws["metadata"].get("generation", 1)
        self._now = now
        self._suffix = f" (last reconcile error: {error})" if error else ""

    def set(self, kind: str, verdict: Verdict) -> Writer:
        told = replace(verdict, message=verdict.message + self._suffix)
        self.status["conditions"] = set_condition(
            self.status.get("conditions") or [],
            kind,
            told,
            generation=self._generation,
            now=self._now,
        )
        return self

    def drop(self, kind: str) -> None:
        known = self.status.get("conditions") or []
        self.status["conditions"] = [each for each in known if each["type"] != kind]

    def has(self, kind: str, status: str) -> bool:
        found = find_condition({"status": self.status}, kind)
        return found is not None and found["status"] == status
