"""Why the pods do not serve, read from the pods themselves.

KAITO's controller watches neither pods nor nodes, so its conditions lag behind or never say it:
https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go (SetupWithManager).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from workspaces import catalogue
from workspaces.diagnosis.launching import DELETE, OTHER_TYPE
from workspaces.diagnosis.shapes import Action, Cause, Fix, Progress
from workspaces.diagnosis.sightings import Sight, pod_condition, started_at
from workspaces.types import ContainerState, ParsedPod

# https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/images/types.go
IMAGE_REASONS = {
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
}
# https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/kuberuntime/kuberuntime_container.go
START_REASONS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreStartHookError",
    "PostStartHookError",
    "PreCreateHookError",
}
CRASHES_TO_FAIL = 2  # a server that ended in error so often and runs again is not on its way
GATED_WORDS = re.compile(
    r"gated repo|restricted|401 Client Error|403 Client Error|GatedRepoError|Invalid user token",
    re.I,
)
LOGS = Fix(
    title="Read the log of its last run",
    text="The last lines before it stopped usually name the reason.",
    icon="file-text",
    action=Action.LOGS,
)
AGAIN = Fix(
    title="Delete and deploy again",
    text="Presets cannot be changed in place.",
    icon="switch-horizontal",
    action=Action.REDEPLOY,
)


def failing_pod(sight: Sight, progress: Progress) -> Cause | None:
    for pod in sight.pods:
        for judge in _JUDGES:
            cause = judge(pod, sight, progress)
            if cause:
                return cause
    return None


def _image(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    container = _waiting_in(pod, IMAGE_REASONS)
    if container is None:
        return None
    message = container.message
    if re.search(r"not found|manifest unknown|does not exist", message, re.I):
        title = "The container image does not exist"
    elif re.search(r"unauthorized|denied|403|401", message, re.I):
        title = "The registry refuses the container image"
    else:
        title = "The container image cannot be pulled"
    name = Fix(
        title="Check the image's name and tag",
        text=f"{container.image or 'The image'} must be pullable from the node. A corrected name needs a new workspace: KAITO does not roll out template edits.",
        icon="box",
        action=Action.REDEPLOY,
    )
    return Cause(
        key="image",
        title=title,
        text="The node is there and billed, but the pod cannot start on it.",
        stage="image",
        evidence=_evidence(pod, container),
        fixes=(name, DELETE),
    )


def _memory(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    container = next((c for c in pod.containers if "OOMKilled" in (c.reason, c.last_reason)), None)
    if container is None or pod.is_ready:
        return None
    more = Fix(
        title="Deploy again with more memory",
        text="A higher memory limit for the container, a larger instance type, or a smaller model.",
        icon="switch-horizontal",
        action=Action.REDEPLOY,
    )
    return Cause(
        key="memory",
        title="The model needs more memory than it may use",
        text="The container was killed for running out of main memory (not GPU memory).",
        stage="load",
        evidence=_evidence(pod, container),
        fixes=(more, LOGS, DELETE),
    )


def _start(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    container = _waiting_in(pod, START_REASONS)
    if container is None:
        return None
    named = Fix(
        title="Create what it asks for",
        text="Usually a Secret or ConfigMap, or a key in it, that does not exist in this namespace. Kubernetes tries again by itself.",
        icon="key",
        action=Action.EVENTS,
    )
    return Cause(
        key="start",
        title="The container cannot be started",
        text="The image is there, but something that the container needs is missing.",
        stage="image",
        evidence=_evidence(pod, container),
        fixes=(named, DELETE),
    )


def _crash(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    container = next((c for c in pod.containers if _is_crashing(c)), None)
    if container is None:
        return None
    known = catalogue.preset(sight.workspace.model)
    if GATED_WORDS.search(progress.refusal) or (known and known.gated == catalogue.Gated.YES):
        return _gated(pod, container, progress)
    return Cause(
        key="crash",
        title="The model server starts and stops again",
        text=f"It has been restarted {container.restarts} times. The node is there and billed.",
        stage="load",
        evidence=_evidence(pod, container, progress.refusal),
        fixes=(LOGS, AGAIN, DELETE),
    )


def _gated(pod: ParsedPod, container: ContainerState, progress: Progress) -> Cause:
    """KAITO admits a gated preset without a token; only the download finds out."""
    if GATED_WORDS.search(progress.refusal):
        title = "The model is gated: Hugging Face refused the download"
    else:
        title = "The model server stops again; its model is gated"
    token = Fix(
        title="Deploy again with a Hugging Face token",
        text="Accept the licence on the model's page at huggingface.co, put a token of that account into a Secret with the key HF_TOKEN, and name the Secret in the form. Presets cannot be changed in place.",
        icon="key",
        action=Action.REDEPLOY,
    )
    return Cause(
        key="gated",
        title=title,
        text="Hugging Face gives it only to accounts that have accepted its licence. The Secret is missing, its token is wrong, or its account has no access.",
        stage="weights",
        evidence=_evidence(pod, container, progress.refusal),
        fixes=(token, LOGS, DELETE),
    )


def _evicted(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    if pod.reason != "Evicted":
        return None
    return Cause(
        key="evicted",
        title="The node ran out of room and evicted the pod",
        text="Usually the disk: weights and image must both fit.",
        stage="weights",
        evidence=(f"Pod {pod.name}  Evicted", pod.message),
        fixes=(OTHER_TYPE, DELETE),
    )


def _unschedulable(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    scheduled = pod_condition(pod, "PodScheduled")
    if scheduled is None or scheduled.is_true or scheduled.reason != "Unschedulable":
        return None
    room = Fix(
        title="Make room or make it smaller",
        text="The pod must fit the node that was bought for it: CPU, memory, GPUs, volume zone.",
        icon="cpu",
        action=Action.REDEPLOY,
    )
    return Cause(
        key="unschedulable",
        title="No node can take the pod",
        text="Kubernetes finds no node with what the pod asks for.",
        stage="image",
        evidence=(f"Pod {pod.name}  PodScheduled=False  Unschedulable", scheduled.message),
        fixes=(room, DELETE),
    )


def _volume(pod: ParsedPod, sight: Sight, progress: Progress) -> Cause | None:
    event = next(
        (
            e
            for e in sight.events
            if e.object_name == pod.name and e.reason in ("FailedMount", "FailedAttachVolume")
        ),
        None,
    )
    if event is None or started_at(pod) or pod.is_ready:
        return None
    named = Fix(
        title="Create what the volume names",
        text="The Secret, ConfigMap or claim in the message must exist in this namespace. Kubernetes tries again by itself.",
        icon="database",
        action=Action.EVENTS,
    )
    return Cause(
        key="volume",
        title="A volume of the pod cannot be mounted",
        text="The pod waits for a volume.",
        stage="image",
        evidence=(f"Event {event.reason} on {pod.name}", event.message),
        fixes=(named, DELETE),
    )


_JUDGES: tuple[Callable[[ParsedPod, Sight, Progress], Cause | None], ...] = (
    _image,
    _memory,
    _start,
    _crash,
    _evicted,
    _unschedulable,
    _volume,
)


def told_by_kaito(sight: Sight) -> Cause | None:
    """InferenceReady's own reason: second-hand and late, used where no pod is known."""
    condition = sight.workspace.status.condition("InferenceReady")
    if condition is None or condition.status != "False" or sight.pods:
        return None
    title = {
        "ContainerOOMKilled": "The model needs more memory than it may use",
        "ImagePullError": "The container image cannot be pulled",
        "ContainerStartError": "The container cannot be started",
        "ContainerCrashLoopBackOff": "The model server starts and stops again",
        "NodeDiskPressure": "The node's disk is full",
        "NodeMemoryPressure": "The node's memory is full",
        "PodEvicted": "The node ran out of room and evicted the pod",
        "Unschedulable": "No node can take the pod",
    }.get(condition.reason)
    if title is None:
        return None
    return Cause(
        key="told",
        title=title,
        text="KAITO says so.",
        stage="load",
        evidence=(f"InferenceReady=False  {condition.reason}", condition.message),
        fixes=(DELETE,),
    )


