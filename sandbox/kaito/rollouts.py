"""The controllers of Deployments and ReplicaSets.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sandbox.clock import parse_time, rfc3339
from sandbox.kaito import deployments, pace, workspaces
from sandbox.kaito.podstatus import is_ready
from sandbox.kaito.statefulsets import ALPHABET
from sandbox.kaito.world import World, controller_of
from sandbox.resources import DEPLOYMENTS, PODS, REPLICASETS

MANAGER = "kube-controller-manager"
DEPLOYMENT_COMPONENT = "deployment-controller"
SET_COMPONENT = "replicaset-controller"
COUNTS = ("replicas", "readyReplicas", "availableReplicas")

Raw = dict[str, Any]


class Deployments:
    """An old ReplicaSet goes at once: with `maxSurge: 0` there is no room for two."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        owner = self._world.get(DEPLOYMENTS, namespace, name)
        if owner is None or workspaces.is_deleting(owner):
            return None
        if workspaces.NAME_LABEL not in owner["spec"]["selector"].get("matchLabels", {}):
            return None  # of the cluster's own: they stand still
        current = self._ensure_set(owner)
        for other in self._sets(owner):
            if other["metadata"]["name"] != current["metadata"]["name"]:
                self._drop(owner, other)
        return self._write_status(owner, current)

    def _sets(self, owner: Raw) -> list[Raw]:
        metadata = owner["metadata"]
        name = (metadata["namespace"], metadata["name"])
        stored = self._world.store.snapshot_of(REPLICASETS, metadata["namespace"])
        return [each.object for each in stored if controller_of(each.object, "Deployment") == name]

    def _ensure_set(self, owner: Raw) -> Raw:
        wanted = deployments.replica_set(owner)
        metadata = wanted["metadata"]
        found = self._world.get(REPLICASETS, metadata["namespace"], metadata["name"])
        if found is None:
            found = self._world.store.create(REPLICASETS, wanted, manager=MANAGER)
            self._tell_scaled(owner, metadata["name"], wanted["spec"]["replicas"])
        elif found["spec"]["replicas"] != wanted["spec"]["replicas"]:
            found["spec"]["replicas"] = wanted["spec"]["replicas"]
            found = self._world.write(REPLICASETS, found, MANAGER)
            self._tell_scaled(owner, metadata["name"], wanted["spec"]["replicas"])
        return found

    def _tell_scaled(self, owner: Raw, name: str, count: int) -> None:
        said = f"Scaled replica set {name} to {count}"
        self._world.recorder.record(
            owner, "Normal", "ScalingReplicaSet", said, DEPLOYMENT_COMPONENT
        )

    def _drop(self, owner: Raw, old: Raw) -> None:
        metadata = old["metadata"]
        self._world.store.delete(
            REPLICASETS, metadata["namespace"], metadata["name"], manager=MANAGER
        )
        self._tell_scaled(owner, metadata["name"], 0)

    def _write_status(self, owner: Raw, current: Raw) -> float | None:
        counted, wanted = current.get("status") or {}, owner["spec"].get("replicas", 1)
        status: Raw = {
            key: counted.get(key, 0)
            for key in ("replicas", "readyReplicas", "availableReplicas")
            if counted.get(key, 0)
        }
        ready, now = counted.get("readyReplicas", 0), self._world.now()
        since = parse_time(current["metadata"]["creationTimestamp"])
        left_s = self._world.left_s(since, pace.PROGRESS_LIMIT_S)
        before = {each["type"]: each for each in (owner.get("status") or {}).get("conditions", [])}
        told = _told(current["metadata"]["name"], is_ready=ready >= wanted, is_late=not left_s)
        status |= {
            "observedGeneration": owner["metadata"].get("generation", 1),
            "updatedReplicas": counted.get("replicas", 0),
            "unavailableReplicas": max(0, wanted - ready),
            "conditions": [_condition(before.get(each["type"]), each, now) for each in told],
        }
        if status != owner.get("status"):
            self._world.write_status(DEPLOYMENTS, owner, status, MANAGER)
        return left_s if left_s and ready < wanted else None


def _told(name: str, *, is_ready: bool, is_late: bool) -> list[Raw]:
    available = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    progress = (
        "True",
        "NewReplicaSetAvailable",
        f'ReplicaSet "{name}" has successfully progressed.',
    )
    if not is_ready:
        available = (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
        progress = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        if is_late:
            late = f'ReplicaSet "{name}" has timed out progressing.'
            progress = ("False", "ProgressDeadlineExceeded", late)
    return [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, (status, reason, message) in (("Available", available), ("Progressing", progress))
    ]


def _condition(before: Raw | None, told: Raw, now: datetime) -> Raw:
    if before is not None and all(before.get(key) == value for key, value in told.items()):
        return before
    is_same = before is not None and before["status"] == told["status"]
    since = before["lastTransitionTime"] if before and is_same else rfc3339(now)
    return told | {"lastTransitionTime": since, "lastUpdateTime": rfc3339(now)}


class ReplicaSets:
    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        owner = self._world.get(REPLICASETS, namespace, name)
        if owner is None or workspaces.is_deleting(owner):
            return None
        pods = [pod for pod in self._pods(owner) if not workspaces.is_deleting(pod)]
        wanted = owner["spec"].get("replicas", 1)
        live = [pod for pod in pods if pod["status"].get("phase") != "Failed"]
        for _ in range(wanted - len(live)):
            live.append(self._create(owner))
        for pod in live[wanted:]:
            self._delete(owner, pod)
        self._write_status(owner, live[:wanted])
        return None

    def _pods(self, owner: Raw) -> list[Raw]:
        metadata = owner["metadata"]
        name = (metadata["namespace"], metadata["name"])
        stored = self._world.store.snapshot_of(PODS, metadata["namespace"])
        return [each.object for each in stored if controller_of(each.object, "ReplicaSet") == name]

    def _create(self, owner: Raw) -> Raw:
        suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
        made = self._world.store.create(PODS, deployments.pod(owner, suffix), manager=MANAGER)
        self._tell(owner, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    def _delete(self, owner: Raw, pod: Raw) -> None:
        metadata = pod["metadata"]
        self._world.store.delete(PODS, metadata["namespace"], metadata["name"], manager=MANAGER)
        self._tell(owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _tell(self, owner: Raw, reason: str, message: str) -> None:
        self._world.recorder.record(owner, "Normal", reason, message, SET_COMPONENT)

    def _write_status(self, owner: Raw, pods: list[Raw]) -> None:
        ready = sum(is_ready(pod) for pod in pods)
        counts = dict(zip(COUNTS, (len(pods), ready, ready), strict=True))
        status = {key: count for key, count in counts.items() if count or key == "replicas"}
        status["observedGeneration"] = owner["metadata"].get("generation", 1)
        if status != owner.get("status"):
            self._world.write_status(REPLICASETS, owner, status, MANAGER)
