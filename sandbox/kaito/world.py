"""What every controller of the sandbox works with: objects, time, events, and who owns what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.cluster import Cluster
from sandbox.kaito import workspaces
from sandbox.kaito.events import Recorder
from sandbox.kaito.indexes import Index
from sandbox.kaito.releases import Edition
from sandbox.resources import NODECLAIMS, NODES, PODS, WORKSPACES, Resource

SHORTEST_S = 0.001
NODEPOOL_LABEL = "karpenter.sh/nodepool"

Raw = dict[str, Any]
Name = tuple[str, str]


class World:
    """`now` and `speed` are the cluster's own, but for the seeds, whose past is acted out."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        now: Callable[[], datetime],
        speed: float,
        edition: Edition | None = None,
    ) -> None:
        self.cluster = cluster
        self.store = cluster.store
        self.now = now
        self.speed = speed
        self.edition = edition or Edition()
        self.started = now()
        self.recorder = Recorder(cluster.store, now)
        self._claims = Index(self.store, NODECLAIMS, workspace_of)
        self._pods = Index(self.store, PODS, _pod_owner)
        self._placed = Index(self.store, PODS, lambda pod: pod["spec"].get("nodeName"))
        self._own_nodes = Index(self.store, NODES, _is_own)

    def close(self) -> None:
        for index in (self._claims, self._pods, self._placed, self._own_nodes):
            index.close()

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
        """The node claims of one workspace. Shared objects: read them, never change them."""
        return self._claims.objects((namespace, name))

    def nodes_of(self, ws: Raw) -> list[Raw]:
        """The nodes made for a workspace, and those without a maker that fit its labels: the
        cluster's own, which KAITO counts too. Shared objects, as of `claims_of`."""
        metadata, labels = ws["metadata"], workspaces.match_labels(ws)
        claims = self.claims_of(metadata["namespace"], metadata["name"])
        names = [(claim.get("status") or {}).get("nodeName") for claim in claims]
        if labels or not self.edition.makes_nodes:
            names += [
                node["metadata"]["name"]
                for node in self._own_nodes.objects(True)
                if labels.items() <= node["metadata"].get("labels", {}).items()
            ]
        nodes = [self.store.peek(NODES, None, node) for node in names if node]
        return [stored.object for stored in nodes if stored is not None]

    def is_node_made(self, node: Raw) -> bool:
        return NODEPOOL_LABEL in (node["metadata"].get("labels") or {})

    def pods_of(self, namespace: str, name: str) -> list[Raw]:
        """The pods of a workspace. Shared objects, as of `claims_of`."""
        return self._pods.objects((namespace, name))

    def pods_on(self, node: str) -> list[Raw]:
        """Shared objects, as of `claims_of`."""
        return self._placed.objects(node)

    def workspace_of_pod(self, pod: Raw) -> Raw | None:
        owner = _pod_owner(pod)
        found = self.store.peek(WORKSPACES, *owner) if owner else None
        return found.object if found else None

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


def workspace_of(obj: Raw) -> Name:
    """Namespace and name of the workspace that a node claim or node is for; empty if none."""
    labels = obj["metadata"].get("labels") or {}
    return (
        labels.get(workspaces.NAMESPACE_LABEL, ""),
        labels.get(workspaces.NAME_LABEL, ""),
    )


def _pod_owner(pod: Raw) -> Name | None:
    name = (pod["metadata"].get("labels") or {}).get(workspaces.NAME_LABEL)
    return (pod["metadata"]["namespace"], name) if name else None


def _is_own(node: Raw) -> bool | None:
    """The cluster's own nodes, which no provisioner made."""
    return None if NODEPOOL_LABEL in (node["metadata"].get("labels") or {}) else True


def controller_of(obj: Raw, kind: str) -> Name | None:
    """Namespace and name of the owner of this kind that controls the object."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner["kind"] == kind:
            return (obj["metadata"].get("namespace", ""), owner["name"])
    return None
