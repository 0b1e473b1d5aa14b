"""The webhook's rules where KAITO makes no nodes: those that are there must do. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_validation.go
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.kaito import gpunodes, workspaces
from sandbox.kaito.fielderrors import Errors, generic, invalid, missing
from sandbox.kaito.gpunodes import COUNT, MEMORY, PRODUCT

MODES = {"mig": ("enableMIG", "MIG"), "accelerator": ("enableAccelerator", "Accelerator partition")}
PROFILE = re.compile(r"\d+g\.[\d.]+gb")

Raw = dict[str, Any]
FindNodes = Callable[[dict[str, str]], list[Raw]]


def no_nodes(_labels: dict[str, str]) -> list[Raw]:
    return []


def partition_errors(partition: Raw) -> Errors:
    """Both modes are behind feature gates that the sandbox's operator has off."""
    mode = partition.get("mode") or ""
    gate, said = MODES.get(mode, ("", mode))
    errors = [generic(f"{said} support is not enabled, set the feature gate {gate}=true", "mode")]
    if mode == "mig":
        if partition.get("count") is not None:
            errors.append(generic("count must not be set for mode mig", "count"))
        if not PROFILE.fullmatch(partition.get("profile") or ""):
            said = f'"{partition.get("profile") or ""}" is not a MIG profile like 1g.10gb'
            errors.append(invalid(said, "profile"))
    elif partition.get("profile"):
        errors.append(generic("profile must not be set for mode accelerator", "profile"))
    elif partition.get("count") is None:
        errors.append(missing("count"))
    return errors


def node_errors(ws: Raw, find_nodes: FindNodes) -> Errors:
    """Of a preset; a template's nodes are not looked at."""
    nodes = find_nodes(workspaces.match_labels(ws))
    if not nodes:
        return [generic("No nodes found matching the specified label selector")]
    problem = gpunodes.uniformity_problem(nodes)
    return [generic(problem)] if problem else []


def old_node_errors(ws: Raw, find_nodes: FindNodes) -> Errors:
    """KAITO 0.7, which also wants the model to fit into the nodes' memory, whatever the runtime."""
    labels = workspaces.match_labels(ws)
    if not labels:
        return [missing("labelSelector.matchLabels is required for BYO node selection")]
    nodes = find_nodes(labels)
    if not nodes:
        return [generic("No nodes found matching the labelSelector")]
    unlike = [problem for node in nodes for problem in _old_differences(node, nodes[0])]
    return [generic(problem) for problem in unlike] or _old_memory_errors(ws, nodes)


def _old_differences(node: Raw, first: Raw) -> list[str]:
    name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
    lacking = next((key for key in (PRODUCT, COUNT, MEMORY) if key not in labels), None)
    if lacking is not None:
        return [f"Node {name} is missing {lacking} label"]
    reference = first["metadata"].get("labels") or {}
    rows = (
        (
            PRODUCT,
            "product",
            "{} GPUs",
            ". All nodes must have the same GPU product for homogeneous placement",
        ),
        (COUNT, "count", "{} GPUs", ""),
        (MEMORY, "memory", "{} GB memory", ""),
    )
    return [
        f"Non-uniform GPU {word}: node {name} has {said.format(labels[key])}, but reference node "
        f"has {said.format(reference.get(key))}{end}"
        for key, word, said, end in rows
        if labels[key] != reference.get(key)
    ]


def _old_memory_errors(ws: Raw, nodes: list[Raw]) -> Errors:
    sku = gpunodes.node_sku(nodes[0])
    if isinstance(sku, str):
        return [generic(sku)]
    needed, name = workspaces.model(ws).weights_gib, workspaces.preset_name(ws).lower()
    total = sku.gpu_memory_gib * len(nodes)
    if total >= needed:
        return []
    return [
        generic(
            f"Insufficient total GPU memory: nodes provide {total:.0f} GiB total ({len(nodes)} nodes "
            f"with {sku.gpu_memory_gib:.1f} GiB memory each), but preset {name} requires at least "
            f"{needed:.1f} GiB"
        )
    ]
