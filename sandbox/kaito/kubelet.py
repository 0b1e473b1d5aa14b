"""Scheduler and kubelet: a pod is placed, its image pulled, its model loaded, its probes asked.

Which server a pod runs follows from its command and image; what goes wrong, from triggers.py.
Only pods of workspaces are run. The end of a deleted pod is `sandbox.cluster.end_deleted_pods`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito import pace, podstatus, workspaces
from sandbox.kaito.environment import has_token, missing_reference
from sandbox.kaito.narration import Narrator
from sandbox.kaito.podspecs import BENCHMARK
from sandbox.kaito.podstatus import Containers, pod_status
from sandbox.kaito.scheduling import choose_node
from sandbox.kaito.scripts import is_leader, serving_lines
from sandbox.kaito.serving import VLLM, Serving, serving_of
from sandbox.kaito.stages import Stage, stage_of, with_stage
from sandbox.kaito.triggers import extra_download_s, image_problem, is_gated
from sandbox.kaito.world import World
from sandbox.resources import CONFIGMAPS, PODS, SECRETS

MANAGER = "kubelet"
SCHEDULER = "default-scheduler"
IMAGE_BYTES = 9_812_345_678

Raw = dict[str, Any]
Move = Callable[[Raw, Stage], float | None]


class Kubelet:
    def __init__(self, world: World) -> None:
        self._world = world
        self._narrator = Narrator(world)
        self._moves: dict[str, tuple[float, Move]] = {
            "Scheduled": (pace.SCHEDULE_S, self._pull),
            "Pulling": (pace.PULL_S, self._pulled),
            "PullFailed": (pace.PULL_ERROR_S, self._pull_later),
            "PullBackOff": (0.0, self._pull_again),
            "Initializing": (pace.INIT_CONTAINER_S, self._initialized),
            "Misconfigured": (pace.RETRY_CONFIG_S, self._start),
            "Downloading": (pace.DOWNLOAD_S, self._downloaded),
            "Crashing": (pace.CRASH_S, self._crashed),
            "CrashBackOff": (0.0, self._restart),
            "Loading": (pace.LOAD_S, self._loaded),
            "Benchmarking": (pace.BENCHMARK_S, self._serve),
        }

    def reconcile(self, namespace: str, name: str) -> float | None:
        pod = self._world.get(PODS, namespace, name)
        if pod is None or workspaces.NAME_LABEL not in (pod["metadata"].get("labels") or {}):
            return None
        if workspaces.is_deleting(pod):
            self._stop(pod)
            return None
        stage = stage_of(pod)
        if stage is None:
            return self._schedule(pod)
        self._route(pod, stage.name)
        if stage.name not in self._moves:
            return None
        return self._advance(pod, stage)

    def _advance(self, pod: Raw, stage: Stage) -> float | None:
        """The stage's script as far as time has come, then the move to the next stage."""
        wait_s, move = self._moves[stage.name]
        length_s = _length_s(pod, stage, wait_s)
        left_s = self._world.left_s(stage.since, length_s)
        next_s = self._narrator.perform(pod, stage, length_s)
        return min(left_s, next_s or left_s) if left_s else move(pod, stage)

    def _tell(self, pod: Raw, kind: str, reason: str, message: str, by: str = MANAGER) -> None:
        self._world.recorder.record(pod, kind, reason, message, by)

    def _route(self, pod: Raw, stage: str) -> None:
        """Where the service proxy finds the server, if one listens at this stage."""
        serving = serving_of(pod["spec"]["containers"][0])
        url = self._world.cluster.model_url
        found = _url(serving, stage, url) if serving and url and is_leader(pod) else None
        self._world.cluster.models.set(pod["metadata"]["uid"], found)

    def _enter(self, pod: Raw, stage: str, containers: Containers, attempt: int = 0) -> float:
        """Writes the pod's status at the beginning of a stage."""
        now = self._world.now()
        status = with_stage(pod_status(pod, containers, now), Stage(stage, now, attempt))
        self._world.write_status(PODS, pod, status, MANAGER)
        self._route(pod, stage)
        return 0.0

    # Placing

    def _schedule(self, pod: Raw) -> float | None:
        metadata = pod["metadata"]
        if not pod["spec"].get("nodeName"):
            nodes, taken = self._candidates(pod)
            chosen = choose_node(pod, nodes, taken)
            if isinstance(chosen, str):
                return self._unschedulable(pod, chosen)
            pod["spec"]["nodeName"] = chosen["metadata"]["name"]
            pod = self._world.write(PODS, pod, SCHEDULER)
            message = (
                f"Successfully assigned {metadata['namespace']}/{metadata['name']} "
                f"to {chosen['metadata']['name']}"
            )
            self._tell(pod, "Normal", "Scheduled", message, SCHEDULER)
        inits = pod["spec"].get("initContainers")
        reason = "PodInitializing" if inits else "ContainerCreating"
        return self._enter(pod, "Scheduled", Containers(state=podstatus.waiting(reason)))

    def _candidates(self, pod: Raw) -> tuple[list[Raw], set[str]]:
        """The workspace's nodes, free ones first, and those that another pod of it is on."""
        metadata = pod["metadata"]
        name = metadata["labels"][workspaces.NAME_LABEL]
        taken = {
            other["spec"].get("nodeName", "")
            for other in self._world.siblings(metadata["namespace"], name)
            if other["metadata"]["uid"] != metadata["uid"]
        }
        nodes = self._world.nodes_of(metadata["namespace"], name)
        return sorted(nodes, key=lambda node: node["metadata"]["name"] in taken), taken

    def _unschedulable(self, pod: Raw, message: str) -> float:
        status = podstatus.unschedulable_status(pod, message, self._world.now())
        self._world.write_status(PODS, pod, status, SCHEDULER)
        self._tell(pod, "Warning", "FailedScheduling", message, SCHEDULER)
        return pace.LOOK_AGAIN_S

    # Images

    def _pull(self, pod: Raw, stage: Stage) -> float:
        image = _image(pod)
        self._tell(pod, "Normal", "Pulling", f'Pulling image "{image}"')
        problem = image_problem(image)
        if problem is None:
            return self._enter(pod, "Pulling", _as_is(pod), stage.attempt)
        self._tell(pod, "Warning", "Failed", f'Failed to pull image "{image}": {problem.rpc_error}')
        self._tell(pod, "Warning", "Failed", "Error: ErrImagePull")
        state = podstatus.waiting("ErrImagePull", problem.rpc_error)
        return self._enter(pod, "PullFailed", Containers(state=state), stage.attempt)

    def _pull_later(self, pod: Raw, stage: Stage) -> float:
        image = _image(pod)
        self._tell(pod, "Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._tell(pod, "Warning", "Failed", "Error: ImagePullBackOff")
        why = podstatus.main_status(pod)["state"]["waiting"].get("message", "")
        message = f'Back-off pulling image "{image}": ErrImagePull: {why}'
        state = podstatus.waiting("ImagePullBackOff", message)
        return self._enter(pod, "PullBackOff", Containers(state=state), stage.attempt)

    def _pull_again(self, pod: Raw, stage: Stage) -> float:
        return self._pull(pod, Stage(stage.name, stage.since, stage.attempt + 1))

    def _pulled(self, pod: Raw, _stage: Stage) -> float:
        took = f"{pace.PULL_S:.3f}s"
        message = (
            f'Successfully pulled image "{_image(pod)}" in {took} ({took} including waiting). '
            f"Image size: {IMAGE_BYTES} bytes."
        )
        self._tell(pod, "Normal", "Pulled", message)
        if pod["spec"].get("initContainers"):
            return self._initialize(pod, 0)
        return self._start(pod, Stage("Pulling", self._world.now()))

    # Containers

    def _initialize(self, pod: Raw, position: int) -> float:
        self._tell_started(pod, pod["spec"]["initContainers"][position]["name"])
        containers = Containers(state=podstatus.waiting("PodInitializing"), init_done=position)
        return self._enter(pod, "Initializing", containers, position)

    def _initialized(self, pod: Raw, stage: Stage) -> float:
        if stage.attempt + 1 < len(pod["spec"]["initContainers"]):
            return self._initialize(pod, stage.attempt + 1)
        return self._start(pod, stage)

    def _start(self, pod: Raw, _stage: Stage) -> float:
        """Starts the containers, or says what their environment lacks and tries again later."""
        missing = missing_reference(pod, self._reader(pod))
        if missing is not None:
            self._tell(pod, "Warning", "Failed", f"Error: {missing}")
            state = podstatus.waiting("CreateContainerConfigError", missing)
            containers = Containers(state=state, init_done=_inits(pod))
            return self._enter(pod, "Misconfigured", containers, _stage.attempt + 1)
        for container in pod["spec"]["containers"]:
            self._tell_started(pod, container["name"])
        stage = self._first_stage(pod)
        return self._enter_running(pod, stage)

    def _first_stage(self, pod: Raw) -> str:
        serving = serving_of(pod["spec"]["containers"][0])
        if serving is None:
            return "Serving"
        if is_gated(serving.model_id) and not has_token(pod, self._reader(pod)):
            return "Crashing"
        return "Downloading" if serving.dialect == VLLM and serving.is_download else "Loading"

    def _enter_running(self, pod: Raw, stage: str) -> float:
        """A container without probes counts as started and ready at once, whatever it does."""
        main, is_serving = pod["spec"]["containers"][0], stage == "Serving"
        containers = Containers(
            state=self._running_state(pod),
            is_started=is_serving or "startupProbe" not in main,
            is_ready=is_serving or not {"startupProbe", "readinessProbe"} & set(main),
            restarts=podstatus.restarts(pod),
            last_state=podstatus.last_state(pod),
            init_done=_inits(pod),
        )
        return self._enter(pod, stage, containers, podstatus.restarts(pod))

    def _running_state(self, pod: Raw) -> Raw:
        state = podstatus.main_status(pod).get("state") or {}
        return state if "running" in state else podstatus.running(self._world.now())

    def _tell_started(self, pod: Raw, container: str) -> None:
        self._tell(pod, "Normal", "Created", f"Created container: {container}")
        self._tell(pod, "Normal", "Started", f"Started container {container}")

    def _downloaded(self, pod: Raw, _stage: Stage) -> float:
        return self._enter_running(pod, "Loading")

    def _loaded(self, pod: Raw, stage: Stage) -> float:
        if _has_benchmark(pod) and is_leader(pod):
            return self._enter_running(pod, "Benchmarking")
        return self._serve(pod, stage)

    def _serve(self, pod: Raw, stage: Stage) -> float:
        if stage.name != "Benchmarking":
            for line in serving_lines(pod):
                self._narrator.write(pod, line)
        return self._enter_running(pod, "Serving")

    def _crashed(self, pod: Raw, _stage: Stage) -> float:
        count, now = podstatus.restarts(pod), self._world.now()
        name, metadata = pod["spec"]["containers"][0]["name"], pod["metadata"]
        where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        said = f"Back-off restarting failed container {name} in pod {where}"
        self._tell(pod, "Warning", "BackOff", said)
        back_off = (
            f"back-off {pace.backoff_s(count):.0f}s restarting failed container={name} pod={where}"
        )
        containers = Containers(
            state=podstatus.waiting("CrashLoopBackOff", back_off),
            restarts=count,
            last_state=_failure(pod, name, now),
            init_done=_inits(pod),
        )
        return self._enter(pod, "CrashBackOff", containers, count)

    def _restart(self, pod: Raw, stage: Stage) -> float:
        name = pod["spec"]["containers"][0]["name"]
        self._world.cluster.logbook.restart(pod["metadata"]["uid"], name)
        present = f'Container image "{_image(pod)}" already present on machine'
        self._tell(pod, "Normal", "Pulled", present)
        for status in pod["status"]["containerStatuses"]:
            status["restartCount"] += 1
        return self._start(pod, stage)

    def _stop(self, pod: Raw) -> None:
        self._world.cluster.models.set(pod["metadata"]["uid"], None)
        if self._narrator.is_first(pod, "Stopping") and pod["spec"].get("nodeName"):
            for container in pod["spec"]["containers"]:
                self._tell(pod, "Normal", "Killing", f"Stopping container {container['name']}")

    def _reader(self, pod: Raw) -> Callable[[str, str], dict[str, str] | None]:
        kinds, namespace = (
            {"secret": SECRETS, "configmap": CONFIGMAPS},
            pod["metadata"]["namespace"],
        )

        def read(kind: str, name: str) -> dict[str, str] | None:
            found = self._world.get(kinds[kind], namespace, name)
            return None if found is None else found.get("data") or {}

        return read


def _length_s(pod: Raw, stage: Stage, wait_s: float) -> float:
    if stage.name == "Downloading":
        return wait_s + extra_download_s(pod["metadata"].get("annotations"))
    if stage.name in ("PullBackOff", "CrashBackOff"):
        return pace.backoff_s(stage.attempt)
    serving = serving_of(pod["spec"]["containers"][0])
    if stage.name == "Loading" and serving is not None and serving.dialect != VLLM:
        return pace.TEMPLATE_LOAD_S
    return wait_s


def _url(serving: Serving, stage: str, model_url: str) -> str | None:
    if stage in ("Benchmarking", "Serving"):
        return serving.url(model_url)
    if stage == "Downloading" and serving.dialect == VLLM:
        return serving.loading_url(model_url)
    return None


def _image(pod: Raw) -> str:
    """The one that is told of; in a pod with several, the first that cannot be pulled."""
    images = [
        each.get("image", "")
        for each in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    ]
    return next((image for image in images if image_problem(image)), images[-1])


def _inits(pod: Raw) -> int:
    return len(pod["spec"].get("initContainers") or [])


def _as_is(pod: Raw) -> Containers:
    return Containers(state=podstatus.main_status(pod)["state"])


def _has_benchmark(pod: Raw) -> bool:
    probe = pod["spec"]["containers"][0].get("startupProbe") or {}
    return any(BENCHMARK in word for word in (probe.get("exec") or {}).get("command") or [])


def _failure(pod: Raw, name: str, now: datetime) -> Raw:
    state = podstatus.main_status(pod).get("state") or {}
    started = (state.get("running") or {}).get("startedAt", rfc3339(now))
    identity = podstatus.container_id(pod, name, podstatus.restarts(pod))
    return podstatus.terminated("Error", 1, started=started, finished=now, container_id=identity)