def failed_benchmark(sight: Sight) -> Cause | None:
    condition = sight.workspace.status.condition("BenchmarkCompleted")
    if condition is None or condition.status != "False" or condition.reason != "BenchmarkFailed":
        return None
    ignore = Fix(
        title="Use it as it is",
        text="It answers. KAITO leaves its state at NotReady and does not measure again.",
        icon="message-2",
    )
    return Cause(
        key="benchmark",
        title="The model answers, but KAITO's benchmark failed",
        text="KAITO therefore says NotReady, although InferenceReady is True.",
        stage="benchmark",
        evidence=(f"BenchmarkCompleted=False  {condition.reason}", condition.message),
        fixes=(ignore, LOGS),
        is_blocking=False,
    )


def _is_crashing(container: ContainerState) -> bool:
    """Also in the moments between two crashes, when it runs once more: else the state would flap with each attempt."""
    if container.is_ready:
        return False
    has_failed = container.phase == "terminated" and container.exit_code != 0
    tries_again = container.phase == "running" and bool(container.last_exit_code)
    return (
        container.reason == "CrashLoopBackOff"
        or (has_failed and container.restarts >= 1)
        or (tries_again and container.restarts >= CRASHES_TO_FAIL)
    )


def _waiting_in(pod: ParsedPod, reasons: set[str]) -> ContainerState | None:
    waiting = (c for c in pod.containers if c.phase == "waiting")
    return next((c for c in waiting if c.reason in reasons), None)


def _evidence(pod: ParsedPod, container: ContainerState, extra: str = "") -> tuple[str, ...]:
    code = container.last_exit_code if container.exit_code is None else container.exit_code
    ended = "" if code is None else f"  {container.last_reason}, exit code {code}"
    head = f"Pod {pod.name}  container {container.name}  {container.reason}{ended}"
    lines = (line.strip() for line in f"{container.message}\n{extra}".splitlines())
    return (head, *dict.fromkeys(line for line in lines if line))
