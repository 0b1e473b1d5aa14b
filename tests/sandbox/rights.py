"""Short ways to give rights in tests, by the objects that give them in a cluster."""

from __future__ import annotations

from typing import Any

from sandbox.cluster import Cluster
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    RBAC_GROUP,
    ROLEBINDINGS,
    ROLES,
    SERVICEACCOUNTS,
)

Object = dict[str, Any]


def rule(verbs: str, resources: str, *, group: str = "", names: str = "") -> Object:
    made = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return made | ({"resourceNames": names.split()} if names else {})


def user(name: str) -> Object:
    return {"kind": "User", "apiGroup": RBAC_GROUP, "name": name}


def ref(kind: str, name: str) -> Object:
    return {"apiGroup": RBAC_GROUP, "kind": kind, "name": name}


def grant(cluster: Cluster, to: str | Object, *rules: Object, namespace: str = "") -> None:
    """A role and its binding, both named after who gets it; in a namespace if one is said."""
    subject = user(to) if isinstance(to, str) else to
    name = f"for-{subject['name']}"
    about: Object = {"metadata": {"name": name}}
    role, binding, kind = CLUSTERROLES, CLUSTERROLEBINDINGS, "ClusterRole"
    if namespace:
        about["metadata"]["namespace"] = namespace
        role, binding, kind = ROLES, ROLEBINDINGS, "Role"
    cluster.store.create(role, about | {"rules": list(rules)}, manager="test")
    bound = {"roleRef": ref(kind, name), "subjects": [subject]}
    cluster.store.create(binding, about | bound, manager="test")


def account(cluster: Cluster, name: str, namespace: str = "default") -> tuple[Object, str]:
    """A new service account, as a subject of bindings, and a token of it."""
    about = {"metadata": {"name": name, "namespace": namespace}}
    made = cluster.store.create(SERVICEACCOUNTS, about, manager="test")
    token = cluster.service_tokens.request(made, {})["status"]["token"]
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}, token
