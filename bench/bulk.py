"""Many workspaces as KAITO would have left them, and a cluster in which nothing moves unless a benchmark moves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.cluster import Cluster
from sandbox.kaito.crd import CRDS
from sandbox.resources import PODS
from tests.servers import RunningSandbox, run_sandbox

API = "/apis/kaito.sh/v1beta1"


def workspace(name: str, namespace: str = "default") -> dict:
    """What kubectl would send."""
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name, "namespace": namespace},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": "phi-4"}},
    }


def ready(name: str, namespace: str) -> dict:
    """The same with the status of a deployment that has come to its end, some two kilobytes as in real clusters."""
    when = "2026-11-20T08:00:00Z"
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": f"{kind} of {name} is as it was asked for, says the controller of workspaces.",
            "lastTransitionTime": when,
            "observedGeneration": 1,
        }
        for kind, reason in (
            ("NodeClaimReady", "NodeClaimsReady"),
            ("ResourceReady", "WorkspaceResourceStatusSuccess"),
            ("InferenceReady", "WorkspaceInferenceStatusSuccess"),
            ("BenchmarkCompleted", "BenchmarkCompleted"),
            ("WorkspaceSucceeded", "WorkspaceSucceeded"),
        )
    ]
    made = workspace(name, namespace)
    made["metadata"]["creationTimestamp"] = when
    return made | {
        "status": {"conditions": conditions, "workerNodes": [f"aks-{name}-1"], "state": "Ready"}
    }


def pod(name: str, namespace: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-0",
            "namespace": namespace,
            "labels": {"kaito.sh/workspace": name},
        },
        "spec": {
            "containers": [{"name": name, "image": "mcr.microsoft.com/aks/kaito/kaito-base:0.1.0"}]
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": name, "ready": True, "restartCount": 0, "state": {"running": {}}}
            ],
        },
    }


@contextmanager
def cluster_of(workspaces: int, *, pods: bool = False) -> Iterator[RunningSandbox]:
    """A served API server with so many ready workspaces, and with a pod for each if asked; no controllers."""

    def fill(cluster: Cluster) -> None:
        for crd in CRDS:
            cluster.install_crd(crd)
        kind = cluster.registry.by_path("kaito.sh", "v1beta1", "workspaces")
        for number in range(workspaces):
            name, namespace = f"workspace-{number:05d}", f"team-{number % 20:02d}"
            cluster.store.create(kind, ready(name, namespace), manager="bench")
            if pods:
                cluster.store.create(PODS, pod(name, namespace), manager="bench")

    with run_sandbox(kaito=False, knobs=True, prepare=fill) as sandbox:
        yield sandbox
