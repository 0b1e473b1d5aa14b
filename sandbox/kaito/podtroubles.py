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


def _told(pod: Raw, container: Raw, what: str) -> str:
    return f"pod {pod['metadata']['name']} container {container['name']}: {what}"


def _out_of_memory(pod: Raw) -> str | None:
    for container in _containers(pod):
        for moment in (container.get("state") or {}, container.get("lastState") or {}):
            if (moment.get("terminated") or {}).get("reason") == "OOMKilled":
                return _told(pod, container, "OOMKilled")
    return None


def _waiting_for(reasons: frozenset[str]) -> Finder:
    def find(pod: Raw) -> str | None:
        for container in _containers(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in reasons:
                text = f"{waiting['reason']}: {waiting.get('message', '')}"
                return _told(pod, container, text)
        return None

    return find


def _unschedulable(pod: Raw) -> str | None:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"pod {pod['metadata']['name']}: {condition.get('message', '')}"
    return None


_FINDERS: tuple[tuple[str, Finder], ...] = (
    ("ContainerOOMKilled", _out_of_memory),
    ("ImagePullError", _waiting_for(IMAGE_REASONS)),
    ("ContainerStartError", _waiting_for(START_REASONS)),
    ("ContainerCrashLoopBackOff", _waiting_for(frozenset({"CrashLoopBackOff"}))),
    ("Unschedulable", _unschedulable),
)
