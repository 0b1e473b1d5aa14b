"""The roles and bindings that a cluster has from its first moment: Kubernetes' own that matter
here, and those of the sandbox's users.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

from typing import Any

from sandbox.auth import AUTHENTICATED, MASTERS, VIEWER
from sandbox.resources import (
    BUILT_IN,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    RBAC_GROUP,
    SECRETS,
    Resource,
)
from sandbox.store import Store

Object = dict[str, Any]
Rule = dict[str, Any]

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
MANAGER = "kube-apiserver"
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")
CUSTOM_GROUPS = ("kaito.sh", "karpenter.sh")
UNAUTHENTICATED = "system:unauthenticated"


def _rule(group: str, resources: str, *verbs: str) -> Rule:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": resources.split()}


def _paths(urls: str) -> Rule:
    return {"verbs": ["get"], "nonResourceURLs": urls.split()}


EVERYTHING = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
DISCOVERY = (
    _paths(
        "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
    ),
)
PUBLIC_INFO = (_paths("/healthz /livez /readyz /version /version/"),)
BASIC_USER = (
    _rule(
        "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"
    ),
    _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
)  # fmt: skip

# What kaitoweb's own service account needs, and no more.
KAITOWEB = (
    _rule("kaito.sh", "workspaces", *READ, *WRITE),
    _rule("kaito.sh", "workspaces/status", "get"),
    _rule("", "pods services events persistentvolumeclaims nodes", *READ),
    _rule("events.k8s.io", "events", *READ),
    _rule("", "pods/log", "get"),
    _rule("", "services/proxy", "get", "create"),
    _rule("", "configmaps", *READ, *WRITE),
    _rule("", "secrets", "get", "create"),
    _rule("", "serviceaccounts namespaces", "get", "list"),
    _rule("apps", "statefulsets deployments controllerrevisions", *READ),
    _rule("apps", "statefulsets", "delete"),
    _rule("batch", "jobs", *READ),
    _rule("karpenter.sh", "nodeclaims nodepools", *READ),
    _rule("storage.k8s.io", "storageclasses csidrivers", "get", "list"),
    _rule("apiextensions.k8s.io", "customresourcedefinitions", "get"),
    _rule("admissionregistration.k8s.io", "validatingwebhookconfigurations", "get"),
)


def _viewer_rules() -> tuple[Rule, ...]:
    """Everything but secrets: RBAC cannot take away, so all else is named."""
    core = " ".join(
        f"{row.plural} {row.plural}/status" if row.has_status else row.plural
        for row in BUILT_IN
        if not row.group and row.key != SECRETS.key
    )
    groups = dict.fromkeys(row.group for row in BUILT_IN if row.group)
    return (
        _rule("", f"{core} pods/log services/proxy", *READ),
        {"verbs": list(READ), "apiGroups": [*groups, *CUSTOM_GROUPS], "resources": ["*"]},
    )


def _user(kind: str, name: str) -> Object:
    return {"kind": kind, "apiGroup": RBAC_GROUP, "name": name}


KAITOWEB_ACCOUNT = {"kind": "ServiceAccount", "name": "kaitoweb", "namespace": "kaitoweb"}

# role and binding, its rules, and who has it
GIVEN: tuple[tuple[str, tuple[Rule, ...], tuple[Object, ...]], ...] = (
    ("cluster-admin", EVERYTHING, (_user("Group", MASTERS),)),
    ("system:basic-user", BASIC_USER, (_user("Group", AUTHENTICATED),)),
    ("system:discovery", DISCOVERY, (_user("Group", AUTHENTICATED),)),
    (
        "system:public-info-viewer",
        PUBLIC_INFO,
        (_user("Group", AUTHENTICATED), _user("Group", UNAUTHENTICATED)),
    ),
    ("kaitoweb", KAITOWEB, (KAITOWEB_ACCOUNT,)),
    (VIEWER, _viewer_rules(), (_user("User", VIEWER),)),
)


def plant(store: Store) -> None:
    """What is missing comes (back), as at each start of an API server; what was added stays."""
    for name, rules, subjects in GIVEN:
        about = {"metadata": _metadata(name)}
        _ensure(store, CLUSTERROLES, about | {"rules": list(rules)})
        _complete(store, name, rules)
        ref = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name}
        _ensure(store, CLUSTERROLEBINDINGS, about | {"subjects": list(subjects), "roleRef": ref})


def _metadata(name: str) -> Object:
    return {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {AUTOUPDATE: "true"},
    }


def _complete(store: Store, name: str, rules: tuple[Rule, ...]) -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation"""
    role = store.get(CLUSTERROLES, None, name) or {}
    if (role["metadata"].get("annotations") or {}).get(AUTOUPDATE) != "true":
        return
    present = role.get("rules") or []
    missing = [rule for rule in rules if rule not in present]
    if missing:
        store.update(CLUSTERROLES, role | {"rules": present + missing}, manager=MANAGER)


def _ensure(store: Store, resource: Resource, obj: Object) -> None:
    if store.peek(resource, None, obj["metadata"]["name"]) is None:
        store.create(resource, obj, manager=MANAGER)
