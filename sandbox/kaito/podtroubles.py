"""What KAITO reads off pods when the model does not come up. Pure.

The order decides which of several problems is told: facts of KAITO 0.12's failure detection,
https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sandbox.kaito.conditions import Verdict, cut

IMAGE_REASONS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
START_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PostStartHookError",
        "PreStartHookError",
        "PreCreateHookError",
    }
)

Raw = dict[str, Any]
Finder = Callable[[Raw], str | None]


def trouble_of(pods: Sequence[Raw]) -> Verdict | None:
    for reason, find in _FINDERS:
        for pod in pods:
            message = find(pod)
            if message is not None:
                return Verdict("False", reason, cut(message))
    return None


def _containers(pod: Raw) -> Iterator[Raw]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _out_of_memory(pod: Raw) -> str | None:
    for container in _containers(pod):
        for moment in (container.get("state") or {}, container.get("lastState") or {}):
            ended = moment.get("terminated") or {}
            if ended.get("reason") == "OOMKilled":
                return (
                    f'container "{container["name"]}" was OOMKilled (exit code {ended["exitCode"]})'
                    "; reduce memory usage or use a larger instance type"
                )
    return None


def _waiting_for(reasons: frozenset[str], words: str) -> Finder:
    def find(pod: Raw) -> str | None:
        for container in _containers(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in reasons:
                said = f"{words} ({waiting['reason']}): {waiting.get('message', '')}"
                return f'container "{container["name"]}" {said}'
        return None

    return find


def _crash_loop(pod: Raw) -> str | None:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            ended = (container.get("lastState") or {}).get("terminated")
            said = f'container "{container["name"]}" is in CrashLoopBackOff'
            if ended is None:
                return said
            detail = ended.get("message") or f"exit code {ended['exitCode']}"
            return f"{said}; last termination: {detail}"
    return None


def _evicted(cause: str) -> Finder:
    """`cause`: disk, memory, or nothing that KAITO tells apart."""

    def find(pod: Raw) -> str | None:
        status = pod.get("status") or {}
        if status.get("phase") != "Failed" or status.get("reason") != "Evicted":
            return None
        name, message = pod["metadata"]["name"], status.get("message", "")
        if _cause(message.lower()) != cause:
            return None
        if not cause:
            return f'pod "{name}" was evicted: {message}'
        return f'pod "{name}" evicted due to node {cause} pressure: {message}'

    return find


def _cause(message: str) -> str:
    if "ephemeral-storage" in message or "disk" in message:
        return "disk"
    return "memory" if "memory" in message else ""


def _unschedulable(pod: Raw) -> str | None:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        is_scheduling = condition["type"] == "PodScheduled" and condition["status"] == "False"
        if is_scheduling and condition.get("reason") == "Unschedulable":
            name, message = pod["metadata"]["name"], condition.get("message", "")
            return f'pod "{name}" is unschedulable: {message}'
    return None


_FINDERS: tuple[tuple[str, Finder], ...] = (
    ("ContainerOOMKilled", _out_of_memory),
    ("ImagePullError", _waiting_for(IMAGE_REASONS, "image pull failed")),
    ("ContainerStartError", _waiting_for(START_REASONS, "failed to start")),
    ("ContainerCrashLoopBackOff", _crash_loop),
    ("NodeDiskPressure", _evicted("disk")),
    ("NodeMemoryPressure", _evicted("memory")),
    ("PodEvicted", _evicted("")),
    ("Unschedulable", _unschedulable),
)
