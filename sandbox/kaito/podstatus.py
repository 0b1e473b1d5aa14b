"""The status of a pod as the kubelet writes it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito.machines import address

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """How the containers are; the sandbox runs all main containers of a pod alike."""

    state: Raw
    is_started: bool = False
    is_ready: bool = False
    restarts: int = 0
    last_state: Raw | None = None
    init_done: int = 0
    # Of the init container whose turn it is; without a state it runs.
    init_state: Raw | None = None
    init_last_state: Raw | None = None
    init_restarts: int = 0
    # Of containers that differ from the others, by name.
    states: Mapping[str, Raw] = field(default_factory=dict)
    phase: str = ""


def waiting(reason: str, message: str = "") -> Raw:
    told = {"reason": reason, "message": message} if message else {"reason": reason}
    return {"waiting": told}


def running(since: datetime) -> Raw:
    return {"running": {"startedAt": rfc3339(since)}}


def terminated(
    reason: str, exit_code: int, *, started: str, finished: datetime, container_id: str
) -> Raw:
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": reason,
            "startedAt": started,
            "finishedAt": rfc3339(finished),
            "containerID": container_id,
        }
    }


def is_ready(pod: Raw) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def main_status(pod: Raw) -> Raw:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return statuses[0]


def restarts(pod: Raw) -> int:
    return main_status(pod).get("restartCount", 0)


def last_state(pod: Raw) -> Raw | None:
    return main_status(pod).get("lastState") or None


def init_position(pod: Raw) -> int:
    """Which init container's turn it is."""
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    return next((i for i, each in enumerate(statuses) if not each["ready"]), len(statuses))


def _init_status(pod: Raw, position: int) -> Raw:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    return statuses[position] if position < len(statuses) else {}


def init_restarts(pod: Raw, position: int) -> int:
    return _init_status(pod, position).get("restartCount", 0)


def init_last_state(pod: Raw, position: int) -> Raw | None:
    return _init_status(pod, position).get("lastState") or None


def init_started(pod: Raw, position: int) -> str | None:
    state = _init_status(pod, position).get("state") or {}
    return (state.get("running") or {}).get("startedAt")


def _where(pod: Raw) -> str:
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def back_off(pod: Raw, name: str, wait_s: float) -> str:
    return f"back-off {wait_s:.0f}s restarting failed container={name} pod={_where(pod)}"


def back_off_event(pod: Raw, name: str) -> str:
    return f"Back-off restarting failed container {name} in pod {_where(pod)}"


