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
        """A node of the pod's own workspace if one fits, else any."""
        problem = mounts.claim_problem(pod, self._claim_finder(pod), self._waits)
        if problem is None:
            chosen = choose_node(pod, self._own_nodes(pod), self._used_gpus)
            if not isinstance(chosen, str):
                return chosen
        nodes = [stored.object for stored in self._world.store.snapshot_of(NODES)]
        if problem is not None:
            return f"0/{len(nodes)} nodes are available: {problem}."
        return choose_node(pod, nodes, self._used_gpus)

    def _own_nodes(self, pod: Raw) -> list[Raw]:
        """Those without another pod of the workspace before the rest."""
        ws = self._world.workspace_of_pod(pod)
        metadata = pod["metadata"]
        owner = (metadata["namespace"], metadata["labels"][workspaces.NAME_LABEL])
        taken = {each["spec"].get("nodeName") for each in self._world.pods_of(*owner)}
        nodes = self._world.nodes_of(ws) if ws is not None else []
        return sorted(nodes, key=lambda node: node["metadata"]["name"] in taken)

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
