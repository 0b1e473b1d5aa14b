"""What changed between two sights of an object, as rows of the timeline.

Words in lower case are ours (running, ready, gone); those in capitals are the cluster's reasons (ImagePullBackOff).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from workspaces.models import Transition, Workspace
from workspaces.types import (
    Condition,
    ContainerState,
    ParsedEvent,
    ParsedNodeClaim,
    ParsedPod,
    ParsedWorkspace,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`at` is the cluster's time, None where it gives none."""

    subject: str
    after: str
    before: str = ""
    at: datetime | None = None
    reason: str = ""
    message: str = ""


def write(told: Iterable[tuple[Workspace, Iterable[Change]]], *, now: datetime) -> None:
    """Add them to the timelines; what stands there already, from before a rebuild of the mirror, is left out."""
    rows = [_row(workspace, change, now) for workspace, changes in told for change in changes]
    if not rows:
        return
    of_then = Transition.objects.filter(
        cluster_id=rows[0].cluster_id,
        workspace_uid__in={row.workspace_uid for row in rows},
        at__in={row.at for row in rows},
    )
    there = set(of_then.values_list("workspace_uid", "subject", "after", "reason", "at"))
    fresh = [r for r in rows if (r.workspace_uid, r.subject, r.after, r.reason, r.at) not in there]
    Transition.objects.bulk_create(fresh)


def _row(workspace: Workspace, change: Change, now: datetime) -> Transition:
    return Transition(
        cluster_id=workspace.cluster_id,
        workspace_uid=workspace.uid,
        at=change.at or now,
        subject=change.subject[:128],
        before=change.before[:64],
        after=change.after[:64],
        reason=change.reason[:128],
        message=change.message[:2000],
    )


def workspace_changes(before: ParsedWorkspace | None, after: ParsedWorkspace) -> Iterator[Change]:
    """Conditions whose status or reason moved, and KAITO's state."""
    for condition in after.status.conditions:
        earlier = before.status.condition(condition.type) if before else None
        status, reason = (earlier.status, earlier.reason) if earlier else ("", "")
        if (status, reason) != (condition.status, condition.reason):
            yield Change(
                subject=condition.type,
                before=status,
                after=condition.status,
                # lastTransitionTime is that of the status; a reason changes without moving it.
                at=condition.since if status != condition.status else None,
                reason=condition.reason,
                message=condition.message,
            )
    state = before.status.state if before else ""
    if after.status.state and after.status.state != state:
        yield Change(subject="state", before=state, after=after.status.state, at=_latest(after))


def pod_changes(before: ParsedPod | None, after: ParsedPod) -> Iterator[Change]:
    subject = f"pod/{after.name}"
    yield from _steps_since(subject, _pod_steps(before) if before else [], _pod_steps(after))
    for container in after.containers:
        earlier = _container(before, container.name)
        if container.restarts > (earlier.restarts if earlier else 0):
            yield Change(
                subject=subject,
                before=str(earlier.restarts if earlier else 0),
                after="restarted",
                reason=container.last_reason,
                message=f"Restart {container.restarts} of {container.name}, {_exit_words(container)}",
            )


def claim_changes(before: ParsedNodeClaim | None, after: ParsedNodeClaim) -> Iterator[Change]:
    steps = _claim_steps(before) if before else []
    return _steps_since(f"nodeclaim/{after.name}", steps, _claim_steps(after))


def event_change(event: ParsedEvent) -> Change:
    return Change(
        subject="event",
        after=event.reason,
        at=event.first_at,
        reason=event.source,
        message=event.message,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    word: str
    at: datetime | None = None
    reason: str = ""
    message: str = ""


def _steps_since(subject: str, before: list[_Step], after: list[_Step]) -> Iterator[Change]:
    """Steps of `after` that `before` had not taken; or the one that it fell back to, at a time unknown."""
    pairs = zip(before, after, strict=False)
    shared = len(list(takewhile(lambda pair: pair[0].word == pair[1].word, pairs)))
    fresh = after[shared:]
    if not fresh and len(before) > shared:
        fresh = [_Step(after[-1].word)]
    last = before[-1].word if before else ""
    for step in fresh:
        yield Change(
            subject=subject,
            before=last,
            after=step.word,
            at=step.at,
            reason=step.reason,
            message=step.message,
        )
        last = step.word


def _pod_steps(pod: ParsedPod) -> list[_Step]:
    """How far the pod has come: pending, running, ready; or the one thing that it is stuck in."""
    if pod.deletion_requested_at:
        return [_Step("terminating", pod.deletion_requested_at)]
    if pod.phase in ("Failed", "Succeeded"):
        return [_Step(pod.phase.lower(), reason=pod.reason, message=pod.message)]
    steps = [_Step("pending", pod.created_at)]
    main = next((c for c in pod.containers if not c.is_init), None)
    stuck = _stuck(pod)
    if stuck:
        return [*steps, stuck]
    if main and main.phase == "running":
        steps.append(_Step("running", main.since))
        ready = next((c for c in pod.conditions if c.type == "Ready" and c.is_true), None)
        return [*steps, _Step("ready", ready.since)] if ready else steps
    return steps


def _stuck(pod: ParsedPod) -> _Step | None:
    unscheduled = next((c for c in pod.conditions if c.type == "PodScheduled"), None)
    if unscheduled and unscheduled.status == "False":
        return _Step(unscheduled.reason, unscheduled.since, message=unscheduled.message)
    for container in pod.containers:
        ended_well = container.phase == "terminated" and container.exit_code == 0
        if container.phase != "running" and container.reason and not ended_well:
            return _Step(container.reason, container.since, message=container.message)
    return None


def _claim_steps(claim: ParsedNodeClaim) -> list[_Step]:
    """The order of karpenter: https://github.com/kubernetes-sigs/karpenter/blob/v1.5.0/pkg/apis/v1/nodeclaim_status.go"""
    if claim.deletion_requested_at:
        return [_Step("terminating", claim.deletion_requested_at)]
    steps = [_Step("created", claim.created_at)]
    for kind in ("Launched", "Registered", "Initialized"):
        condition = claim.condition(kind)
        if condition and condition.is_true:
            steps.append(_Step(kind.lower(), condition.since, condition.reason))
        elif condition and condition.status == "False":
            return [*steps, _refusal(condition)]
    return steps


def _refusal(condition: Condition) -> _Step:
    return _Step(condition.reason, condition.since, condition.reason, condition.message)


def _container(pod: ParsedPod | None, name: str) -> ContainerState | None:
    return next((c for c in pod.containers if c.name == name), None) if pod else None


def _exit_words(container: ContainerState) -> str:
    code = container.last_exit_code
    return "ended without a code" if code is None else f"ended with code {code}"


def _latest(workspace: ParsedWorkspace) -> datetime | None:
    """KAITO gives its state no time; it moves together with a condition."""
    return max((c.since for c in workspace.status.conditions if c.since), default=None)
