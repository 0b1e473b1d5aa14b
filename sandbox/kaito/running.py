"""A serving pod's main containers: started, loading, serving; crashed and restarted.

Stages whose names are in CRASHES end the container. What each of them writes is in scripts.py.
"""

from __future__ import annotations

from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito import failures, pace, podstatus
from sandbox.kaito.desk import Desk, Moves, image, init_containers, main_container
from sandbox.kaito.environment import has_token, missing_reference
from sandbox.kaito.memory import is_too_large
from sandbox.kaito.podspecs import BENCHMARK
from sandbox.kaito.podstatus import Containers
from sandbox.kaito.probing import failing_probe
from sandbox.kaito.scripts import is_leader, serving_lines
from sandbox.kaito.serving import VLLM, Serving, serving_of
from sandbox.kaito.stages import Stage
from sandbox.kaito.triggers import is_gated
from sandbox.resources import PODS

MANAGER = "kubelet"
# How a container ends that ends so: the reason and the exit code.
CRASHES = {
    "Crashing": ("Error", 1),
    "OutOfMemory": ("OOMKilled", 137),
    "OutOfGpuMemory": ("Error", 1),
    "Failing": ("Error", 1),
    "Killed": ("Error", 137),
}
EVICTION = "The node had condition: [PIDPressure]. "

Raw = dict[str, Any]


