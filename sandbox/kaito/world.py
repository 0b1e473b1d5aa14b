"""What every controller of the sandbox works with: objects, time, events, and who owns what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.cluster import Cluster
from sandbox.kaito import workspaces
from sandbox.kaito.events import Recorder
from sandbox.resources import NODECLAIMS, NODES, PODS, STATEFULSETS, Resource
from sandbox.store import Event

SHORTEST_S = 0.001

Raw = dict[str, Any]
Name = tuple[str, str]


class World:
    """`now` and `speed` are the cluster's own, but for the seeds, whose past is acted out."""

    def __init__(self, cluster: Cluster, *, now: Callable[[], datetime], speed: float) -> None:
        self.cluster = cluster
        self.store = cluster.store
        self.now = now
        self.speed = speed
        self.started = now()
        self.recorder = Recorder(cluster.store, now)
        self._claims: dict[Name, set[str]] = defaultdict(set)
        for stored in self.store.snapshot_of(NODECLAIMS):
            self._claims[workspace_of(stored.object)].add(stored.object["metadata"]["name"])
        self.store.listeners.append(self._index_claims)

    def close(self) -> None:
        self.store.listeners.remove(self._index_claims)

    def elapsed_s(self, since: datetime) -> float:
        """In the sandbox's seconds."""
        return (self.now() - since).total_seconds() * self.speed

    def left_s(self, since: datetime, wait_s: float) -> float:
        """What is left of a wait; nothing, when it is too little to tell from rounding."""
        left_s = wait_s - self.elapsed_s(since)
        return left_s if left_s > SHORTEST_S else 0.0

    def get(self, resource: Resource, namespace: str | None, name: str) -> Raw | None:
        return self.store.get(resource, namespace, name)

    def exists(self, resource: Resource, namespace: str | None, name: str) -> bool:
        return self.store.peek(resource, namespace, name) is not None

    def claims_of(self, namespace: str, name: str) -> list[Raw]:
        """Node claims of one workspace, oldest name first."""
        found = [self.get(NODECLAIMS, None, each) for each in sorted(self._claims[namespace, name])]
        return [claim for claim in found if claim is not None]

    def nodes_of(self, namespace: str, name: str) -> list[Raw]:
        names = [
            (claim.get("status") or {}).get("nodeName") for claim in self.claims_of(namespace, name)
        ]
        nodes = [self.get(NODES, None, node) for node in names if node]
        return [node for node in nodes if node is not None]

    def siblings(self, namespace: str, name: str) -> list[Raw]:
        """The pods of a workspace. Shared objects: read them, never change them."""
        owner = self.store.peek(STATEFULSETS, namespace, name)
        replicas = owner.object["spec"].get("replicas", 1) if owner else 0
        names = [f"{name}-{ordinal}" for ordinal in range(replicas)]
        found = [self.store.peek(PODS, namespace, each) for each in names]
        return [stored.object for stored in found if stored is not None]

    def write_status(self, resource: Resource, obj: Raw, status: Raw, manager: str) -> Raw:
        """Returns the object as stored. The status is whole: what is not in it is gone."""
        metadata = {
            key: value
            for key, value in obj["metadata"].items()
            if key not in ("resourceVersion", "managedFields")
        }
        whole = obj | {"metadata": metadata, "status": status}
        return self.store.update(resource, whole, manager=manager, subresource="status")

    def write(self, resource: Resource, obj: Raw, manager: str) -> Raw:
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        return self.store.update(resource, obj | {"metadata": metadata}, manager=manager)

    def _index_claims(self, event: Event) -> None:
        if event.resource.key != NODECLAIMS.key:
            return
        claims = self._claims[workspace_of(event.object)]
        if event.type == "DELETED":
            claims.discard(event.object["metadata"]["name"])
        else:
            claims.add(event.object["metadata"]["name"])


def workspace_of(obj: Raw) -> Name:
    """Namespace and name of the workspace that a node claim or node is for; empty if none."""
    labels = obj["metadata"].get("labels") or {}
    return (
        labels.get(workspaces.NAMESPACE_LABEL, ""),
        labels.get(workspaces.NAME_LABEL, ""),
    )


def controller_of(obj: Raw, kind: str) -> Name | None:
    """Namespace and name of the owner of this kind that controls the object."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner["kind"] == kind:
            return (obj["metadata"].get("namespace", ""), owner["name"])
    return None
