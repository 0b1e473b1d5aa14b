"""How many nodes a workspace gets, worked out once, and why that cannot be.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import gpunodes, objects, workspaces
from sandbox.kaito.estimate import EstimateError, estimate_nodes
from sandbox.kaito.inferencerules import CONFIG_KEY, read_config
from sandbox.kaito.presets import Sku, find_sku
from sandbox.kaito.problems import ReconcileError
from sandbox.kaito.world import World
from sandbox.resources import CONFIGMAPS, SECRETS

PREFIX = (
    "failed to update Workspace status targetNodeCount: failed to calculate target node count: "
)

Raw = dict[str, Any]


def target_nodes(world: World, ws: Raw) -> int:
    """Raises ReconcileError."""
    _check_token(world, ws)
    if workspaces.inference(ws) is None:
        return 1
    if not workspaces.preset_name(ws) or not workspaces.is_vllm(ws):
        return workspaces.node_count(ws)
    sku = _sku(world, ws)
    try:
        return estimate_nodes(workspaces.model(ws), sku, _context(world, ws))
    except EstimateError as problem:
        raise ReconcileError(PREFIX + str(problem)) from problem


def _check_token(world: World, ws: Raw) -> None:
    if not objects.needs_token(ws):
        return
    namespace, name = ws["metadata"]["namespace"], workspaces.access_secret(ws)
    secret = world.get(SECRETS, namespace, name)
    if secret is not None and "HF_TOKEN" in (secret.get("data") or {}):
        return
    why = f'secrets "{name}" not found' if secret is None else "key HF_TOKEN not found"
    raise ReconcileError(
        "failed to build node estimate request: failed to get model by name "
        f"{workspaces.preset_name(ws)}: failed to resolve access token from secret "
        f"{namespace}/{name}: {why}"
    )


def _sku(world: World, ws: Raw) -> Sku:
    """By its name, or where KAITO makes no nodes by the labels of those that fit."""
    if not world.edition.makes_nodes:
        found = gpunodes.common_sku(world.nodes_of(ws))
        if isinstance(found, str):
            raise ReconcileError(PREFIX + found)
        return found
    size = workspaces.instance_type(ws)
    sku = find_sku(size)
    if sku is None:
        why = f"failed to get GPU config for instance type {size}: unsupported SKU {size}"
        raise ReconcileError(PREFIX + why)
    return sku


def _context(world: World, ws: Raw) -> int | None:
    name = (workspaces.inference(ws) or {}).get("config") or ""
    config_map = world.get(CONFIGMAPS, ws["metadata"]["namespace"], name)
    text = ((config_map or {}).get("data") or {}).get(CONFIG_KEY, "")
    wanted = str((read_config(text) or {}).get("max-model-len", "")).strip()
    return int(wanted) if wanted.isdigit() else None
