"""A tuning pod's containers: trains, pushes what came of it, and ends one way or the other.

It may not restart (`restartPolicy: Never`): the Job makes another pod instead.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito import pace, podstatus, traininglogs
from sandbox.kaito.desk import Desk, Moves, init_containers, main_container
from sandbox.kaito.failures import TRAINING
from sandbox.kaito.podstatus import Containers
from sandbox.kaito.stages import Stage
from sandbox.kaito.triggers import is_unknown_host
from sandbox.kaito.tuning import PUSHER, pushed_image

Raw = dict[str, Any]


class Training:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.moves: Moves = {
            "Training": (pace.TRAIN_S, self._trained),
            "TrainingFailing": (pace.TRAIN_S / 2, self._failed),
            "Pushing": (pace.PUSH_S, self._pushed),
        }

    def _trained(self, pod: Raw, _stage: Stage) -> float:
        if self._desk.failure(pod) == TRAINING:
            return self._enter(pod, "TrainingFailing", {})
        if pushed_image(pod) is None:
            return self._finish(pod, "Succeeded", {})
        return self._enter(pod, "Pushing", {main_container(pod)["name"]: self._end(pod, 0)})

    def _failed(self, pod: Raw, _stage: Stage) -> float:
        return self._finish(pod, "Failed", {main_container(pod)["name"]: self._end(pod, 1)})

    def _pushed(self, pod: Raw, _stage: Stage) -> float:
        image = pushed_image(pod) or ""
        why = self._refusal(pod, image)
        lines = traininglogs.refused_push(image, why) if why else traininglogs.pushing(image)
        self._desk.narrator.write_to(pod, PUSHER, [line.text for line in lines])
        if why:
            return self._finish(pod, "Failed", {PUSHER: self._end(pod, 1)})
        return self._finish(pod, "Succeeded", {})

    def _refusal(self, pod: Raw, image: str) -> str | None:
        """The registry takes a push only with credentials for its host."""
        host = image.partition("/")[0]
        if is_unknown_host(host):
            return f'Head "https://{host}/v2/": dial tcp: lookup {host}: no such host'
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        secret = volumes["docker-config"]["secret"]["secretName"]
        data = self._desk.reader(pod)("secret", secret) or {}
        if host not in _hosts(data.get(".dockerconfigjson", "")):
            return "unauthorized: authentication required"
        return None

    def fail(self, pod: Raw, containers: Containers) -> float:
        """A pod that may not try again, and whose init container failed."""
        return self._desk.enter(pod, "Failed", replace(containers, phase="Failed"))

    def _enter(self, pod: Raw, stage: str, states: dict[str, Raw]) -> float:
        containers = Containers(
            state=podstatus.main_status(pod)["state"],
            states=states,
            is_started=True,
            init_done=len(init_containers(pod)),
        )
        return self._desk.enter(pod, stage, containers)

    def _finish(self, pod: Raw, phase: str, states: dict[str, Raw]) -> float:
        """Containers that are not named ended well, those that had ended before included."""
        containers = Containers(
            state=self._end(pod, 0),
            states=states,
            init_done=len(init_containers(pod)),
            phase=phase,
        )
        return self._desk.enter(pod, phase, containers)

    def _end(self, pod: Raw, exit_code: int) -> Raw:
        now = self._desk.world.now()
        status = podstatus.main_status(pod)
        started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
        return podstatus.terminated(
            "Error" if exit_code else "Completed",
            exit_code,
            started=started or rfc3339(now),
            finished=now,
            container_id=podstatus.container_id(pod, status["name"], 0),
        )


def _hosts(encoded: str) -> set[str]:
    """The registries that a Secret of type kubernetes.io/dockerconfigjson has credentials for."""
    try:
        auths = json.loads(base64.b64decode(encoded)).get("auths") or {}
    except (binascii.Error, ValueError, AttributeError):
        return set()
    return {host.removeprefix("https://").partition("/")[0] for host in auths}
