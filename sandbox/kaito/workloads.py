"""The stock controllers that a workspace's objects need: StatefulSets and load balancers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.clock import parse_time
from sandbox.kaito import pace, statefulsets, workspaces
from sandbox.kaito.deployments import template_hash
from sandbox.kaito.podstatus import is_ready
from sandbox.kaito.world import World
from sandbox.resources import PODS, SERVICES, STATEFULSETS

MANAGER = "kube-controller-manager"
SET_COMPONENT = "statefulset-controller"
SERVICE_COMPONENT = "service-controller"
CLOUD_MANAGER = "cloud-controller-manager"
PUBLIC_NET = "203.0.113"  # a range for documentation, RFC 5737
LABEL_LIMIT = 63

Raw = dict[str, Any]


class StatefulSets:
    """https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/"""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        owner = self._world.get(STATEFULSETS, namespace, name)
        if owner is None or workspaces.is_deleting(owner):
            return None
        revision = f"{name}-{template_hash(owner)}"
        wanted = owner["spec"].get("replicas", 1)
        is_parallel = owner["spec"].get("podManagementPolicy") == "Parallel"
        if len(revision) > LABEL_LIMIT:
            self._tell_too_long(owner, revision)
            return pace.LAST_BACKOFF_S
        again_s = None
        for ordinal in range(wanted):
            pod = self._ensure_pod(owner, ordinal, revision)
            if not _is_mine(owner, pod):
                self._release(owner, pod)
                again_s = pace.LOOK_AGAIN_S
            elif _is_failed(pod):
                again_s = self._replace(owner, pod)
            if not is_parallel and not is_ready(pod):
                break
        self._trim(owner, wanted)
        self._roll(owner, wanted, revision)
        self._write_status(owner, wanted, revision)
        return again_s

    def _release(self, owner: Raw, pod: Raw) -> None:
        """A pod that lost the labels of its set is let go, but it keeps the name that the next one
        would need."""
        metadata = pod["metadata"]
        if metadata.get("ownerReferences"):
            pod["metadata"]["ownerReferences"] = []
            self._world.write(PODS, pod, MANAGER)
        message = (
            f"create Pod {metadata['name']} in StatefulSet {owner['metadata']['name']} failed error: "
            f'pods "{metadata["name"]}" already exists'
        )
        self._world.recorder.record(owner, "Warning", "FailedCreate", message, SET_COMPONENT)

    def _replace(self, owner: Raw, pod: Raw) -> float | None:
        """A failed pod is deleted, and a new one of its name is made."""
        times = [each["lastTransitionTime"] for each in pod["status"].get("conditions") or []]
        left_s = self._world.left_s(parse_time(max(times)), pace.RECREATE_S) if times else 0.0
        if left_s:
            return left_s
        metadata = owner["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        said = f"StatefulSet {name} is recreating failed Pod {pod['metadata']['name']}"
        self._world.recorder.record(owner, "Warning", "RecreatingFailedPod", said, SET_COMPONENT)
        self._delete(owner, pod)
        return None

    def _tell_too_long(self, owner: Raw, revision: str) -> None:
        """Names of more than 52 characters: https://github.com/kubernetes/kubernetes/issues/64023"""
        name = f"{owner['metadata']['name']}-0"
        message = (
            f"create Pod {name} in StatefulSet {owner['metadata']['name']} failed error: "
            f'Pod "{name}" is invalid: metadata.labels: Invalid value: "{revision}": '
            f"must be no more than {LABEL_LIMIT} bytes"
        )
        self._world.recorder.record(owner, "Warning", "FailedCreate", message, SET_COMPONENT)

    def _pod(self, owner: Raw, ordinal: int) -> Raw | None:
        metadata = owner["metadata"]
        return self._world.get(PODS, metadata["namespace"], f"{metadata['name']}-{ordinal}")

    def _pods(self, owner: Raw, wanted: int) -> list[Raw]:
        found = [self._pod(owner, ordinal) for ordinal in range(wanted)]
        return [pod for pod in found if pod is not None]

    def _ensure_pod(self, owner: Raw, ordinal: int, revision: str) -> Raw:
        found = self._pod(owner, ordinal)
        if found is not None:
            return found
        made = self._world.store.create(
            PODS, statefulsets.pod(owner, ordinal, revision), manager=MANAGER
        )
        self._tell(owner, "SuccessfulCreate", "create", made)
        return made

    def _trim(self, owner: Raw, wanted: int) -> None:
        surplus = self._pod(owner, wanted)
        while surplus is not None:
            self._delete(owner, surplus)
            wanted += 1
            surplus = self._pod(owner, wanted)

    def _roll(self, owner: Raw, wanted: int, revision: str) -> None:
        """Rolling update: the last pod of an older revision goes, once the others are ready."""
        pods = self._pods(owner, wanted)
        if any(workspaces.is_deleting(pod) for pod in pods):
            return
        for pod in reversed(pods):
            if pod["metadata"]["labels"].get("controller-revision-hash") != revision:
                self._delete(owner, pod)
                return
            if not is_ready(pod):
                return

    def _delete(self, owner: Raw, pod: Raw) -> None:
        if workspaces.is_deleting(pod):
            return
        metadata = pod["metadata"]
        self._world.store.delete(PODS, metadata["namespace"], metadata["name"], manager=MANAGER)
        self._tell(owner, "SuccessfulDelete", "delete", pod)

    def _tell(self, owner: Raw, reason: str, verb: str, pod: Raw) -> None:
        message = (
            f"{verb} Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']} "
            "successful"
        )
        self._world.recorder.record(owner, "Normal", reason, message, SET_COMPONENT)

    def _write_status(self, owner: Raw, wanted: int, revision: str) -> None:
        pods = [
            pod
            for pod in self._pods(owner, wanted)
            if not workspaces.is_deleting(pod) and _is_mine(owner, pod)
        ]
        ready = sum(is_ready(pod) for pod in pods)
        updated = sum(
            pod["metadata"]["labels"].get("controller-revision-hash") == revision for pod in pods
        )
        before = owner.get("status") or {}
        is_rolled = updated == wanted == ready
        current = revision if is_rolled else before.get("currentRevision", revision)
        status = {
            "availableReplicas": ready,
            "collisionCount": 0,
            "currentReplicas": updated if current == revision else len(pods) - updated,
            "currentRevision": current,
            "observedGeneration": owner["metadata"].get("generation", 1),
            "readyReplicas": ready,
            "replicas": len(pods),
            "updateRevision": revision,
            "updatedReplicas": updated,
        }
        self._world.write_status(STATEFULSETS, owner, status, MANAGER)