class Running:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._world = desk.world
        crashes: Moves = dict.fromkeys(CRASHES, (pace.CRASH_S, self._crashed))
        self.moves: Moves = crashes | {
            "Misconfigured": (pace.RETRY_CONFIG_S, self.start),
            "CrashBackOff": (0.0, self._restart),
            "Downloading": (pace.DOWNLOAD_S, self._downloaded),
            "Stalled": (pace.STARTUP_LIMIT_S, self._stalled),
            "Loading": (pace.LOAD_S, self._loaded),
            "Benchmarking": (pace.BENCHMARK_S, self._serve),
            "BenchmarkFailing": (pace.BENCHMARK_S, self._serve),
            "Unprobed": (pace.LIVENESS_S, self._unprobed),
            "Serving": (0.0, self._look),
        }

    def start(self, pod: Raw, stage: Stage) -> float:
        """Starts the containers, or says what their environment lacks and tries again later."""
        missing = missing_reference(pod, self._desk.reader(pod))
        if missing is not None:
            self._desk.tell(pod, "Warning", "Failed", f"Error: {missing}")
            state = podstatus.waiting("CreateContainerConfigError", missing)
            containers = Containers(state=state, init_done=len(init_containers(pod)))
            return self._desk.enter(pod, "Misconfigured", containers, stage.attempt + 1)
        for container in pod["spec"]["containers"]:
            self._desk.tell_started(pod, container["name"])
        return self._run(pod, self._first_stage(pod))

    def _first_stage(self, pod: Raw) -> str:
        serving = serving_of(main_container(pod))
        if serving is None:
            return "Training" if pod["spec"].get("restartPolicy") == "Never" else "Serving"
        if is_gated(serving.model_id) and not has_token(pod, self._desk.reader(pod)):
            return "Crashing"
        is_fetched = serving.dialect == VLLM and serving.is_download
        return "Downloading" if is_fetched else self._loading_stage(pod, serving)

    def _loading_stage(self, pod: Raw, serving: Serving) -> str:
        """Memory runs out while the weights are loaded, if it does."""
        failure = self._desk.failure(pod)
        if failure == failures.OUT_OF_MEMORY or is_too_large(main_container(pod), serving):
            return "OutOfMemory"
        return "OutOfGpuMemory" if failure == failures.OUT_OF_GPU_MEMORY else "Loading"

    def _run(self, pod: Raw, stage: str) -> float:
        """A container without probes counts as started and ready at once, whatever it does."""
        main, is_serving = main_container(pod), stage == "Serving"
        is_up = is_serving or stage == "Unprobed"
        containers = Containers(
            state=self._running_state(pod),
            is_started=is_up or "startupProbe" not in main,
            is_ready=is_serving or not {"startupProbe", "readinessProbe"} & set(main),
            restarts=podstatus.restarts(pod),
            last_state=podstatus.last_state(pod),
            init_done=len(init_containers(pod)),
        )
        return self._desk.enter(pod, stage, containers, podstatus.restarts(pod))

    def _running_state(self, pod: Raw) -> Raw:
        state = podstatus.main_status(pod).get("state") or {}
        return state if "running" in state else podstatus.running(self._world.now())

    def _downloaded(self, pod: Raw, _stage: Stage) -> float:
        if self._desk.failure(pod) == failures.DOWNLOAD_STALLS:
            return self._run(pod, "Stalled")
        serving = serving_of(main_container(pod))
        return self._run(pod, self._loading_stage(pod, serving) if serving else "Serving")

    def _stalled(self, pod: Raw, stage: Stage) -> float:
        """Until the startup probe's patience ends, or the download goes on."""
        if self._desk.failure(pod) != failures.DOWNLOAD_STALLS:
            return self._run(pod, "Loading")
        return self._kill(pod, stage, "startup")

    def _loaded(self, pod: Raw, stage: Stage) -> float:
        if _has_benchmark(pod) and is_leader(pod):
            fails = self._desk.failure(pod) == failures.BENCHMARK
            return self._run(pod, "BenchmarkFailing" if fails else "Benchmarking")
        return self._serve(pod, stage)

    def _serve(self, pod: Raw, stage: Stage) -> float:
        if not stage.name.startswith("Benchmark"):
            for line in serving_lines(pod):
                self._desk.narrator.write(pod, line)
        serving = serving_of(main_container(pod))
        is_unprobed = serving is not None and failing_probe(pod, serving) is not None
        return self._run(pod, "Unprobed" if is_unprobed else "Serving")

    def _unprobed(self, pod: Raw, stage: Stage) -> float:
        """The server is up, but a probe fails: the readiness probe for ever, others fatally."""
        serving = serving_of(main_container(pod))
        failing = failing_probe(pod, serving) if serving else None
        if failing is None or failing[0] == "readinessProbe":
            return self._run(pod, "Unprobed")
        return self._kill(pod, stage, failing[0].removesuffix("Probe"))

    def _kill(self, pod: Raw, _stage: Stage, probe: str) -> float:
        name = main_container(pod)["name"]
        said = f"Container {name} failed {probe} probe, will be restarted"
        self._desk.tell(pod, "Normal", "Killing", said)
        return self._run(pod, "Killed")

    def _look(self, pod: Raw, _stage: Stage) -> float | None:
        """A pod that serves goes on serving, unless it was asked to fail."""
        failure = self._desk.failure(pod)
        if failure == failures.CRASH:
            return self._run(pod, "Failing")
        if failure == failures.EVICTED:
            status = podstatus.evicted_status(pod, EVICTION, self._world.now())
            self._desk.tell(pod, "Warning", "Evicted", EVICTION)
            self._world.write_status(PODS, pod, status, MANAGER)
        return None

    def _crashed(self, pod: Raw, stage: Stage) -> float:
        count, name = podstatus.restarts(pod), main_container(pod)["name"]
        self._desk.tell(pod, "Warning", "BackOff", podstatus.back_off_event(pod, name))
        back_off = podstatus.back_off(pod, name, pace.backoff_s(count))
        containers = Containers(
            state=podstatus.waiting("CrashLoopBackOff", back_off),
            restarts=count,
            last_state=self._end(pod, name, *CRASHES[stage.name]),
            init_done=len(init_containers(pod)),
        )
        return self._desk.enter(pod, "CrashBackOff", containers, count)

    def _end(self, pod: Raw, name: str, reason: str, exit_code: int) -> Raw:
        now = self._world.now()
        state = podstatus.main_status(pod).get("state") or {}
        started = (state.get("running") or {}).get("startedAt", rfc3339(now))
        identity = podstatus.container_id(pod, name, podstatus.restarts(pod))
        return podstatus.terminated(
            reason, exit_code, started=started, finished=now, container_id=identity
        )

    def _restart(self, pod: Raw, stage: Stage) -> float:
        name = main_container(pod)["name"]
        self._world.cluster.logbook.restart(pod["metadata"]["uid"], name)
        present = f'Container image "{image(pod)}" already present on machine'
        self._desk.tell(pod, "Normal", "Pulled", present)
        for status in pod["status"]["containerStatuses"]:
            status["restartCount"] += 1
        return self.start(pod, stage)


def _has_benchmark(pod: Raw) -> bool:
    probe = main_container(pod).get("startupProbe") or {}
    return any(BENCHMARK in word for word in (probe.get("exec") or {}).get("command") or [])
