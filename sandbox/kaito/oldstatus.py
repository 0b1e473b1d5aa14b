"""The status of a Workspace under KAITO 0.7: no state, counts in the messages, and conditions that
are written where the work is done, so that one which was never reached is not there. Pure.

https://github.com/kaito-project/kaito/blob/v0.7.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.kaito.conditions import (
    INFERENCE_READY,
    JOB_STARTED,
    RESOURCE_READY,
    SUCCEEDED,
    Snapshot,
    Verdict,
    Writer,
    find_condition,
)

TIMEOUT = "context deadline exceeded"

Raw = dict[str, Any]


def next_status(ws: Raw, seen: Snapshot, now: datetime, *, has_waited: bool) -> Raw:
    writer = Writer(ws, now, "")
    writer.status["workerNodes"] = sorted(seen.worker_nodes)
    if not seen.target:  # the estimate failed, and nothing after it was reached
        return writer.status
    claims, nodes = _claims(seen), _nodes(seen)
    if claims is not None:
        writer.set("NodeClaimReady", claims)
    if claims is None or claims.is_true:
        writer.set("NodesReady", nodes)
    writer.set("ResourceReady", _resource(claims, nodes))
    if not nodes.is_true or (claims is not None and not claims.is_true):
        return writer.status
    if seen.error:
        return writer.set("WorkspaceSucceeded", _failed(seen.error)).status
    return _tuning(writer, seen) if seen.is_tuning else _inference(writer, seen, has_waited)


def is_done(status: Raw) -> bool:
    told = find_condition({"status": status}, "WorkspaceSucceeded")
    return told is not None and told["status"] == "True"


def _claims(seen: Snapshot) -> Verdict | None:
    if seen.claims is None:
        return None
    counts = (
        f"(TargetNodeClaims: {seen.wanted_claims}, CurrentReadyNodeClaims: {seen.ready_claims})"
    )
    if seen.ready_claims >= seen.wanted_claims:
        return Verdict("True", "NodeClaimsReady", f"Enough NodeClaims are ready {counts}")
    return Verdict("False", "NodeClaimNotReady", f"Ready NodeClaims are not enough {counts}")


def _nodes(seen: Snapshot) -> Verdict:
    if seen.nodes.reason == "NodePluginsNotReady":
        return seen.nodes
    counts = (
        f"(TargetNodes: {seen.target}, CurrentReadyNodes: {seen.ready_nodes}, "
        f"SelectedNodes: {len(seen.worker_nodes)})"
    )
    if seen.ready_nodes >= seen.target:
        return Verdict("True", "NodesReady", f"Enough Nodes are ready {counts}")
    return Verdict("False", "NodeNotReady", f"Ready Nodes are not enough {counts}")


def _resource(claims: Verdict | None, nodes: Verdict) -> Verdict:
    if claims is not None and not claims.is_true:
        return claims
    return RESOURCE_READY if nodes.is_true else nodes


def _failed(why: str) -> Verdict:
    return Verdict("False", "workspaceFailed", why)


def _inference(writer: Writer, seen: Snapshot, has_waited: bool) -> Raw:
    """While it stands by a workload nothing is written: an old word stays."""
    if seen.is_serving:
        return (
            writer.set("InferenceReady", INFERENCE_READY)
            .set("WorkspaceSucceeded", SUCCEEDED)
            .status
        )
    why = seen.stuck or (TIMEOUT if has_waited else "")
    if why:
        writer.set("InferenceReady", Verdict("False", "WorkspaceInferenceStatusFailed", why))
        writer.set("WorkspaceSucceeded", _failed(why))
    return writer.status


def _tuning(writer: Writer, seen: Snapshot) -> Raw:
    job = (seen.job or {}).get("status") or {}
    if job.get("failed"):
        why = f"job {(seen.job or {})['metadata']['name']} has failed {job['failed']} times"
        writer.set("JobStarted", Verdict("False", "WorkspaceTuningJobStatusFailed", why))
        return writer.set("WorkspaceSucceeded", _failed(why)).status
    if not (job.get("ready") or job.get("succeeded")):
        return writer.status
    writer.set("JobStarted", JOB_STARTED)
    if job.get("succeeded"):
        return writer.set("WorkspaceSucceeded", SUCCEEDED).status
    said = (
        f"workspace has not completed, tuning job has {job.get('active', 0)} active pod, "
        f"{job.get('ready', 0)} ready pod"
    )
    return writer.set("WorkspaceSucceeded", Verdict("False", "workspacePending", said)).status
