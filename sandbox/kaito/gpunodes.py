"""The GPUs of existing nodes, read off the labels of NVIDIA's feature discovery. Pure.

https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito.presets import Sku

PRODUCT, COUNT, MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory"

Raw = dict[str, Any]


def gpu_labels(sku: Sku) -> dict[str, str]:
    """What feature discovery would write for a VM size; memory is in MiB of one GPU."""
    if not sku.gpus:
        return {}
    return {
        PRODUCT: sku.gpu_model.replace(" ", "-"),
        COUNT: str(sku.gpus),
        MEMORY: str(sku.gpu_memory_gib * 1024 // sku.gpus),
    }


def node_sku(node: Raw) -> Sku | str:
    """The node's GPUs as a VM size without a name, or what its labels lack."""
    labels = node["metadata"].get("labels") or {}
    missing = next((key for key in (PRODUCT, COUNT, MEMORY) if key not in labels), None)
    if missing is not None:
        return f"{missing} label not found on node {node['metadata']['name']}"
    try:
        count, memory = int(labels[COUNT]), int(labels[MEMORY])
    except ValueError:
        return f"failed to parse {COUNT} or {MEMORY} of node {node['metadata']['name']}"
    return Sku(
        name="",
        gpus=count,
        gpu_model=labels[PRODUCT],
        gpu_memory_gib=round(memory / 1024) * count,
        nvme=False,
        vcpus=0,
        memory_gib=0,
        family="",
    )


def common_sku(nodes: list[Raw]) -> Sku | str:
    """That of the first node, or why there is none."""
    if not nodes:
        return "no nodes match the workspace's label selector"
    return node_sku(nodes[0])


def uniformity_problem(nodes: list[Raw]) -> str | None:
    """KAITO's sentence when nodes are unlike each other, or not labelled."""
    first: Sku | None = None
    for node in nodes:
        name, found = node["metadata"]["name"], node_sku(node)
        if isinstance(found, str):
            return f"Failed to get GPU config from nvidia labels on node {name}: {found}"
        first = first or found
        unlike = _difference(name, found, first)
        if unlike is not None:
            return unlike
    return None


def _difference(name: str, sku: Sku, first: Sku) -> str | None:
    if sku.gpu_model != first.gpu_model:
        return (
            f"Non-uniform GPU product: node {name} has {sku.gpu_model} GPUs, but previous node has "
            f"{first.gpu_model} GPUs, all nodes must have the same GPU product for homogeneous "
            "placement"
        )
    if sku.gpus != first.gpus:
        return (
            f"Non-uniform GPU count: node {name} has {sku.gpus} GPUs, but previous node has "
            f"{first.gpus} GPUs"
        )
    if sku.gpu_memory_gib != first.gpu_memory_gib:
        return (
            f"Non-uniform GPU memory: node {name} has {sku.gpu_memory_gib} GB memory, but previous "
            f"node has {first.gpu_memory_gib} GB memory"
        )
    return None
