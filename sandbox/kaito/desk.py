"""What scheduler and kubelet share: a pod's status, its events, its log, and where its server is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.kaito import adapters, podstatus
from sandbox.kaito.environment import Read
from sandbox.kaito.failures import failure_of
from sandbox.kaito.narration import Narrator
from sandbox.kaito.podstatus import Containers, pod_status
from sandbox.kaito.scripts import is_leader
from sandbox.kaito.serving import VLLM, Serving, serving_of
from sandbox.kaito.stages import Stage, with_stage
from sandbox.kaito.triggers import image_problem
from sandbox.kaito.workspaces import PORT
from sandbox.kaito.world import World
from sandbox.resources import CONFIGMAPS, PODS, SECRETS

MANAGER = "kubelet"
KINDS = {"secret": SECRETS, "configmap": CONFIGMAPS}
LISTENING = ("Benchmarking", "BenchmarkFailing", "Serving", "Unprobed")

Raw = dict[str, Any]
Move = Callable[[Raw, Stage], float | None]
Moves = dict[str, tuple[float, Move]]


class Desk:
    def __init__(self, world: World) -> None:
        self.world = world
        self.narrator = Narrator(world)

    def tell(self, pod: Raw, kind: str, reason: str, message: str, by: str = MANAGER) -> None:
        self.world.recorder.record(pod, kind, reason, message, by)

    def tell_started(self, pod: Raw, container: str) -> None:
        self.tell(pod, "Normal", "Created", f"Created container: {container}")
        self.tell(pod, "Normal", "Started", f"Started container {container}")

    def enter(
        self,
        pod: Raw,
        stage: str,
        containers: Containers,
        attempt: int = 0,
        more: Raw | None = None,
    ) -> float:
        """Writes the pod's status at the beginning of a stage."""
        now = self.world.now()
        status = pod_status(pod, containers, now) | (more or {})
        self.world.write_status(PODS, pod, with_stage(status, Stage(stage, now, attempt)), MANAGER)
        self.route(pod, stage)
        return 0.0

    def route(self, pod: Raw, stage: str) -> None:
        """Where the service proxy finds the server, if one listens at this stage."""
        serving = serving_of(main_container(pod), adapters.names_in(pod))
        url = self.world.cluster.model_url
        found = _url(serving, stage, url) if serving and url and is_leader(pod) else None
        self.world.cluster.models.set(pod["metadata"]["uid"], found)

    def failure(self, pod: Raw) -> str:
        """What the pod's workspace asks for, at this moment."""
        return failure_of(self.world.workspace_of_pod(pod))

    def reader(self, pod: Raw) -> Read:
        namespace = pod["metadata"]["namespace"]

        def read(kind: str, name: str) -> dict[str, str] | None:
            found = self.world.get(KINDS[kind], namespace, name)
            return None if found is None else found.get("data") or {}

        return read


def main_container(pod: Raw) -> Raw:
    return pod["spec"]["containers"][0]


def init_containers(pod: Raw) -> list[Raw]:
    return pod["spec"].get("initContainers") or []


def image(pod: Raw) -> str:
    """The one that is told of; in a pod with several, the first that cannot be pulled."""
    images = [each.get("image", "") for each in [*init_containers(pod), *pod["spec"]["containers"]]]
    return next((each for each in images if image_problem(each)), images[-1])


def as_is(pod: Raw) -> Containers:
    return Containers(
        state=podstatus.main_status(pod)["state"],
        restarts=podstatus.restarts(pod),
        last_state=podstatus.last_state(pod),
    )


def _url(serving: Serving, stage: str, model_url: str) -> str | None:
    if serving.port != PORT:
        return None  # the Service leads to a port where nothing listens
    if stage in LISTENING:
        return serving.url(model_url)
    if stage in ("Downloading", "Stalled") and serving.dialect == VLLM:
        return serving.loading_url(model_url)
    return None
