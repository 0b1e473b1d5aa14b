"""Acts out what containers say: log lines and failing probes, each when its time has come.

How far a script has come is remembered only here. After a restart of the process, what was due by
then counts as told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.kaito import logs
from sandbox.kaito.scripts import Step, script_of
from sandbox.kaito.stages import Stage
from sandbox.kaito.world import World
from sandbox.resources import NODES

SHORTEST_S = 0.01

Raw = dict[str, Any]


class Narrator:
    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[str, tuple[str, datetime, int]] = {}  # pod uid: stage, since, steps told

    def perform(self, pod: Raw, stage: Stage, length_s: float) -> float:
        """Returns the seconds until the script goes on, 0 when it is through."""
        script = script_of(pod, stage.name, length_s, self._size(pod))
        passed_s = self._world.elapsed_s(stage.since)
        done = self._done(pod, script, stage)
        while done < len(script) and script[done].at_s <= passed_s:
            self._do(pod, script[done])
            done += 1
        self._told[pod["metadata"]["uid"]] = (stage.name, stage.since, done)
        return max(script[done].at_s - passed_s, SHORTEST_S) if done < len(script) else 0.0

    def write(self, pod: Raw, line: str) -> None:
        self.write_to(pod, pod["spec"]["containers"][0]["name"], [line])

    def write_to(self, pod: Raw, container: str, lines: list[str]) -> None:
        now = self._world.now()
        for line in lines:
            text = logs.stamped(line, now)
            self._world.cluster.logbook.append(pod["metadata"]["uid"], container, text, at=now)

    def is_first(self, pod: Raw, what: str) -> bool:
        """Whether this was not said of the pod before."""
        told = (what, datetime.min, 0)
        was = self._told.get(pod["metadata"]["uid"])
        self._told[pod["metadata"]["uid"]] = told
        return was != told

    def _done(self, pod: Raw, script: list[Step], stage: Stage) -> int:
        told = self._told.get(pod["metadata"]["uid"])
        if told is not None and told[:2] == (stage.name, stage.since):
            return told[2]
        if stage.since >= self._world.started:
            return 0
        passed_s = self._world.elapsed_s(stage.since)
        return sum(step.at_s <= passed_s for step in script)

    def _do(self, pod: Raw, step: Step) -> None:
        if step.line is not None:
            self.write(pod, step.line)
        if step.probe is not None:
            self._world.recorder.record(pod, "Warning", "Unhealthy", step.probe, "kubelet")

    def _size(self, pod: Raw) -> str:
        found = self._world.store.peek(NODES, None, pod["spec"].get("nodeName", ""))
        labels = found.object["metadata"].get("labels", {}) if found else {}
        return labels.get("node.kubernetes.io/instance-type", "")