def evicted_status(pod: Raw, message: str, now: datetime) -> Raw:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/"""
    before = pod.get("status") or {}
    failed = ("False", "PodFailed", "")
    told = {"Ready": failed, "ContainersReady": failed, "PodScheduled": ("True", "", "")}
    return {
        "phase": "Failed",
        "reason": "Evicted",
        "message": message,
        "qosClass": before.get("qosClass", "BestEffort"),
        "startTime": before.get("startTime") or rfc3339(now),
        "conditions": _conditions(pod, told, now),
        "containerStatuses": [
            _evicted_container(each, now) for each in before.get("containerStatuses") or []
        ],
    }


def _evicted_container(status: Raw, now: datetime) -> Raw:
    started = ((status.get("state") or {}).get("running") or {}).get("startedAt", rfc3339(now))
    state = terminated(
        "Error", 137, started=started, finished=now, container_id=status.get("containerID", "")
    )
    return status | {"ready": False, "started": False, "state": state}


def unschedulable_status(pod: Raw, message: str, now: datetime) -> Raw:
    told = {"PodScheduled": ("False", "Unschedulable", message)}
    status = dict(pod.get("status") or {})
    return status | {"phase": "Pending", "conditions": _conditions(pod, told, now)}


def pod_status(pod: Raw, containers: Containers, now: datetime) -> Raw:
    """The whole status of a pod that runs on a node."""
    spec, before = pod["spec"], pod.get("status") or {}
    inits = spec.get("initContainers") or []
    is_initialized = containers.init_done >= len(inits)
    is_running = "running" in containers.state or containers.restarts > 0
    status = {
        "phase": containers.phase or ("Running" if is_running and is_initialized else "Pending"),
        "qosClass": before.get("qosClass", "BestEffort"),
        "hostIP": address("10.224", spec["nodeName"]),
        "hostIPs": [{"ip": address("10.224", spec["nodeName"])}],
        "startTime": before.get("startTime") or rfc3339(now),
        "conditions": _conditions(pod, _told(pod, containers, is_initialized=is_initialized), now),
        "containerStatuses": [_container(pod, each, containers) for each in spec["containers"]],
    }
    if inits:
        status["initContainerStatuses"] = [
            _init_container(pod, each, position, containers, now)
            for position, each in enumerate(inits)
        ]
    if is_running or inits or before.get("podIP"):
        ip = before.get("podIP") or address("10.244", pod["metadata"]["uid"])
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return status


Told = dict[str, tuple[str, str, str]]


def _told(pod: Raw, containers: Containers, *, is_initialized: bool) -> Told:
    names = [each["name"] for each in pod["spec"]["containers"]]
    inits = [each["name"] for each in pod["spec"].get("initContainers") or []]
    unready = f"containers with unready status: [{' '.join(names)}]"
    ready = ("True", "", "") if containers.is_ready else ("False", "ContainersNotReady", unready)
    incomplete = f"containers with incomplete status: [{' '.join(inits[containers.init_done :])}]"
    initialized = ("True", "", "")
    if not is_initialized:
        initialized = ("False", "ContainersNotInitialized", incomplete)
    return {
        "PodReadyToStartContainers": ("True", "", ""),
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": ("True", "", ""),
    }


def _conditions(pod: Raw, told: Told, now: datetime) -> list[Raw]:
    known = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or []}
    built = []
    for kind, (status, reason, message) in told.items():
        before = known.get(kind)
        is_same = before is not None and before["status"] == status
        condition = {
            "type": kind,
            "status": status,
            "lastProbeTime": None,
            "lastTransitionTime": before["lastTransitionTime"]
            if before and is_same
            else rfc3339(now),
        }
        if reason:
            condition |= {"reason": reason, "message": message}
        built.append(condition)
    return built


def container_id(pod: Raw, name: str, restarts: int) -> str:
    key = f"{pod['metadata']['uid']}/{name}/{restarts}"
    return f"containerd://{hashlib.sha256(key.encode()).hexdigest()}"


def image_id(image: str) -> str:
    repository = image.rpartition(":")[0] or image
    return f"{repository}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _container(pod: Raw, spec: Raw, containers: Containers) -> Raw:
    image = spec.get("image", "")
    status = {
        "name": spec["name"],
        "image": image,
        "imageID": "",
        "lastState": containers.last_state or {},
        "ready": containers.is_ready,
        "restartCount": containers.restarts,
        "started": containers.is_started,
        "state": containers.states.get(spec["name"], containers.state),
    }
    if "waiting" not in status["state"] or containers.last_state:
        identity = container_id(pod, spec["name"], containers.restarts)
        status |= {"imageID": image_id(image), "containerID": identity}
    return status


def _init_container(
    pod: Raw, spec: Raw, position: int, containers: Containers, now: datetime
) -> Raw:
    image, identity = spec.get("image", ""), container_id(pod, spec["name"], 0)
    known = (pod.get("status") or {}).get("initContainerStatuses") or []
    before = (known[position].get("state") or {}) if position < len(known) else {}
    is_done = position < containers.init_done
    started = (before.get("running") or {}).get("startedAt", rfc3339(now))
    state = waiting("PodInitializing")
    if is_done:
        state = terminated("Completed", 0, started=started, finished=now, container_id=identity)
        state = before if "terminated" in before else state
    is_turn = not is_done and position == containers.init_done
    if is_turn:
        state = containers.init_state or {"running": {"startedAt": started}}
    return {
        "name": spec["name"],
        "image": image,
        "imageID": image_id(image) if is_done else "",
        "lastState": (containers.init_last_state or {}) if is_turn else {},
        "ready": is_done,
        "restartCount": containers.init_restarts if is_turn else _restarts_of(known, position),
        "started": is_turn and "running" in state,
        "state": state,
    }


def _restarts_of(statuses: list[Raw], position: int) -> int:
    return statuses[position].get("restartCount", 0) if position < len(statuses) else 0
