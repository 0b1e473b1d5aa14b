"""System nodes and the operators' own workloads, so that `kubectl get` looks like a cluster.

They stand still: nothing runs them, and they run nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.kaito import machines, podstatus
from sandbox.kaito.gpunodes import gpu_labels
from sandbox.kaito.podstatus import Containers
from sandbox.kaito.presets import machine
from sandbox.kaito.releases import REGISTRY, Edition
from sandbox.kaito.triggers import LOCATION
from sandbox.resources import CONFIGMAPS, DEPLOYMENTS, NODES, PODS, STORAGECLASSES, Resource

SYSTEM_SIZE = "Standard_D2s_v3"
SYSTEM_NODES = 2
GPU_SIZE, GPU_POOL, GPU_NODES = "Standard_NC24ads_A100_v4", "gpua100", 2
TUNING_CONFIG = """training_config:
  ModelConfig:
    torch_dtype: "bfloat16"
    local_files_only: true
    device_map: "auto"
  LoraConfig:
    r: 8
    lora_alpha: 8
    lora_dropout: 0.0
  TrainingArguments:
    output_dir: "/mnt/results"
    num_train_epochs: 1
"""

Raw = dict[str, Any]


QLORA_CONFIG = (
    TUNING_CONFIG
    + """  QuantizationConfig:
    load_in_4bit: true
    bnb_4bit_quant_type: "nf4"
"""
)
INFERENCE_CONFIG = """# Maximum number of steps to find the max available seq len fitting in the GPU memory.
max_probe_steps: 6

vllm:
  cpu-offload-gb: 0
  swap-space: 4
  max-model-len: 2048
"""
CONFIGS = (
    ("lora-params-template", "training_config.yaml", TUNING_CONFIG),
    ("qlora-params-template", "training_config.yaml", QLORA_CONFIG),
    ("inference-params-template", "inference_config.yaml", INFERENCE_CONFIG),
)


def objects(now: datetime, edition: Edition) -> Iterator[tuple[Resource, Raw]]:
    for index in range(SYSTEM_NODES):
        yield NODES, system_node(index, now)
    if not edition.makes_nodes:
        for index in range(GPU_NODES):
            yield NODES, gpu_node(index, now)
    for position, (name, namespace, image) in enumerate(_deployed(edition)):
        yield DEPLOYMENTS, deployment(name, namespace, image)
        yield PODS, system_pod(name, namespace, image, position % SYSTEM_NODES, now)
    for name, key, text in CONFIGS:
        metadata = {"name": name, "namespace": "kaito-workspace"}
        yield CONFIGMAPS, {"metadata": metadata, "data": {key: text}}
    yield STORAGECLASSES, _storage_class()


def _deployed(edition: Edition) -> list[tuple[str, str, str]]:
    """Name, namespace and image of what the cluster runs itself."""
    found = [
        ("coredns", "kube-system", "mcr.microsoft.com/oss/kubernetes/coredns:v1.12.1"),
        ("metrics-server", "kube-system", "mcr.microsoft.com/oss/kubernetes/metrics-server:v0.7.2"),
        ("kaito-workspace", "kaito-workspace", f"{REGISTRY}/workspace:{edition.release.tag}"),
    ]
    if edition.makes_nodes:
        found.append(("gpu-provisioner", "kaito-workspace", f"{REGISTRY}/gpu-provisioner:0.4.2"))
    return found


def node_name(index: int) -> str:
    return f"aks-system-28431907-vmss{index:06d}"


def system_node(index: int, now: datetime) -> Raw:
    name = node_name(index)
    labels = {
        "agentpool": "system",
        "kubernetes.azure.com/agentpool": "system",
        "kubernetes.azure.com/cluster": machines.NODE_GROUP,
        "kubernetes.azure.com/mode": "system",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": SYSTEM_SIZE,
        "topology.kubernetes.io/region": LOCATION,
    }
    taint = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [taint]},
        "status": machines.node_status(name, machine(SYSTEM_SIZE), now, is_ready=True),
    }


def gpu_node(index: int, now: datetime) -> Raw:
    """One of the cluster's own GPU nodes, as an administrator prepares them for KAITO."""
    name, sku = f"aks-{GPU_POOL}-31094472-vmss{index:06d}", machine(GPU_SIZE)
    labels = {
        "accelerator": "nvidia",
        "agentpool": GPU_POOL,
        "kubernetes.azure.com/agentpool": GPU_POOL,
        "kubernetes.azure.com/cluster": machines.NODE_GROUP,
        "kubernetes.azure.com/mode": "user",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": GPU_SIZE,
        "topology.kubernetes.io/region": LOCATION,
    }
    taint = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}
    return {
        "metadata": {"name": name, "labels": labels | gpu_labels(sku)},
        "spec": {"taints": [taint]},
        "status": machines.node_status(name, sku, now, is_ready=True, with_gpu=True),
    }


def deployment(name: str, namespace: str, image: str) -> Raw:
    labels = {"app.kubernetes.io/name": name}
    counts = ("availableReplicas", "readyReplicas", "replicas", "updatedReplicas")
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _spec(name, image)},
        },
        "status": dict.fromkeys(counts, 1) | {"observedGeneration": 1},
    }


def _spec(name: str, image: str) -> Raw:
    return {"containers": [{"name": name, "image": image}], "restartPolicy": "Always"}


def system_pod(name: str, namespace: str, image: str, node: int, now: datetime) -> Raw:
    metadata = {
        "name": f"{name}-7c9d8f6b5d-{'bcdfg'[node]}x{len(name)}k2",
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": name},
        "uid": f"{namespace}/{name}",  # for the addresses; the store gives a real one
    }
    pod = {"metadata": metadata, "spec": _spec(name, image) | {"nodeName": node_name(node)}}
    running = Containers(state=podstatus.running(now), is_started=True, is_ready=True)
    return pod | {"status": podstatus.pod_status(pod, running, now)}


def _storage_class() -> Raw:
    return {
        "metadata": {
            "name": "default",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "disk.csi.azure.com",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
