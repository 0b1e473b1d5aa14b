"""Many workspaces as KAITO would have left them, in a cluster where nothing moves unless a benchmark moves it.

`python -m bench.bulk COUNT [pods]` serves it in a process of its own, so that its work is not measured with ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.cluster import Cluster
from sandbox.kaito.crd import CRDS
from sandbox.resources import PODS, Resource
from tests.servers import run_sandbox

API = "/apis/kaito.sh/v1beta1"
PORTION = 250  # workspaces that are moved in one turn of the cluster's loop


def address(namespace: str = "default") -> str:
    return f"{API}/namespaces/{namespace}/workspaces"


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


@dataclass
class Served:
    """A cluster in another process."""

    process: subprocess.Popen[str]
    kubeconfig: str
    url: str
    token: str
    ca: str

    def tell(self, verb: str, count: int) -> None:
        """touch or remove so many workspaces, the first ones; comes back when it is done."""
        for start in range(0, count, PORTION):
            self.process.stdin.write(f"{verb} {start} {min(start + PORTION, count)}\n")
            self.process.stdin.flush()
            if self.process.stdout.readline() != "done\n":
                raise SystemExit("The cluster has ended; its words stand above.")


@contextmanager
def served(workspaces: int, *, pods: bool = False) -> Iterator[Served]:
    """So many ready workspaces, and if asked a pod for each; no controllers."""
    command = [sys.executable, "-m", "bench.bulk", str(workspaces), *(["pods"] if pods else [])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(process, **json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()


def _fill(cluster: Cluster, count: int, *, pods: bool) -> None:
    for crd in CRDS:
        cluster.install_crd(crd)
    kind = _workspaces(cluster)
    for number in range(count):
        name, namespace = _name(number)
        cluster.store.create(kind, ready(name, namespace), manager="bench")
        if pods:
            cluster.store.create(PODS, pod(name, namespace), manager="bench")


def _touch(cluster: Cluster, numbers: range) -> None:
    kind = _workspaces(cluster)
    for number in numbers:
        name, namespace = _name(number)
        obj = cluster.store.get(kind, namespace, name)
        seen = int(obj["metadata"].get("annotations", {}).get("bench/touched", 0))
        obj["metadata"]["annotations"] = {"bench/touched": str(seen + 1)}
        cluster.store.update(kind, obj, manager="bench")


def _remove(cluster: Cluster, numbers: range) -> None:
    for number in numbers:
        name, namespace = _name(number)
        cluster.store.delete(_workspaces(cluster), namespace, name)


def _name(number: int) -> tuple[str, str]:
    return f"workspace-{number:05d}", f"team-{number % 20:02d}"


def _workspaces(cluster: Cluster) -> Resource:
    return cluster.registry.by_path("kaito.sh", "v1beta1", "workspaces")


def main() -> None:
    count, pods = int(sys.argv[1]), "pods" in sys.argv
    verbs = {"touch": _touch, "remove": _remove}
    with run_sandbox(kaito=False, knobs=True, prepare=lambda c: _fill(c, count, pods=pods)) as it:
        shown = {"kubeconfig": it.kubeconfig("kaitoweb"), "url": it.url}
        shown |= {"token": it.tokens["admin"], "ca": it.cluster.certificate.authority_pem}
        print(json.dumps(shown), flush=True)
        for line in sys.stdin:
            verb, start, end = line.split()
            numbers = range(int(start), int(end))
            it.call(lambda cluster, do=verbs[verb], numbers=numbers: do(cluster, numbers))
            print("done", flush=True)


if __name__ == "__main__":
    main()
