"""Puts the controllers together: which change of what makes which of them look again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.cluster import Cluster
from sandbox.kaito.engine import Engine, Key, Router
from sandbox.kaito.jobs import Jobs
from sandbox.kaito.kubelet import Kubelet
from sandbox.kaito.mounts import claim_names
from sandbox.kaito.nodelife import Nodes
from sandbox.kaito.operator import Operator
from sandbox.kaito.provisioner import Provisioner
from sandbox.kaito.releases import Edition
from sandbox.kaito.rollouts import Deployments, ReplicaSets
from sandbox.kaito.volumes import Volumes
from sandbox.kaito.workloads import Services, StatefulSets
from sandbox.kaito.world import World, controller_of, workspace_of
from sandbox.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    JOBS,
    NODECLAIMS,
    NODES,
    PODS,
    PVCS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
    Resource,
)

Raw = dict[str, Any]


def make_engine(world: World) -> Engine:
    reconcilers = {
        "workspace": Operator(world).reconcile,
        "claim": Provisioner(world).reconcile,
        "node": Nodes(world).reconcile,
        "set": StatefulSets(world).reconcile,
        "deployment": Deployments(world).reconcile,
        "replicas": ReplicaSets(world).reconcile,
        "job": Jobs(world).reconcile,
        "service": Services(world).reconcile,
        "volume": Volumes(world).reconcile,
        "pod": Kubelet(world).reconcile,
    }
    routes: dict[Resource, Router] = {
        WORKSPACES: lambda ws: [_key("workspace", ws), *_pod_keys(world, ws)],
        NODECLAIMS: lambda claim: [_key("claim", claim), *_workspace_key(claim)],
        NODES: lambda node: [_key("node", node), *_claim_key(node)],
        CONTROLLERREVISIONS: _workspace_owner_key,
        STATEFULSETS: lambda owner: [_key("set", owner), *_workspace_owner_key(owner)],
        DEPLOYMENTS: lambda owner: [_key("deployment", owner), *_workspace_owner_key(owner)],
        REPLICASETS: lambda owner: [
            _key("replicas", owner),
            *_owner_key("deployment", "Deployment", owner),
        ],
        JOBS: lambda job: [_key("job", job), *_workspace_owner_key(job)],
        SERVICES: lambda service: [_key("service", service), *_workspace_owner_key(service)],
        PVCS: lambda claim: [_key("volume", claim)],
        PODS: _pod_and_owner_keys,
    }
    return Engine(world, reconcilers, routes)


def virtual_world(
    cluster: Cluster, now: Callable[[], datetime], edition: Edition | None = None
) -> World:
    return World(cluster, now=now, speed=1.0, edition=edition)


async def run(cluster: Cluster, edition: Edition) -> None:
    """The cluster's controller: for ever, from whatever state the objects are in."""
    clock = cluster.clock
    world = World(cluster, now=clock.now, speed=clock.speed, edition=edition)
    engine = make_engine(world)
    try:
        await engine.run()
    finally:
        engine.close()
        world.close()


def _key(kind: str, obj: Raw) -> Key:
    return (kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _workspace_key(obj: Raw) -> list[Key]:
    namespace, name = workspace_of(obj)
    return [("workspace", namespace, name)] if name else []


def _claim_key(node: Raw) -> list[Key]:
    names = [
        owner["name"]
        for owner in node["metadata"].get("ownerReferences") or []
        if owner["kind"] == "NodeClaim"
    ]
    return [("claim", "", name) for name in names]


def _owner_key(kind: str, owner_kind: str, obj: Raw) -> list[Key]:
    owner = controller_of(obj, owner_kind)
    return [(kind, *owner)] if owner else []


def _workspace_owner_key(obj: Raw) -> list[Key]:
    return _owner_key("workspace", "Workspace", obj)


def _pod_keys(world: World, ws: Raw) -> list[Key]:
    """A failure that is asked for, or no more asked for, is looked at where it happens."""
    metadata = ws["metadata"]
    return [_key("pod", pod) for pod in world.pods_of(metadata["namespace"], metadata["name"])]


def _pod_and_owner_keys(pod: Raw) -> list[Key]:
    namespace = pod["metadata"]["namespace"]
    return [
        _key("pod", pod),
        *_owner_key("set", "StatefulSet", pod),
        *_owner_key("replicas", "ReplicaSet", pod),
        *_owner_key("job", "Job", pod),
        *(("volume", namespace, name) for name in claim_names(pod)),
    ]
