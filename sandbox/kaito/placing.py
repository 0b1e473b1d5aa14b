"""The scheduler: which node a pod goes to, or why to none.

https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import mounts, pace, podstatus, workspaces
from sandbox.kaito.desk import Desk, init_containers
from sandbox.kaito.podstatus import Containers
from sandbox.kaito.scheduling import choose_node, gpus_wanted
from sandbox.kaito.volumes import WAIT, binding_mode
from sandbox.kaito.world import workspace_of
from sandbox.resources import NODES, PODS, PVCS

SCHEDULER = "default-scheduler"

Raw = dict[str, Any]


class Scheduler:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._world = desk.world

    def schedule(self, pod: Raw) -> float | None:
        metadata = pod["metadata"]
        if not pod["spec"].get("nodeName"):
            chosen = self._choose(pod)
            if isinstance(chosen, str):
                return self._unschedulable(pod, chosen)
            node = pod["spec"]["nodeName"] = chosen["metadata"]["name"]
            pod = self._world.write(PODS, pod, SCHEDULER)
            message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
            self._desk.tell(pod, "Normal", "Scheduled", message, SCHEDULER)
        reason = "PodInitializing" if init_containers(pod) else "ContainerCreating"
        return self._desk.enter(pod, "Scheduled", Containers(state=podstatus.waiting(reason)))

    def _choose(self, pod: Raw) -> Raw | str:
        nodes = self._candidates(pod)
        problem = mounts.claim_problem(pod, self._claim_finder(pod), self._waits)
        if problem is not None:
            return f"0/{len(nodes)} nodes are available: {problem}."
        used = {
            node["metadata"]["name"]: self._used_gpus(node["metadata"]["name"]) for node in nodes
        }
        return choose_node(pod, nodes, used)

    def _candidates(self, pod: Raw) -> list[Raw]:
        """Every node; those of the pod's own workspace first, free ones before others."""
        metadata = pod["metadata"]
        owner = (metadata["namespace"], metadata["labels"][workspaces.NAME_LABEL])
        siblings = {each["spec"].get("nodeName") for each in self._world.pods_of(*owner)}
        nodes = [stored.object for stored in self._world.store.snapshot_of(NODES)]

        def rank(node: Raw) -> tuple[bool, bool, str]:
            name = node["metadata"]["name"]
            return workspace_of(node) != owner, name in siblings, name

        return sorted(nodes, key=rank)

    def _used_gpus(self, node: str) -> int:
        running = [
            pod
            for pod in self._world.pods_on(node)
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        ]
        return sum(gpus_wanted(pod) for pod in running)

    def _claim_finder(self, pod: Raw) -> mounts.FindClaim:
        namespace = pod["metadata"]["namespace"]
        return lambda name: self._world.get(PVCS, namespace, name)

    def _waits(self, claim: Raw) -> bool:
        return binding_mode(self._world, claim) == WAIT

    def _unschedulable(self, pod: Raw, message: str) -> float:
        status = podstatus.unschedulable_status(pod, message, self._world.now())
        self._world.write_status(PODS, pod, status, SCHEDULER)
        self._desk.tell(pod, "Warning", "FailedScheduling", message, SCHEDULER)
        return pace.LOOK_AGAIN_S
