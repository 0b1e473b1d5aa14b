"""The Job controller: one pod after another until one succeeds, or the patience ends.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

import copy
import secrets
from typing import Any

from sandbox.clock import parse_time, rfc3339
from sandbox.kaito import pace, workspaces
from sandbox.kaito.podstatus import is_ready
from sandbox.kaito.statefulsets import ALPHABET, owned_by, qos
from sandbox.kaito.world import World, controller_of
from sandbox.resources import JOBS, PODS

MANAGER = "kube-controller-manager"
COMPONENT = "job-controller"

Raw = dict[str, Any]


class Jobs:
    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        job = self._world.get(JOBS, namespace, name)
        if job is None or workspaces.is_deleting(job) or _is_over(job):
            return None
        pods = self._pods(job)
        ended = [each for each in pods if _phase(each) in ("Succeeded", "Failed")]
        failed = [each for each in ended if _phase(each) == "Failed"]
        active = [each for each in pods if each not in ended and not workspaces.is_deleting(each)]
        is_done = len(failed) < len(ended)
        again_s = None
        if not is_done and not active:
            again_s = self._next_pod(job, failed)
            active = [] if again_s or len(failed) > job["spec"]["backoffLimit"] else [{}]
        self._write_status(job, active, failed, is_done=is_done)
        return again_s

    def _pods(self, job: Raw) -> list[Raw]:
        metadata = job["metadata"]
        stored = self._world.store.snapshot_of(PODS, metadata["namespace"])
        owner = (metadata["namespace"], metadata["name"])
        return [
            each.object
            for each in stored
            if controller_of(each.object, "Job") == owner
            and each.object["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
        ]

    def _next_pod(self, job: Raw, failed: list[Raw]) -> float | None:
        """A new pod, once the back-off after the last failure is over."""
        if len(failed) > job["spec"]["backoffLimit"]:
            return None
        if failed:
            since = max(parse_time(_failed_at(pod)) for pod in failed)
            left_s = self._world.left_s(since, pace.backoff_s(len(failed) - 1))
            if left_s:
                return left_s
        made = self._world.store.create(PODS, _pod(job), manager=MANAGER)
        self._tell(job, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return None

    def _tell(self, job: Raw, kind: str, reason: str, message: str) -> None:
        self._world.recorder.record(job, kind, reason, message, COMPONENT)

    def _write_status(
        self, job: Raw, active: list[Raw], failed: list[Raw], *, is_done: bool
    ) -> None:
        now, before = rfc3339(self._world.now()), job.get("status") or {}
        status: Raw = {
            "startTime": before.get("startTime", now),
            "active": len(active),
            "ready": sum(is_ready(pod) for pod in active if pod),
            "failed": len(failed),
            "succeeded": int(is_done),
            "terminating": 0,
            "uncountedTerminatedPods": {},
        }
        if is_done:
            status["completionTime"] = now
            status["conditions"] = [_condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods", now)]  # fmt: skip
            self._tell(job, "Normal", "Completed", "Job completed")
        elif len(failed) > job["spec"]["backoffLimit"]:
            said = "Job has reached the specified backoff limit"
            status["conditions"] = [_condition("Failed", "BackoffLimitExceeded", said, now)]
            self._tell(job, "Warning", "BackoffLimitExceeded", said)
        if status != before:
            self._world.write_status(JOBS, job, status, MANAGER)


def _is_over(job: Raw) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(each["type"] in ("Complete", "Failed") for each in conditions)


def _phase(pod: Raw) -> str:
    return (pod.get("status") or {}).get("phase", "")


def _failed_at(pod: Raw) -> str:
    """When its containers were found to have ended: the last change of its readiness."""
    conditions = pod["status"].get("conditions") or []
    times = [each["lastTransitionTime"] for each in conditions]
    return max(times, default=pod["metadata"]["creationTimestamp"])


def _condition(kind: str, reason: str, message: str, now: str) -> Raw:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    }


def _pod(job: Raw) -> Raw:
    metadata, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
    labels = (template["metadata"].get("labels") or {}) | {
        "batch.kubernetes.io/controller-uid": metadata["uid"],
        "batch.kubernetes.io/job-name": metadata["name"],
        "controller-uid": metadata["uid"],
        "job-name": metadata["name"],
    }
    suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return {
        "metadata": {
            "name": f"{metadata['name']}-{suffix}",
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owned_by(job, "batch/v1", "Job")],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending", "qosClass": qos(template["spec"])},
    }