def _is_mine(owner: Raw, pod: Raw) -> bool:
    wanted = owner["spec"]["selector"].get("matchLabels") or {}
    return wanted.items() <= (pod["metadata"].get("labels") or {}).items()


def _is_failed(pod: Raw) -> bool:
    is_failed = (pod.get("status") or {}).get("phase") == "Failed"
    return is_failed and not workspaces.is_deleting(pod)


class Services:
    """Public addresses for load balancers, after a few seconds.

    A restart of the sandbox begins the wait anew.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, datetime] = {}

    def reconcile(self, namespace: str, name: str) -> float | None:
        service = self._world.get(SERVICES, namespace, name)
        if service is None:
            return None
        is_served = bool((service.get("status") or {}).get("loadBalancer", {}).get("ingress"))
        if service["spec"].get("type") != "LoadBalancer" or is_served:
            return None
        uid = service["metadata"]["uid"]
        if uid not in self._since:
            self._since[uid] = self._world.now()
            self._tell(service, "EnsuringLoadBalancer", "Ensuring load balancer")
        left_s = self._world.left_s(self._since[uid], pace.LOAD_BALANCER_S)
        if left_s:
            return left_s
        del self._since[uid]
        self._assign(service)
        return None

    def _assign(self, service: Raw) -> None:
        used = {
            ip for stored in self._world.store.snapshot_of(SERVICES) for ip in _ips(stored.object)
        }
        free = (f"{PUBLIC_NET}.{last}" for last in range(10, 255))
        ip = next((each for each in free if each not in used), None)
        if ip is None:
            said = "Error syncing load balancer: failed to ensure load balancer: PublicIPCountLimitReached"
            self._tell(service, "SyncLoadBalancerFailed", said, kind="Warning")
            return
        status = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}}
        stored = self._world.write_status(SERVICES, service, status, CLOUD_MANAGER)
        self._tell(stored, "EnsuredLoadBalancer", "Ensured load balancer")

    def _tell(self, service: Raw, reason: str, message: str, kind: str = "Normal") -> None:
        self._world.recorder.record(service, kind, reason, message, SERVICE_COMPONENT)


def _ips(service: Raw) -> list[str]:
    ingress = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
    return [each["ip"] for each in ingress if "ip" in each]
