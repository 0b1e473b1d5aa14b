"""kaitoweb as somebody would connect it to a cluster: with the account of deploy/rbac.yaml."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from clusters import services
from clusters.gateway import Gateway
from clusters.models import Cluster, ClusterKind
from sandbox.kubeconfig import kubeconfig
from tests.conformance.targets import Api, wait_until

Object = dict[str, Any]

MANIFEST = Path(__file__).resolve().parents[2] / "deploy/rbac.yaml"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/kaitoweb/serviceaccounts",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}


def deployed_token(api: Api) -> str:
    """Apply deploy/rbac.yaml, and take a token of its account."""
    for manifest in yaml.safe_load_all(MANIFEST.read_text()):
        path = f"{COLLECTIONS[manifest['kind']]}/{manifest['metadata']['name']}"
        answer = api.admin.patch(
            path,
            params={"fieldManager": "conformance", "force": "true"},
            json=manifest,
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        answer.raise_for_status()
    token = f"{COLLECTIONS['ServiceAccount']}/kaitoweb/token"
    answer = api.admin.post(token, json={"spec": {}})
    found = answer.raise_for_status().json()["status"]["token"]
    client = api.client(found)
    wait_until(lambda: client.get("/apis/kaito.sh/v1beta1/workspaces").status_code == 200)
    return found


def kubeconfig_of(api: Api, token: str, url: str = "") -> str:
    return kubeconfig(url or api.url, "kaitoweb", token, api.ca)


def cluster_of(api: Api, token: str, url: str = "") -> Cluster:
    """A row that is not in the database. `url`: of a wire that leads there."""
    connection = services.parse_kubeconfig(kubeconfig_of(api, token, url))
    return services._built("conformance", ClusterKind.KUBECONFIG, connection)


@contextlib.contextmanager
def gateway_of(api: Api, token: str, url: str = "") -> Iterator[Gateway]:
    made = Gateway(cluster_of(api, token, url))
    try:
        yield made
    finally:
        made.close()


def workspace(namespace: str, name: str, **more: Any) -> Object:
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"namespace": namespace, "name": name},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        **more,
    }
