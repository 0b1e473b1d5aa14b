"""The gpu-provisioner: node claims become VMs and Nodes, and go again.

https://github.com/Azure/gpu-provisioner
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import machines, pace, workspaces
from sandbox.kaito.cloud import cloud_problem
from sandbox.kaito.failures import (
    CAPACITY,
    GPU_PLUGIN,
    NODE_NOT_READY,
    SKU_UNAVAILABLE,
    failure_of,
)
from sandbox.kaito.gpunodes import gpu_labels
from sandbox.kaito.machines import Steps, done
from sandbox.kaito.objects import claim_size
from sandbox.kaito.presets import machine
from sandbox.kaito.stages import Stage, stage_of, with_stage
from sandbox.kaito.triggers import LOCATION
from sandbox.kaito.world import World, workspace_of
from sandbox.resources import NODECLAIMS, NODES, PODS, WORKSPACES

MANAGER = "gpu-provisioner"
COMPONENT = "karpenter"
NOT_FOUND = ("Unknown", "NodeNotFound", "Node not registered with cluster")
NOT_READY = ("Unknown", "NodeNotReady", "Node status is NotReady")

Raw = dict[str, Any]


class Provisioner:
    def __init__(self, world: World) -> None:
        self._world = world
        self._moves = {
            "Launching": (pace.LAUNCH_S, self._launch),
            "LaunchFailed": (pace.LAUNCH_RETRY_S, self._launch),
            "OutOfCapacity": (pace.CAPACITY_RETRY_S, self._give_up),
            "Registering": (pace.REGISTER_S, self._register),
            "Initializing": (pace.INITIALIZE_S, self._initialize),
            "Equipping": (pace.PLUGIN_S, self._equip),
            "Draining": (pace.DRAIN_S, self._drained),
            "Terminating": (pace.TERMINATE_S, self._remove),
        }

    def reconcile(self, _namespace: str, name: str) -> float | None:
        claim = self._world.get(NODECLAIMS, None, name)
        if claim is None:
            return None
        stage = stage_of(claim)
        if stage is None:
            self._write(claim, "Launching", {})
            return pace.LAUNCH_S
        if workspaces.is_deleting(claim) and stage.name not in ("Draining", "Terminating"):
            return self._drain(claim, stage)
        if stage.name == "Ready":
            self._check_node(claim)
            return None
        wait_s, move = self._moves[stage.name]
        return self._world.left_s(stage.since, wait_s) or move(claim, stage)

    def _write(
        self, claim: Raw, stage: str, steps: Steps, *, attempt: int = 0, more: Raw | None = None
    ) -> None:
        """Moves on; told are the steps whose transition it is (operatorpkg does the same)."""
        now = self._world.now()
        before = {each["type"]: each["status"] for each in _conditions(claim)}
        status = (claim.get("status") or {}) | (more or {})
        status["conditions"] = machines.claim_conditions(claim, steps, now)
        status = with_stage(status, Stage(stage, now, attempt))
        stored = self._world.write_status(NODECLAIMS, claim, status, MANAGER)
        for each in status["conditions"]:
            was = before.get(each["type"])
            if each["type"] in (*machines.STEPS, "Ready") and was not in (None, each["status"]):
                self._tell_transition(stored, each, was)

    def _tell_transition(self, claim: Raw, condition: Raw, was: str | None) -> None:
        message = (
            f"Status condition transitioned, Type: {condition['type']}, "
            f"Status: {was} -> {condition['status']}, Reason: {condition['reason']}"
        )
        if condition["message"]:
            message += f", Message: {condition['message']}"
        self._world.recorder.record(claim, "Normal", condition["type"], message, COMPONENT)

    def _failure(self, claim: Raw) -> str:
        """What the claim's workspace asks for, at this moment."""
        namespace, name = workspace_of(claim)
        return failure_of(self._world.get(WORKSPACES, namespace, name))

    def _launch(self, claim: Raw, stage: Stage) -> float:
        sku = machine(claim_size(claim))
        failure = self._failure(claim)
        problem = cloud_problem(sku, failure)
        if problem is not None:
            reason, refusal = problem
            is_scarce = failure in (CAPACITY, SKU_UNAVAILABLE)
            told = "OutOfCapacity" if is_scarce else "LaunchFailed"
            steps = {"Launched": ("False", reason, refusal)}
            self._write(claim, told, steps, attempt=stage.attempt + 1)
            event = "InsufficientCapacityError" if is_scarce else "LaunchFailed"
            self._world.recorder.record(claim, "Warning", event, refusal, COMPONENT)
            return pace.CAPACITY_RETRY_S if is_scarce else pace.LAUNCH_RETRY_S
        labels = claim["metadata"]["labels"] | {
            "node.kubernetes.io/instance-type": sku.name,
            "karpenter.sh/capacity-type": "on-demand",
            "topology.kubernetes.io/region": LOCATION,
            "topology.kubernetes.io/zone": f"{LOCATION}-1",
        }
        claim["metadata"]["labels"] = labels
        claim = self._world.write(NODECLAIMS, claim, MANAGER)
        made = {
            "providerID": machines.provider_id(claim),
            "imageID": "AKSUbuntu-2204gen2containerd",
            "capacity": machines.capacity(sku, with_gpu=True),
            "allocatable": machines.capacity(sku, with_gpu=True),
        }
        steps = {"Launched": done("Launched"), "Registered": NOT_FOUND}
        self._write(claim, "Registering", steps, more=made)
        return pace.REGISTER_S

    def _give_up(self, claim: Raw, _stage: Stage) -> None:
        """Karpenter deletes a claim that finds no room, and KAITO makes another: names churn."""
        name = claim["metadata"]["name"]
        self._world.store.delete(NODECLAIMS, None, name, manager=MANAGER)

    def _register(self, claim: Raw, _stage: Stage) -> float:
        name = machines.node_name(claim)
        if not self._world.exists(NODES, None, name):
            node = machines.new_node(claim, self._world.now())
            self._world.store.create(NODES, node, manager="kubelet")
        steps = {
            "Launched": done("Launched"),
            "Registered": done("Registered"),
            "Initialized": NOT_READY,
        }
        self._write(claim, "Initializing", steps, more={"nodeName": name})
        return pace.INITIALIZE_S

    def _initialize(self, claim: Raw, _stage: Stage) -> float | None:
        if self._failure(claim) == NODE_NOT_READY:
            return pace.HOLD_S
        sku, name = machine(claim_size(claim)), claim["status"]["nodeName"]
        node = self._world.get(NODES, None, name)
        if node is not None:
            node["spec"]["taints"] = [
                each for each in node["spec"]["taints"] if each["key"] == "sku"
            ]
            node = self._world.write(NODES, node, MANAGER)
            status = machines.node_status(name, sku, self._world.now(), is_ready=True)
            node = self._world.write_status(NODES, node, status, "kubelet")
            message = f"Node {name} status is now: NodeReady"
            self._world.recorder.record(node, "Normal", "NodeReady", message, "kubelet")
        steps = {step: done(step) for step in machines.STEPS}
        self._write(claim, "Equipping" if sku.gpus else "Ready", steps)
        return pace.PLUGIN_S

    def _equip(self, claim: Raw, _stage: Stage) -> float | None:
        if self._failure(claim) == GPU_PLUGIN:
            return pace.HOLD_S
        sku, name = machine(claim_size(claim)), claim["status"]["nodeName"]
        node = self._world.get(NODES, None, name)
        if node is not None:
            node["metadata"]["labels"] |= {"accelerator": "nvidia"} | gpu_labels(sku)
            node = self._world.write(NODES, node, "kaito-workspace")
            amounts = machines.capacity(sku, with_gpu=True)
            status = node["status"] | {"capacity": amounts, "allocatable": amounts}
            self._world.write_status(NODES, node, status, "kubelet")
        self._write(claim, "Ready", {step: done(step) for step in machines.STEPS})
        return None

    def _check_node(self, claim: Raw) -> None:
        """A Node that someone deletes takes its claim along, and so its VM."""
        node = self._world.get(NODES, None, claim["status"]["nodeName"])
        if node is None or workspaces.is_deleting(node):
            self._world.store.delete(NODECLAIMS, None, claim["metadata"]["name"], manager=MANAGER)

    # Going

    def _drain(self, claim: Raw, _stage: Stage) -> float:
        node = self._node(claim)
        if node is not None:
            self._cordon(node)
            self._evict(node["metadata"]["name"])
        self._mark(claim, "Draining")
        return pace.DRAIN_S

    def _cordon(self, node: Raw) -> None:
        taint = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
        node["spec"] |= {"unschedulable": True, "taints": [*node["spec"].get("taints", []), taint]}
        self._world.write(NODES, node, MANAGER)
        if not workspaces.is_deleting(node):
            self._world.store.delete(NODES, None, node["metadata"]["name"], manager=MANAGER)

    def _evict(self, node: str) -> None:
        for stored in self._world.store.snapshot_of(PODS):
            metadata = stored.object["metadata"]
            if (
                stored.object["spec"].get("nodeName") == node
                and "deletionTimestamp" not in metadata
            ):
                self._world.store.delete(
                    PODS, metadata["namespace"], metadata["name"], manager=MANAGER
                )

    def _drained(self, claim: Raw, stage: Stage) -> float:
        node = self._node(claim)
        if node is not None and self._has_pods(node["metadata"]["name"]):
            return pace.DRAIN_S
        if node is None:
            self._remove(claim, stage)
            return 0.0
        self._mark(claim, "Terminating")
        return pace.TERMINATE_S

    def _has_pods(self, node: str) -> bool:
        pods = self._world.store.snapshot_of(PODS)
        return any(stored.object["spec"].get("nodeName") == node for stored in pods)

    def _remove(self, claim: Raw, _stage: Stage) -> None:
        """The VM is gone: first the Node goes, then the claim, in one moment."""
        node = self._node(claim)
        if node is not None:
            node["metadata"]["finalizers"] = []
            self._world.write(NODES, node, MANAGER)
        found = self._world.get(NODECLAIMS, None, claim["metadata"]["name"])
        if found is not None:
            found["metadata"]["finalizers"] = []
            self._world.write(NODECLAIMS, found, MANAGER)

    def _mark(self, claim: Raw, stage: str) -> None:
        found = self._world.get(NODECLAIMS, None, claim["metadata"]["name"])
        if found is not None:
            status = with_stage(found.get("status") or {}, Stage(stage, self._world.now()))
            self._world.write_status(NODECLAIMS, found, status, MANAGER)

    def _node(self, claim: Raw) -> Raw | None:
        name = (claim.get("status") or {}).get("nodeName")
        return self._world.get(NODES, None, name) if name else None


def _conditions(claim: Raw) -> list[Raw]:
    return (claim.get("status") or {}).get("conditions") or []
