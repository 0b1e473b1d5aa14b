"""What KAITO makes once a workspace has its nodes: services and workload, or a Job.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import deployments, gpunodes, machines, objects, statefulsets, tuning, workspaces
from sandbox.kaito.podspecs import Ground
from sandbox.kaito.presets import find_preset, find_sku
from sandbox.kaito.problems import Panic, ReconcileError
from sandbox.kaito.world import World
from sandbox.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    SERVICES,
    STATEFULSETS,
    Resource,
)

MANAGER = "kaito-workspace"
RELEASE_NAMESPACE = "kaito-workspace"
INFERENCE_CONFIG = "inference-params-template"

Raw = dict[str, Any]


class Deployer:
    def __init__(self, world: World) -> None:
        self._world = world
        self._release = world.edition.release

    def deploy(self, ws: Raw) -> None:
        """Raises ReconcileError, and Panic where KAITO would."""
        if workspaces.inference(ws) is None:
            self._train(ws)
            return
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        cluster_ip = machines.address("10.0", f"{namespace}/{name}")
        self._ensure_service(objects.service(ws, cluster_ip, self._release))
        self._ensure_service(objects.headless_service(ws))
        if self._release.uses_stateful_sets:
            self._migrate(ws)
        elif workspaces.preset_name(ws) and not ws["inference"].get("config"):
            self._copy_config(ws, INFERENCE_CONFIG)
        ground = self._ground(ws)
        if deployments.is_used(ws, self._release):
            self._ensure(DEPLOYMENTS, ws, deployments.deployment(ws, ground))
        else:
            self._ensure(STATEFULSETS, ws, statefulsets.stateful_set(ws, ground))

    def _ground(self, ws: Raw) -> Ground:
        """Where KAITO makes no nodes, all GPUs of those that are there."""
        found = gpunodes.common_sku(self._world.nodes_of(ws))
        if self._world.edition.makes_nodes or isinstance(found, str):
            return Ground.of(ws, self._release)
        return Ground(release=self._release, sku=found)

    def _migrate(self, ws: Raw) -> None:
        """From 0.8 on there are no Deployments: what an older KAITO left is replaced."""
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        if not self._world.exists(DEPLOYMENTS, namespace, name):
            return
        said = (
            "Migrating inference workload from Deployment to StatefulSet, this will cause a few "
            "minutes of downtime."
        )
        self._world.recorder.record(ws, "Warning", "WorkloadMigration", said, "Workspace")
        self._world.store.delete(DEPLOYMENTS, namespace, name, manager=MANAGER)

    def _ensure(self, resource: Resource, ws: Raw, wanted: Raw) -> None:
        existing = self._world.get(resource, ws["metadata"]["namespace"], ws["metadata"]["name"])
        if existing is None:
            self._world.store.create(resource, wanted, manager=MANAGER)
            return
        updated = statefulsets.updated_workload(existing, wanted, ws)
        if updated is not None:
            self._world.write(resource, updated, MANAGER)

    def _ensure_service(self, wanted: Raw) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        if self._world.exists(SERVICES, namespace, name):
            return
        problem = objects.service_name_problem(name)
        if problem is not None:
            raise ReconcileError(problem)
        self._world.store.create(SERVICES, wanted, manager=MANAGER)

    # Tuning

    def _train(self, ws: Raw) -> None:
        metadata = ws["metadata"]
        existing = self._world.get(JOBS, metadata["namespace"], metadata["name"])
        if existing is None:
            self._world.store.create(JOBS, self._job(ws), manager=MANAGER)
            return
        revision = workspaces.annotation(ws, workspaces.REVISION_ANNOTATION)
        known = (existing["metadata"].get("annotations") or {}).get(workspaces.REVISION_ANNOTATION)
        if known != revision and not workspaces.is_deleting(existing):
            self._world.store.delete(
                JOBS, metadata["namespace"], metadata["name"], propagation="Foreground"
            )

    def _job(self, ws: Raw) -> Raw:
        preset = find_preset(workspaces.tuning_preset(ws))
        if preset is None or not preset.tuning:
            raise Panic(f"{workspaces.tuning_preset(ws)} has no tuning parameters")
        size = workspaces.instance_type(ws)
        sku = find_sku(size)
        if sku is None:
            raise ReconcileError(
                f"failed to get GPU config for instance type {size}: unsupported SKU {size}"
            )
        if not ws["tuning"].get("config"):
            self._copy_config(ws, tuning.default_config(ws))
        return tuning.job(ws, sku.gpus, self._release)

    def _copy_config(self, ws: Raw, name: str) -> None:
        """A default one is copied out of the operator's namespace, and stays when all else goes."""
        namespace = ws["metadata"]["namespace"]
        if self._world.exists(CONFIGMAPS, namespace, name):
            return
        found = self._world.get(CONFIGMAPS, RELEASE_NAMESPACE, name)
        if found is None:
            raise ReconcileError(
                f"failed to get ConfigMap from template namespace: configmaps {name!r} not found"
            )
        copy = {"metadata": {"name": name, "namespace": namespace}, "data": found.get("data") or {}}
        self._world.store.create(CONFIGMAPS, copy, manager=MANAGER)
