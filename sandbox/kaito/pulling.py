"""Before a pod's own containers start: volumes are mounted, images pulled, init containers run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito import mounts, pace, podstatus
from sandbox.kaito.desk import Desk, Moves, as_is, image, init_containers
from sandbox.kaito.initials import init_failure
from sandbox.kaito.podstatus import Containers
from sandbox.kaito.stages import Stage
from sandbox.kaito.triggers import image_problem

IMAGE_BYTES = 9_812_345_678

Raw = dict[str, Any]


class Pulling:
    """`start` begins the main containers; `fail` ends a pod that may not try again."""

    def __init__(
        self,
        desk: Desk,
        *,
        start: Callable[[Raw, Stage], float],
        fail: Callable[[Raw, Containers], float],
    ) -> None:
        self._desk = desk
        self._start = start
        self._fail = fail
        self.moves: Moves = {
            "Scheduled": (pace.SCHEDULE_S, self._mount),
            "Unmounted": (pace.RETRY_CONFIG_S, self._mount),
            "Pulling": (pace.PULL_S, self._pulled),
            "PullFailed": (pace.PULL_ERROR_S, self._pull_later),
            "PullBackOff": (0.0, self._pull_again),
            "Initializing": (pace.INIT_CONTAINER_S, self._initialized),
            "InitBackOff": (0.0, self._initialize_again),
        }

    def _mount(self, pod: Raw, stage: Stage) -> float:
        failure = mounts.mount_failure(pod, self._desk.reader(pod))
        if failure is None:
            return self._pull(pod, Stage(stage.name, stage.since))
        self._desk.tell(pod, "Warning", "FailedMount", failure)
        return self._desk.enter(pod, "Unmounted", as_is(pod), stage.attempt + 1)

    # Images

    def _pull(self, pod: Raw, stage: Stage) -> float:
        wanted = image(pod)
        self._desk.tell(pod, "Normal", "Pulling", f'Pulling image "{wanted}"')
        problem = image_problem(wanted)
        if problem is None:
            return self._desk.enter(pod, "Pulling", as_is(pod), stage.attempt)
        failed = f'Failed to pull image "{wanted}": {problem.rpc_error}'
        self._desk.tell(pod, "Warning", "Failed", failed)
        self._desk.tell(pod, "Warning", "Failed", "Error: ErrImagePull")
        state = podstatus.waiting("ErrImagePull", problem.rpc_error)
        return self._desk.enter(pod, "PullFailed", Containers(state=state), stage.attempt)

    def _pull_later(self, pod: Raw, stage: Stage) -> float:
        back_off = f'Back-off pulling image "{image(pod)}"'
        self._desk.tell(pod, "Normal", "BackOff", back_off)
        self._desk.tell(pod, "Warning", "Failed", "Error: ImagePullBackOff")
        why = podstatus.main_status(pod)["state"]["waiting"].get("message", "")
        state = podstatus.waiting("ImagePullBackOff", f"{back_off}: ErrImagePull: {why}")
        return self._desk.enter(pod, "PullBackOff", Containers(state=state), stage.attempt)

    def _pull_again(self, pod: Raw, stage: Stage) -> float:
        return self._pull(pod, Stage(stage.name, stage.since, stage.attempt + 1))

    def _pulled(self, pod: Raw, stage: Stage) -> float:
        took = f"{pace.PULL_S:.3f}s"
        message = (
            f'Successfully pulled image "{image(pod)}" in {took} ({took} including waiting). '
            f"Image size: {IMAGE_BYTES} bytes."
        )
        self._desk.tell(pod, "Normal", "Pulled", message)
        if init_containers(pod):
            return self._initialize(pod, 0)
        return self._start(pod, stage)

    # Init containers, one after another. The stage's attempt is the position, so that what is
    # known of restarts is read off the container's status.

    def _initialize(self, pod: Raw, position: int) -> float:
        self._desk.tell_started(pod, init_containers(pod)[position]["name"])
        containers = Containers(state=podstatus.waiting("PodInitializing"), init_done=position)
        return self._desk.enter(pod, "Initializing", containers, position)

    def _initialized(self, pod: Raw, stage: Stage) -> float:
        position = stage.attempt
        failure = init_failure(pod, init_containers(pod)[position])
        if failure is not None:
            return self._init_failed(pod, position, failure)
        if position + 1 < len(init_containers(pod)):
            return self._initialize(pod, position + 1)
        return self._start(pod, Stage(stage.name, stage.since))

    def _init_failed(self, pod: Raw, position: int, lines: list[str]) -> float:
        name, now = init_containers(pod)[position]["name"], self._desk.world.now()
        self._desk.narrator.write_to(pod, name, lines)
        count = podstatus.init_restarts(pod, position)
        ended = podstatus.terminated(
            "Error",
            1,
            started=podstatus.init_started(pod, position) or rfc3339(now),
            finished=now,
            container_id=podstatus.container_id(pod, name, count),
        )
        if pod["spec"].get("restartPolicy") == "Never":
            state = podstatus.waiting("PodInitializing")
            return self._fail(pod, Containers(state=state, init_done=position, init_state=ended))
        self._desk.tell(pod, "Warning", "BackOff", podstatus.back_off_event(pod, name))
        state = podstatus.waiting(
            "CrashLoopBackOff", podstatus.back_off(pod, name, pace.backoff_s(count))
        )
        containers = Containers(
            state=podstatus.waiting("PodInitializing"),
            init_done=position,
            init_state=state,
            init_last_state=ended,
            init_restarts=count,
        )
        return self._desk.enter(pod, "InitBackOff", containers, count)

    def _initialize_again(self, pod: Raw, _stage: Stage) -> float:
        position = podstatus.init_position(pod)
        name = init_containers(pod)[position]["name"]
        self._desk.world.cluster.logbook.restart(pod["metadata"]["uid"], name)
        self._desk.tell_started(pod, name)
        containers = Containers(
            state=podstatus.waiting("PodInitializing"),
            init_done=position,
            init_restarts=podstatus.init_restarts(pod, position) + 1,
            init_last_state=podstatus.init_last_state(pod, position),
        )
        return self._desk.enter(pod, "Initializing", containers, position)
