"""The kubelet: what a pod that was placed goes through, one stage after another.

Which server a pod runs follows from its command and image; what goes wrong, from triggers.py and
failures.py. Only pods of workspaces are run. The end of a deleted pod is
`sandbox.cluster.end_deleted_pods`.
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import pace, workspaces
from sandbox.kaito.desk import Desk, main_container
from sandbox.kaito.failures import DOWNLOAD_STALLS
from sandbox.kaito.nodelife import is_lost
from sandbox.kaito.placing import Scheduler
from sandbox.kaito.pulling import Pulling
from sandbox.kaito.running import Running
from sandbox.kaito.serving import VLLM, serving_of
from sandbox.kaito.stages import Stage, stage_of
from sandbox.kaito.training import Training
from sandbox.kaito.triggers import extra_download_s
from sandbox.kaito.world import World
from sandbox.resources import NODES, PODS

BACK_OFFS = ("PullBackOff", "CrashBackOff", "InitBackOff")

Raw = dict[str, Any]


class Kubelet:
    def __init__(self, world: World) -> None:
        self._world = world
        self._desk = Desk(world)
        self._scheduler = Scheduler(self._desk)
        self._running = Running(self._desk)
        training = Training(self._desk)
        pulling = Pulling(self._desk, start=self._running.start, fail=training.fail)
        self._moves = pulling.moves | self._running.moves | training.moves

    def reconcile(self, namespace: str, name: str) -> float | None:
        pod = self._world.get(PODS, namespace, name)
        if pod is None or workspaces.NAME_LABEL not in (pod["metadata"].get("labels") or {}):
            return None
        if workspaces.is_deleting(pod):
            self._stop(pod)
            return None
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return None
        stage = stage_of(pod)
        if stage is None:
            return self._scheduler.schedule(pod)
        if self._is_cut_off(pod):
            self._world.cluster.models.set(pod["metadata"]["uid"], None)
            return None
        self._desk.route(pod, stage.name)
        if stage.name not in self._moves:
            return None
        return self._advance(pod, stage)

    def _is_cut_off(self, pod: Raw) -> bool:
        """Of a node that is lost nothing is heard, and nothing on it answers."""
        node = self._world.store.peek(NODES, None, pod["spec"].get("nodeName", ""))
        return node is not None and is_lost(node.object)

    def _advance(self, pod: Raw, stage: Stage) -> float | None:
        """The stage's script as far as time has come, then the move to the next stage."""
        wait_s, move = self._moves[stage.name]
        length_s = self._length_s(pod, stage, wait_s)
        left_s = self._world.left_s(stage.since, length_s)
        next_s = self._desk.narrator.perform(pod, stage, length_s)
        return min(left_s, next_s or left_s) if left_s else move(pod, stage)

    def _length_s(self, pod: Raw, stage: Stage, wait_s: float) -> float:
        stalls = self._desk.failure(pod) == DOWNLOAD_STALLS
        if stage.name == "Downloading":
            extra_s = extra_download_s(pod["metadata"].get("annotations"))
            return 0.0 if stalls else wait_s + extra_s
        if stage.name == "Stalled":
            return wait_s if stalls else 0.0
        if stage.name in BACK_OFFS:
            return pace.backoff_s(stage.attempt)
        serving = serving_of(main_container(pod))
        if stage.name == "Loading" and serving is not None and serving.dialect != VLLM:
            return pace.TEMPLATE_LOAD_S
        return wait_s

    def _stop(self, pod: Raw) -> None:
        self._world.cluster.models.set(pod["metadata"]["uid"], None)
        if self._desk.narrator.is_first(pod, "Stopping") and pod["spec"].get("nodeName"):
            for container in pod["spec"]["containers"]:
                said = f"Stopping container {container['name']}"
                self._desk.tell(pod, "Normal", "Killing", said)
