"""Workspaces for tests of the sandbox's KAITO, and a stage on which its controllers act."""

from __future__ import annotations

import copy
import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.certificates import Certificate, new_certificate
from sandbox.cluster import Cluster
from sandbox.kaito.control import make_engine, virtual_world
from sandbox.kaito.crd import crds
from sandbox.kaito.engine import VirtualClock
from sandbox.kaito.releases import Edition
from sandbox.resources import EVENTS, NAMESPACES, PODS, WORKSPACES

START = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
A100 = "Standard_NC24ads_A100_v4"

Raw = dict[str, Any]


def preset_workspace(name: str = "phi", preset: str = "phi-4-mini-instruct", **changes: Any) -> Raw:
    workspace = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name, "namespace": "default"},
        "resource": {
            "count": 1,
            "instanceType": A100,
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": preset, "accessMode": "public"}},
    }
    return changed(workspace, changes)


def template_workspace(name: str = "bloomz", image: str = "", **changes: Any) -> Raw:
    container = {
        "name": "custom-llm-container",
        "image": image or "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8",
        "command": ["accelerate"],
        "args": [
            *("launch", "tfs/inference_api.py", "--pipeline", "text-generation"),
            *("--pretrained_model_name_or_path", "bigscience/bloomz-560m"),
            *("--torch_dtype", "float32", "--allow_remote_files"),
        ],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 5000}},
    }
    workspace = preset_workspace(name)
    workspace["resource"]["instanceType"] = "Standard_D16s_v5"
    workspace["inference"] = {"template": {"spec": {"containers": [container]}}}
    return changed(workspace, changes)


def changed(obj: Raw, changes: dict[str, Any]) -> Raw:
    """`changed(ws, {"metadata.name": "x"})`: set by path; None takes the field away."""
    copied = copy.deepcopy(obj)
    for path, value in changes.items():
        *parents, last = path.replace("__", ".").split(".")
        place = copied
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return copied


@functools.cache
def certificate() -> Certificate:
    """One for all: making one takes longer than most plays."""
    return new_certificate()


class Theatre:
    """The controllers on virtual time: `run(seconds)` acts out what happens, at once."""

    def __init__(
        self,
        cluster: Cluster | None = None,
        *,
        edition: Edition = Edition(),  # noqa: B008  frozen
    ) -> None:
        self.edition = edition
        self.cluster = cluster or Cluster(model_url="http://models", certificate=certificate())
        self.store = self.cluster.store
        self.clock = VirtualClock(START if cluster is None else datetime.now(UTC))
        self.store.now = self.clock.now
        for crd in crds(edition):
            self.cluster.install_crd(crd)
        if not self.store.peek(NAMESPACES, None, "default"):
            self.store.create(NAMESPACES, {"metadata": {"name": "default"}, "spec": {}}, manager="")
        self.seen: list[tuple[str, str, str]] = []  # condition, status, reason, as they changed
        self.told: list[Raw] = []  # events, as they were first recorded
        self.store.listeners.append(self._note)
        self.raise_curtain()

    def raise_curtain(self) -> None:
        self.world = virtual_world(self.cluster, self.clock.now, self.edition)
        self.engine = make_engine(self.world)
        self.engine.enqueue_all()

    def restart(self) -> None:
        """The process ends and another goes on with the objects it finds."""
        self.engine.close()
        self.world.close()
        self.raise_curtain()

    def create(self, workspace: Raw) -> Raw:
        return self.store.create(WORKSPACES, workspace, manager="test")

    def run(self, seconds: float) -> None:
        self.engine.run_until(self.clock, self.clock.moment + timedelta(seconds=seconds))

    def run_until(self, is_so: Any, limit_s: float = 120) -> None:
        passed = 0.0
        while not is_so():
            assert passed < limit_s, "it never came to that"
            self.run(0.1)
            passed += 0.1

    def workspace(self, name: str = "phi") -> Raw:
        return self.store.get(WORKSPACES, "default", name)

    def condition(self, kind: str, name: str = "phi") -> Raw:
        conditions = self.workspace(name)["status"]["conditions"]
        return next(each for each in conditions if each["type"] == kind)

    def pod(self, name: str = "phi-0") -> Raw | None:
        return self.store.get(PODS, "default", name)

    def log(self, pod: str = "phi-0") -> list[str]:
        found = self.pod(pod)
        name = found["spec"]["containers"][0]["name"]
        current = self.cluster.logbook.current(found["metadata"]["uid"], name)
        return [line.text for line in current.lines]

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events about an object, oldest first."""
        found = [each for each in self.told if each["involvedObject"]["name"] == name]
        return [(each["reason"], each["message"]) for each in found]

    def _note(self, event: Any) -> None:
        if event.resource.key == EVENTS.key and event.type == "ADDED":
            self.told.append(event.object)
        if event.resource.key != WORKSPACES.key or event.type == "DELETED":
            return
        before = (event.old.object.get("status") or {}).get("conditions", []) if event.old else []
        known = {(each["type"], each["status"], each["reason"]) for each in before}
        for each in (event.object.get("status") or {}).get("conditions", []):
            told = (each["type"], each["status"], each["reason"])
            if told not in known:
                self.seen.append(told)
