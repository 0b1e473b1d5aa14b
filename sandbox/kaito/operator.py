"""KAITO's workspace controller, with the gpu-provisioner under it.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from typing import Any

from sandbox.kaito import admission, conditions, machines, objects, pace, statefulsets, workspaces
from sandbox.kaito.estimate import EstimateError, estimate_nodes
from sandbox.kaito.inferencerules import CONFIG_KEY, read_config
from sandbox.kaito.observation import Observer
from sandbox.kaito.presets import find_sku
from sandbox.kaito.world import World
from sandbox.resources import (
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    NODECLAIMS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)

logger = logging.getLogger(__name__)

MANAGER = "kaito-workspace"
COMPONENT = "KAITO-Workspace-controller"
ERROR_RETRY_S = 5.0
STUCK_RETRY_S = 30.0

Raw = dict[str, Any]


class ReconcileError(Exception):
    """Becomes the "last reconcile error" in every condition."""


class Refused(Exception):
    """KAITO's own webhook refuses the operator's write, so nothing can be told in the status."""


class Operator:
    def __init__(self, world: World) -> None:
        self._world = world
        self._observer = Observer(world)
        self._waiting: dict[tuple[str, str], datetime] = {}  # uid and what for, since when

    def reconcile(self, namespace: str, name: str) -> float | None:
        ws = self._world.get(WORKSPACES, namespace, name)
        if ws is None:
            return None
        try:
            if workspaces.is_deleting(ws):
                return self._finalize(ws)
            return self._converge(ws)
        except Refused:
            logger.warning("workspace %s/%s breaks a rule for updates", namespace, name)
            return STUCK_RETRY_S

    def _converge(self, ws: Raw) -> float | None:
        error, again_s = "", None
        try:
            ws = self._with_finalizer(ws)
            ws = self._with_revision(ws)
            ws = self._with_target(ws)
            again_s = self._provision(ws)
            if self._observer.are_nodes_ready(ws):
                self._deploy(ws)
        except ReconcileError as problem:
            error, again_s = str(problem), ERROR_RETRY_S
        ws = self._sync_status(ws, error)
        if again_s is None and (ws.get("status") or {}).get("state") != "Ready":
            return pace.LOOK_AGAIN_S if self._observer.are_nodes_ready(ws) else pace.NODES_AGAIN_S
        return again_s

    # Writing

    def _judge(self, ws: Raw) -> None:
        """The webhook judges the operator's own writes too, those of the status included."""
        metadata = ws["metadata"]
        old = self._world.get(WORKSPACES, metadata["namespace"], metadata["name"])
        if old is not None and admission.validate_update(ws, old):
            raise Refused

    def _write(self, ws: Raw) -> Raw:
        self._judge(ws)
        return self._world.write(WORKSPACES, ws, MANAGER)

    def _write_status(self, ws: Raw, status: Raw) -> Raw:
        self._judge(ws)
        return self._world.write_status(WORKSPACES, ws, status, MANAGER)

    def _is_time(self, ws: Raw, reason: str, wait_s: float) -> bool:
        """Only to keep a human pace; a restart of the process begins the wait anew."""
        key = (ws["metadata"]["uid"], reason)
        since = self._waiting.setdefault(key, self._world.now())
        if self._world.left_s(since, wait_s):
            return False
        del self._waiting[key]
        return True

    # Steps

    def _with_finalizer(self, ws: Raw) -> Raw:
        finalizers = ws["metadata"].get("finalizers") or []
        if workspaces.FINALIZER in finalizers:
            return ws
        ws["metadata"]["finalizers"] = [*finalizers, workspaces.FINALIZER]
        return self._write(ws)

    def _with_revision(self, ws: Raw) -> Raw:
        digest = objects.revision_hash(ws)
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        revision = self._world.get(CONTROLLERREVISIONS, namespace, f"{name}-{digest[:5]}")
        if revision is None:
            revision = self._new_revision(ws)
        wanted = {
            workspaces.HASH_ANNOTATION: digest,
            workspaces.REVISION_ANNOTATION: str(revision["revision"]),
        }
        annotations = ws["metadata"].get("annotations") or {}
        if wanted.items() <= annotations.items():
            return ws
        ws["metadata"]["annotations"] = annotations | wanted
        return self._write(ws)

    def _new_revision(self, ws: Raw) -> Raw:
        known = self._revisions(ws)
        number = known[-1]["revision"] + 1 if known else 1
        made = objects.controller_revision(ws, number)
        for old in known[: max(0, len(known) - objects.HISTORY_LIMIT)]:
            metadata = old["metadata"]
            self._world.store.delete(CONTROLLERREVISIONS, metadata["namespace"], metadata["name"])
        return self._world.store.create(CONTROLLERREVISIONS, made, manager=MANAGER)

    def _revisions(self, ws: Raw) -> list[Raw]:
        stored = self._world.store.snapshot_of(CONTROLLERREVISIONS, ws["metadata"]["namespace"])
        mine = [
            each.object
            for each in stored
            if (each.object["metadata"].get("labels") or {}).get(workspaces.REVISION_LABEL)
            == ws["metadata"]["name"]
        ]
        return sorted(mine, key=lambda each: each["revision"])

    def _with_target(self, ws: Raw) -> Raw:
        """Once stored, the number of nodes is never worked out again."""
        if workspaces.target_nodes(ws):
            return ws
        self._check_token(ws)
        status = (ws.get("status") or {}) | {"targetNodeCount": self._estimate(ws)}
        return self._write_status(ws, status)

    def _check_token(self, ws: Raw) -> None:
        if not objects.needs_token(ws):
            return
        namespace, name = ws["metadata"]["namespace"], workspaces.access_secret(ws)
        secret = self._world.get(SECRETS, namespace, name)
        if secret is not None and "HF_TOKEN" in (secret.get("data") or {}):
            return
        why = f'secrets "{name}" not found' if secret is None else "key HF_TOKEN not found"
        raise ReconcileError(
            "failed to build node estimate request: failed to get model by name "
            f"{workspaces.preset_name(ws)}: failed to resolve access token from secret "
            f"{namespace}/{name}: {why}"
        )

    def _estimate(self, ws: Raw) -> int:
        if workspaces.inference(ws) is None:
            return 1
        if not workspaces.preset_name(ws) or not workspaces.is_vllm(ws):
            return workspaces.node_count(ws)
        prefix = "failed to update Workspace status targetNodeCount: failed to calculate target node count: "
        size = workspaces.instance_type(ws)
        sku = find_sku(size)
        if sku is None:
            why = f"failed to get GPU config for instance type {size}: unsupported SKU {size}"
            raise ReconcileError(prefix + why)
        try:
            return estimate_nodes(workspaces.model(ws), sku, self._context(ws))
        except EstimateError as problem:
            raise ReconcileError(prefix + str(problem)) from problem

    def _context(self, ws: Raw) -> int | None:
        name = (workspaces.inference(ws) or {}).get("config") or ""
        config_map = self._world.get(CONFIGMAPS, ws["metadata"]["namespace"], name)
        text = ((config_map or {}).get("data") or {}).get(CONFIG_KEY, "")
        wanted = str((read_config(text) or {}).get("max-model-len", "")).strip()
        return int(wanted) if wanted.isdigit() else None

    def _provision(self, ws: Raw) -> float | None:
        """Makes the node claims that are missing; deletes none, since the target never falls."""
        have = [claim for claim in self._observer.claims(ws) if not workspaces.is_deleting(claim)]
        missing = workspaces.target_nodes(ws) - len(have)
        if missing <= 0:
            return None
        if not self._is_time(ws, "claims", pace.CLAIM_S):
            return pace.CLAIM_S
        for position in range(missing):
            self._create_claim(ws, len(have) + position)
        return None

    def _create_claim(self, ws: Raw, position: int) -> None:
        metadata = ws["metadata"]
        key = f"{metadata['namespace']}{metadata['name']}{self._world.now().isoformat()}{position}"
        name = "ws" + hashlib.sha256(key.encode()).hexdigest()[:9]
        self._world.store.create(NODECLAIMS, objects.node_claim(ws, name), manager=MANAGER)
        message = f"Successfully created NodeClaim {name} for workspace {metadata['name']}"
        self._world.recorder.record(ws, "Normal", "NodeClaimCreated", message, COMPONENT)

    def _deploy(self, ws: Raw) -> None:
        """Services, then the workload: only now that there are nodes."""
        if workspaces.inference(ws) is None:
            return
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        cluster_ip = machines.address("10.0", f"{namespace}/{name}")
        self._ensure_service(objects.service(ws, cluster_ip))
        self._ensure_service(objects.headless_service(ws))
        existing = self._world.get(STATEFULSETS, namespace, name)
        if existing is None:
            self._world.store.create(STATEFULSETS, statefulsets.stateful_set(ws), manager=MANAGER)
            return
        updated = statefulsets.updated_stateful_set(existing, ws)
        if updated is not None:
            self._world.write(STATEFULSETS, updated, MANAGER)

    def _ensure_service(self, wanted: Raw) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        if self._world.exists(SERVICES, namespace, name):
            return
        problem = objects.service_name_problem(name)
        if problem is not None:
            raise ReconcileError(problem)
        self._world.store.create(SERVICES, wanted, manager=MANAGER)

    def _sync_status(self, ws: Raw, error: str) -> Raw:
        seen = self._observer.snapshot(ws, error)
        status = conditions.next_status(ws, seen, self._world.now())
        return ws if status == ws.get("status") else self._write_status(ws, status)

    # Going

    def _finalize(self, ws: Raw) -> float | None:
        """Issues the deletion of the claims and lets go; the VMs end in their own time."""
        if workspaces.FINALIZER not in (ws["metadata"].get("finalizers") or []):
            return None
        ws = self._write_status(ws, conditions.deleting_status(ws, self._world.now()))
        if not self._is_time(ws, "finalizer", pace.FINALIZE_S):
            return pace.FINALIZE_S
        for claim in self._observer.claims(ws):
            if not workspaces.is_deleting(claim):
                name = claim["metadata"]["name"]
                self._world.store.delete(NODECLAIMS, None, name, manager=MANAGER)
        finalizers = ws["metadata"]["finalizers"]
        ws["metadata"]["finalizers"] = [each for each in finalizers if each != workspaces.FINALIZER]
        self._write(ws)
        return None
