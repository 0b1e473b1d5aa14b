"""KAITO's workspace controller, with the gpu-provisioner under it.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from typing import Any

from sandbox.kaito import admission, conditions, objects, oldstatus, pace, revisions, workspaces
from sandbox.kaito.deploying import Deployer
from sandbox.kaito.failures import CLAIM_REFUSED, failure_of
from sandbox.kaito.observation import Observer
from sandbox.kaito.problems import Panic, ReconcileError, Refused
from sandbox.kaito.targets import target_nodes
from sandbox.kaito.world import World
from sandbox.resources import DEPLOYMENTS, NODECLAIMS, WORKSPACES

logger = logging.getLogger(__name__)

MANAGER = "kaito-workspace"
COMPONENT = "KAITO-Workspace-controller"
OPERATOR = ("kaito-workspace", "kaito-workspace")  # namespace and name of its Deployment
ERROR_RETRY_S = 5.0
STUCK_RETRY_S = 30.0
DONE = ("Ready", "Succeeded", "Failed")
CLAIM_REFUSAL = (
    "nodeclaims.karpenter.sh is forbidden: User "
    '"system:serviceaccount:kaito-workspace:kaito-workspace-sa" cannot create resource '
    '"nodeclaims" in API group "karpenter.sh" at the cluster scope'
)

Raw = dict[str, Any]


class Operator:
    def __init__(self, world: World) -> None:
        self._world = world
        self._observer = Observer(world)
        self._deployer = Deployer(world)
        self._waiting: dict[tuple[str, str], datetime] = {}  # uid and what for, since when

    def reconcile(self, namespace: str, name: str) -> float | None:
        ws = self._world.get(WORKSPACES, namespace, name)
        if ws is None:
            return None
        if not is_running(self._world):
            return STUCK_RETRY_S
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
                self._deployer.deploy(ws)
        except ReconcileError as problem:
            error, again_s = str(problem), ERROR_RETRY_S
        except Panic:
            again_s = STUCK_RETRY_S
        ws, is_done = self._sync_status(ws, error)
        if again_s is None and not is_done:
            return pace.LOOK_AGAIN_S if self._observer.are_nodes_ready(ws) else pace.NODES_AGAIN_S
        return again_s

    # Writing

    def _judge(self, ws: Raw) -> None:
        """The webhook judges the operator's own writes too, those of the status included."""
        metadata = ws["metadata"]
        old = self._world.get(WORKSPACES, metadata["namespace"], metadata["name"])
        if old is not None and admission.validate_update(ws, old, self._world.edition):
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
        wanted = revisions.wanted_annotations(self._world, ws)
        annotations = ws["metadata"].get("annotations") or {}
        if wanted.items() <= annotations.items():
            return ws
        ws["metadata"]["annotations"] = annotations | wanted
        return self._write(ws)

    def _with_target(self, ws: Raw) -> Raw:
        """Once stored, the number of nodes is never worked out again."""
        if workspaces.target_nodes(ws):
            return ws
        target = target_nodes(self._world, ws)
        return self._write_status(ws, (ws.get("status") or {}) | {"targetNodeCount": target})

    def _provision(self, ws: Raw) -> float | None:
        """Makes the node claims that are missing; deletes none, since the target never falls."""
        if not self._world.edition.makes_nodes:
            return None
        have = [claim for claim in self._observer.claims(ws) if not workspaces.is_deleting(claim)]
        missing = self._observer.claims_wanted(ws) - len(have)
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
        record = self._world.recorder.record
        if failure_of(ws) == CLAIM_REFUSED:
            message = f"Failed to create NodeClaim {name} for workspace {metadata['name']}: "
            record(ws, "Warning", "NodeClaimCreationFailed", message + CLAIM_REFUSAL, COMPONENT)
            return
        self._world.store.create(NODECLAIMS, objects.node_claim(ws, name), manager=MANAGER)
        said = metadata["name"]
        if not self._world.edition.release.has_state:
            said = f"{metadata['namespace']}/{metadata['name']}"
        message = f"Successfully created NodeClaim {name} for workspace {said}"
        record(ws, "Normal", "NodeClaimCreated", message, COMPONENT)

    def _sync_status(self, ws: Raw, error: str) -> tuple[Raw, bool]:
        """The workspace as written, and whether nothing more is expected of it."""
        seen, now = self._observer.snapshot(ws, error), self._world.now()
        if self._world.edition.release.has_state:
            status = conditions.next_status(ws, seen, now)
            is_done = status["state"] in DONE
        else:
            status = oldstatus.next_status(ws, seen, now, has_waited=self._has_waited(ws, seen))
            is_done = oldstatus.is_done(status)
        return (ws if status == ws.get("status") else self._write_status(ws, status)), is_done

    def _has_waited(self, ws: Raw, seen: conditions.Snapshot) -> bool:
        """An older KAITO stands by its workload, but not for ever."""
        if not seen.has_workload or seen.is_serving:
            self._waiting.pop((ws["metadata"]["uid"], "workload"), None)
            return False
        since = self._waiting.setdefault((ws["metadata"]["uid"], "workload"), self._world.now())
        return not self._world.left_s(since, pace.OLD_PATIENCE_S)

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


def is_running(world: World) -> bool:
    """Somebody may have scaled the operator to nothing."""
    found = world.store.peek(DEPLOYMENTS, *OPERATOR)
    return found is None or found.object["spec"].get("replicas", 1) > 0
