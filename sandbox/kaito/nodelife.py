"""Nodes that fall ill on request: lost from sight, or short of disk or memory.

https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/ and
https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-unreachable
"""

from __future__ import annotations

from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito import podstatus, workspaces
from sandbox.kaito.failures import DISK_PRESSURE, LOST, MEMORY_PRESSURE, failure_of
from sandbox.kaito.stages import stage_of
from sandbox.kaito.world import World
from sandbox.resources import NODES, PODS

MANAGER = "kubelet"
CONTROLLER = "node-controller"
UNREACHABLE = "node.kubernetes.io/unreachable"
# What is asked for: the node's condition, its taint, and why its pods are evicted.
PRESSURES = {
    DISK_PRESSURE: (
        "DiskPressure",
        "node.kubernetes.io/disk-pressure",
        "The node was low on resource: ephemeral-storage. Threshold quantity: 109951162777, "
        "available: 88129Mi. ",
    ),
    MEMORY_PRESSURE: (
        "MemoryPressure",
        "node.kubernetes.io/memory-pressure",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 71244Ki. ",
    ),
}
CALM = {
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "MemoryPressure": (
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    "Ready": ("KubeletReady", "kubelet is posting ready status"),
}
TENSE = {
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "Ready": ("NodeStatusUnknown", "Kubelet stopped posting node status."),
}

Raw = dict[str, Any]


class Nodes:
    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, _namespace: str, name: str) -> float | None:
        node = self._world.get(NODES, None, name)
        if node is None or workspaces.is_deleting(node) or not node.get("status"):
            return None
        failure = failure_of(node)
        for kind, (condition, taint, why) in PRESSURES.items():
            if self._set(node, condition, taint, is_ill=failure == kind) and failure == kind:
                self._evict(name, why)
        self._see(node, is_lost=failure == LOST)
        return None

    def _set(self, node: Raw, kind: str, taint: str, *, is_ill: bool) -> bool:
        """Whether anything had to change."""
        told = _condition(node, kind)
        if told is None or (told["status"] == "True") == is_ill:
            return False
        self._change(node, kind, "True" if is_ill else "False", taint if is_ill else "", taint)
        return True

    def _see(self, node: Raw, *, is_lost: bool) -> None:
        told = _condition(node, "Ready")
        if told is None or (told["status"] == "Unknown") == is_lost:
            return
        name = node["metadata"]["name"]
        status = "Unknown" if is_lost else "True"
        self._change(node, "Ready", status, UNREACHABLE if is_lost else "", UNREACHABLE)
        reason = "NodeNotReady" if is_lost else "NodeReady"
        said = f"Node {name} status is now: {reason}"
        self._world.recorder.record(node, "Normal", reason, said, CONTROLLER)
        for pod in self._world.pods_on(name):
            self._mark(pod, is_lost=is_lost)

    def _change(self, node: Raw, kind: str, status: str, add: str, drop: str) -> None:
        name = node["metadata"]["name"]
        stored = self._world.get(NODES, None, name)
        if stored is None:
            return
        taints = [each for each in stored["spec"].get("taints") or [] if each["key"] != drop]
        if add:
            taints.append({"key": add, "effect": "NoSchedule"})
        stored["spec"]["taints"] = taints
        stored = self._world.write(NODES, stored, CONTROLLER)
        is_calm = status == ("True" if kind == "Ready" else "False")
        reason, message = (CALM if is_calm else TENSE)[kind]
        told = _condition(stored, kind) or {}
        told |= {"status": status, "reason": reason, "message": message}
        told["lastTransitionTime"] = rfc3339(self._world.now())
        self._world.write_status(NODES, stored, stored["status"], MANAGER)

    def _evict(self, node: str, why: str) -> None:
        for pod in self._world.pods_on(node):
            if workspaces.NAME_LABEL not in (pod["metadata"].get("labels") or {}):
                continue
            status = podstatus.evicted_status(pod, why, self._world.now())
            self._world.recorder.record(pod, "Warning", "Evicted", why, MANAGER)
            self._world.write_status(PODS, dict(pod), status, MANAGER)

    def _mark(self, pod: Raw, *, is_lost: bool) -> None:
        """The node controller calls pods of a lost node unready; the kubelet, back, tells again."""
        stage = stage_of(pod)
        if stage is None or stage.name != "Serving":
            return
        status = pod["status"] | {
            "conditions": [dict(each) for each in pod["status"]["conditions"]]
        }
        for each in status["conditions"]:
            if each["type"] in ("Ready", "ContainersReady"):
                each["status"] = "False" if is_lost else "True"
                each["lastTransitionTime"] = rfc3339(self._world.now())
        self._world.write_status(PODS, dict(pod), status, CONTROLLER)


def is_lost(node: Raw) -> bool:
    told = _condition(node, "Ready")
    return told is not None and told["status"] == "Unknown"


def pressures(nodes: list[Raw]) -> str:
    """What KAITO adds to its word on the nodes, when some are short of something."""
    found = []
    for node in sorted(nodes, key=lambda each: each["metadata"]["name"]):
        kinds = [kind for kind, _, _ in PRESSURES.values() if _is_tense(node, kind)]
        if kinds:
            found.append(f"{node['metadata']['name']} ({', '.join(kinds)})")
    return f"; warning: worker node(s) under resource pressure: {', '.join(found)}" if found else ""


def _is_tense(node: Raw, kind: str) -> bool:
    told = _condition(node, kind)
    return told is not None and told["status"] == "True"


def _condition(node: Raw, kind: str) -> Raw | None:
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)
