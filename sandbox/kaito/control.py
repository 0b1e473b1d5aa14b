"""Puts the controllers together: which change of what makes which of them look again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.cluster import Cluster
from sandbox.kaito.engine import Engine, Key
from sandbox.kaito.kubelet import Kubelet
from sandbox.kaito.operator import Operator
from sandbox.kaito.provisioner import Provisioner
from sandbox.kaito.workloads import Services, StatefulSets
from sandbox.kaito.world import World, controller_of, workspace_of
from sandbox.resources import (
    CONTROLLERREVISIONS,
    NODECLAIMS,
    NODES,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)

Raw = dict[str, Any]


def make_engine(world: World) -> Engine:
    reconcilers = {
        "workspace": Operator(world).reconcile,
        "claim": Provisioner(world).reconcile,
        "set": StatefulSets(world).reconcile,
        "service": Services(world).reconcile,
        "pod": Kubelet(world).reconcile,
    }
    routes = {
        WORKSPACES: lambda ws: [_key("workspace", ws)],
        NODECLAIMS: lambda claim: [_key("claim", claim), *_workspace_key(claim)],
        NODES: _claim_key,
        CONTROLLERREVISIONS: lambda revision: _owner_key("workspace", "Workspace", revision),
        STATEFULSETS: lambda owner: [
            _key("set", owner),
            *_owner_key("workspace", "Workspace", owner),
        ],
        SERVICES: lambda service: [
            _key("service", service),
            *_owner_key("workspace", "Workspace", service),
        ],
        PODS: lambda pod: [_key("pod", pod), *_owner_key("set", "StatefulSet", pod)],
    }
    return Engine(world, reconcilers, routes)


def real_world(cluster: Cluster) -> World:
    return World(cluster, now=cluster.clock.now, speed=cluster.clock.speed)


def virtual_world(cluster: Cluster, now: Callable[[], datetime]) -> World:
    return World(cluster, now=now, speed=1.0)


async def run(cluster: Cluster) -> None:
    """The cluster's controller: for ever, from whatever state the objects are in."""
    world = real_world(cluster)
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
