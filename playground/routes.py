"""How to reach the model of a workspace: today through the API server's service proxy.

Computed from mirrored rows only, never from what a person typed or what a status says: the Service must be
owned by this very Workspace, its port must be KAITO's, and only the paths in ALLOWED are asked for.
In-cluster DNS will be another kind of Route, with a `path` and an `open_client` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from clusters import streaming
from clusters.models import Cluster
from playground.types import InferenceError
from workspaces import parsing
from workspaces.models import Dependent, Workspace

PORT = "http"
WORDS = "through the API server"  # what the page says of it
ALLOWED = frozenset({"/chat", "/v1/chat/completions", "/v1/models"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    cluster: Cluster
    namespace: str
    service: str
    serving: tuple[str, str]  # uids of the workspace and of the pod that serves it

    def path(self, wanted: str) -> str:
        if wanted not in ALLOWED:
            raise ValueError(f"not a path that the playground asks for: {wanted!r}")
        return streaming.service_proxy_path(self.namespace, self.service, PORT, wanted)

    def open_client(self) -> httpx.AsyncClient:
        return streaming.open_client(self.cluster)


def no_route() -> InferenceError:
    return InferenceError(
        "no-service",
        "KAITO has not made a service for this workspace yet, so there is nothing to reach.",
    )


def route_to(workspace: Workspace) -> Route | None:
    """None where there is no way yet."""
    rows = list(
        Dependent.objects.filter(
            cluster_id=workspace.cluster_id,
            workspace_namespace=workspace.namespace,
            workspace_name=workspace.name,
            kind__in=("Service", "Pod"),
        )
    )
    service = next((r for r in rows if r.kind == "Service" and _serves(r, workspace)), None)
    if service is None:
        return None
    return Route(
        cluster=workspace.cluster,
        namespace=workspace.namespace,
        service=service.name,
        serving=(workspace.uid, _pod_uid(workspace, rows)),
    )


def _serves(row: Dependent, workspace: Workspace) -> bool:
    """KAITO gives the Service the workspace's name, and a second, headless one to the pods among themselves.

    https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
    """
    service = parsing.parse_service(row.raw)
    metadata = parsing.mapping(row.raw.get("metadata"))
    owners = parsing.items(metadata.get("ownerReferences"))
    return (
        (service.namespace, service.name) == (workspace.namespace, workspace.name)
        and not service.is_headless
        and any(name == PORT for name, _ in service.ports)
        and any((o.get("kind"), o.get("uid")) == ("Workspace", workspace.uid) for o in owners)
    )


def _pod_uid(workspace: Workspace, rows: list[Dependent]) -> str:
    """Only the first pod of the StatefulSet serves; the others work for it. A Deployment has one pod."""
    pods = sorted((r.name, r.uid) for r in rows if r.kind == "Pod")
    first = [uid for name, uid in pods if name == f"{workspace.name}-0"]
    return (first or [uid for _, uid in pods] or [""])[0]
