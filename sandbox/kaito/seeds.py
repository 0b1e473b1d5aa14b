"""What a new sandbox holds: namespaces, system nodes and pods, and four workspaces to look at.

The past is not invented: the controllers act it out on a clock of its own, so that every time,
event and log line of a seeded workspace fits the others.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.cluster import Cluster
from sandbox.kaito import systems
from sandbox.kaito.control import make_engine, virtual_world
from sandbox.kaito.engine import VirtualClock
from sandbox.kaito.releases import Edition
from sandbox.kaito.triggers import SLOW_ANNOTATION
from sandbox.resources import NAMESPACES, WORKSPACES

MANAGER = "kubectl-create"
CPU_NAMESPACE = "kaito-custom-cpu-inference"
BASE_NAMES = ("default", "kube-system", "kaito-workspace")
NAMES = ("team-a", CPU_NAMESPACE, "kaitoweb")
READY_SINCE = timedelta(days=3, hours=2)
CPU_SINCE = timedelta(days=1, hours=5)
QUOTA_SINCE = timedelta(minutes=40)
CLUSTER_SINCE = timedelta(days=9)
TO_READY = timedelta(minutes=2)
SLOW_S = 90

Raw = dict[str, Any]


def add_base_namespaces(cluster: Cluster) -> None:
    """Any cluster with KAITO has these."""
    for name in BASE_NAMES:
        if cluster.store.peek(NAMESPACES, None, name) is None:
            cluster.store.create(NAMESPACES, namespace(name), manager=MANAGER)


def plant(cluster: Cluster, edition: Edition) -> None:
    """For a new cluster only. Leaves the clock of the store as it was."""
    store, today = cluster.store, cluster.clock.now()
    past = VirtualClock(today - CLUSTER_SINCE)
    store.now = past.now
    try:
        _furnish(cluster, edition, past.now())
        _act_out(cluster, edition, past, today)
    finally:
        store.now = cluster.clock.now
    if edition.makes_nodes:
        store.create(WORKSPACES, on_its_way(), manager=MANAGER)


def _furnish(cluster: Cluster, edition: Edition, now: datetime) -> None:
    add_base_namespaces(cluster)
    for name in NAMES:
        cluster.store.create(NAMESPACES, namespace(name), manager=MANAGER)
    for resource, obj in systems.objects(now, edition):
        cluster.store.create(resource, obj, manager="kube-apiserver")


def _plan(edition: Edition) -> list[tuple[timedelta, Raw, timedelta]]:
    """How long ago, what, and how long it is acted out."""
    if not edition.makes_nodes:
        return [(READY_SINCE, on_own_nodes(), TO_READY)]
    quota = out_of_quota(with_secret=not edition.release.has_hub_models)
    return [
        (READY_SINCE, ready_preset(), TO_READY),
        (CPU_SINCE, cpu_model(), TO_READY),
        (QUOTA_SINCE, quota, QUOTA_SINCE),
    ]


def _act_out(cluster: Cluster, edition: Edition, past: VirtualClock, today: datetime) -> None:
    world = virtual_world(cluster, past.now, edition)
    engine = make_engine(world)
    for ago, workspace, lasting in _plan(edition):
        past.moment = today - ago
        cluster.store.create(WORKSPACES, workspace, manager=MANAGER)
        engine.run_until(past, today - ago + lasting)
    engine.close()
    world.close()


def namespace(name: str) -> Raw:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _workspace(namespace: str, name: str, size: str, labels: dict[str, str], **more: object) -> Raw:
    resource = {"count": 1, "instanceType": size, "labelSelector": {"matchLabels": labels}}
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "resource": resource, **more}


def _preset(name: str) -> Raw:
    return {"preset": {"accessMode": "public", "name": name, "presetOptions": {}}}


def ready_preset() -> Raw:
    return _workspace(
        "team-a",
        "qwen2-5-coder-7b",
        "Standard_NC24ads_A100_v4",
        {"apps": "qwen2-5-coder-7b"},
        inference=_preset("qwen2.5-coder-7b-instruct"),
    )


def on_its_way() -> Raw:
    workspace = _workspace(
        "team-a",
        "phi-4-mini",
        "Standard_NC24ads_A100_v4",
        {"apps": "phi-4-mini"},
        inference=_preset("phi-4-mini-instruct"),
    )
    workspace["metadata"]["annotations"] = {SLOW_ANNOTATION: str(SLOW_S)}
    return workspace


def on_own_nodes() -> Raw:
    """Where KAITO makes no nodes: on the two that the cluster has."""
    workspace = ready_preset()
    workspace["resource"] = {
        "count": 1,
        "labelSelector": {"matchLabels": {"agentpool": systems.GPU_POOL}},
    }
    return workspace


def out_of_quota(*, with_secret: bool = False) -> Raw:
    """KAITO 0.7 admits it only with a token."""
    inference = _preset("llama-3.3-70b-instruct")
    if with_secret:
        inference["preset"]["presetOptions"] = {"modelAccessSecret": "hf"}
    return _workspace(
        "default",
        "llama-3-3-70b",
        "Standard_ND96isr_H200_v5",
        {"apps": "llama-3-3-70b"},
        inference=inference,
    )


def cpu_model() -> Raw:
    """The custom CPU model of the document that this project began with."""
    workspace = _workspace(
        CPU_NAMESPACE,
        "bloomz-560m-workspace",
        "Standard_D16s_v5",
        {"app": "bloomz-560m"},
        inference={
            "template": {"spec": {"containers": [_cpu_container()], "volumes": [_memory()]}}
        },
    )
    workspace["metadata"]["annotations"] = {"kaito.sh/enablelb": "True"}
    return workspace


def _memory() -> Raw:
    return {"name": "dshm", "emptyDir": {"medium": "Memory"}}


def _cpu_container() -> Raw:
    env = {
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "4",
        "TRANSFORMERS_VERBOSITY": "info",
    }
    health = {"httpGet": {"path": "/health", "port": 5000}, "failureThreshold": 3}
    return {
        "name": "custom-llm-container",
        "image": "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8",
        "command": ["accelerate"],
        "args": [
            *("launch", "--num_processes", "1", "--num_machines", "1"),
            *("tfs/inference_api.py", "--pipeline", "text-generation"),
            *("--pretrained_model_name_or_path", "bigscience/bloomz-560m"),
            *("--torch_dtype", "float32", "--allow_remote_files"),
        ],
        "workingDir": "/workspace",
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"containerPort": 5000, "name": "http"}],
        "resources": {
            "requests": {"cpu": "2", "memory": "8Gi"},
            "limits": {"cpu": "4", "memory": "16Gi"},
        },
        "livenessProbe": health | {"initialDelaySeconds": 300, "periodSeconds": 30},
        "readinessProbe": health | {"initialDelaySeconds": 60, "periodSeconds": 10},
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],  # noqa: S108  a mount point
    }
