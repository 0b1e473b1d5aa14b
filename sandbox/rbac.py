"""Role-based access control, evaluated from the roles and bindings in the store.

Whoever is in system:masters may do anything, whatever the objects say.
https://github.com/kubernetes/kubernetes/blob/v1.36.3/plugin/pkg/auth/authorizer/rbac/rbac.go
https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/registry/rbac/validation/rule.go
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sandbox.auth import MASTERS, Attributes, Identity, service_account_user
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    RBAC_GROUP,
    ROLEBINDINGS,
    ROLES,
    Resource,
)
from sandbox.store import Event, Store

Rule = dict[str, Any]  # a PolicyRule as it stands in a role
Object = dict[str, Any]

REMEMBERED = 1_000


class Verdict(NamedTuple):
    allowed: bool
    reason: str = ""


class Grants(NamedTuple):
    """What somebody was given: each rule with the binding that gives it, and which bindings lead
    to no role."""

    rules: list[tuple[Rule, str]]
    errors: list[str]


class Authorizer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, tuple[str, ...], str], Grants] = {}
        store.listeners.append(self._observe)

    def judge(self, identity: Identity, asked: Attributes) -> Verdict:
        if MASTERS in identity.groups:
            return Verdict(True)
        grants = self.grants(identity, asked.namespace)
        for rule, source in grants.rules:
            if allows(rule, asked):
                return Verdict(True, f"RBAC: allowed by {source}")
        return Verdict(False, f"RBAC: {_aggregate(grants.errors)}" if grants.errors else "")

    def grants(self, identity: Identity, namespace: str) -> Grants:
        key = (identity.user, identity.groups, namespace)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = self._collect(identity, namespace)
        return self._known[key]

    def _collect(self, identity: Identity, namespace: str) -> Grants:
        grants = Grants([], [])
        for binding, source in self._bindings_of(identity, namespace):
            role = self._role(binding["roleRef"], namespace)
            if role is None:
                ref = binding["roleRef"]
                kind = f"{ref['kind'].lower()}.{RBAC_GROUP}"
                grants.errors.append(f'{kind} "{ref["name"]}" not found')
                continue
            grants.rules.extend((rule, source) for rule in role.get("rules") or ())
        return grants

    def _bindings_of(self, identity: Identity, namespace: str) -> Iterator[tuple[Object, str]]:
        for binding in self._objects(CLUSTERROLEBINDINGS, None):
            for subject in binding.get("subjects") or ():
                if applies(subject, identity, ""):
                    yield binding, _source(binding, subject, "")
        if not namespace:
            return
        for binding in self._objects(ROLEBINDINGS, namespace):
            for subject in binding.get("subjects") or ():
                if applies(subject, identity, namespace):
                    yield binding, _source(binding, subject, namespace)

    def _objects(self, resource: Resource, namespace: str | None) -> Iterator[Object]:
        return (stored.object for stored in self._store.snapshot_of(resource, namespace))

    def _role(self, ref: Object, namespace: str) -> Object | None:
        if ref["kind"] == "Role":
            found = self._store.peek(ROLES, namespace, ref["name"])
        else:
            found = self._store.peek(CLUSTERROLES, None, ref["name"])
        return found.object if found else None

    def _observe(self, event: Event) -> None:
        if event.resource.group == RBAC_GROUP:
            self._known.clear()


def applies(subject: Object, identity: Identity, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return subject["name"] == identity.user
        case "Group":
            return subject["name"] in identity.groups
        case "ServiceAccount":
            home = subject.get("namespace") or namespace
            return bool(home) and service_account_user(home, subject["name"]) == identity.user
    return False


def allows(rule: Rule, asked: Attributes) -> bool:
    if not _covers(rule.get("verbs"), asked.verb):
        return False
    if asked.path:
        return any(_covers_path(url, asked.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _covers(rule.get("apiGroups"), asked.group)
        and any(_covers_resource(each, asked) for each in rule.get("resources") or ())
        and (not names or asked.name in names)
    )


def _covers(allowed: Sequence[str] | None, asked: str) -> bool:
    return allowed is not None and ("*" in allowed or asked in allowed)


def _covers_resource(allowed: str, asked: Attributes) -> bool:
    """`*/status` is that sub-resource of every kind; `pods` alone covers none of its own."""
    if allowed in ("*", asked.full_resource):
        return True
    return bool(asked.subresource) and allowed == f"*/{asked.subresource}"


def _covers_path(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern.rstrip("*"))
    return path == pattern


def _source(binding: Object, subject: Object, namespace: str) -> str:
    ref, name = binding["roleRef"], binding["metadata"]["name"]
    kind, place = ("RoleBinding", f"/{namespace}") if namespace else ("ClusterRoleBinding", "")
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{name}{place}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'


def _aggregate(errors: list[str]) -> str:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/errors/errors.go"""
    distinct = list(dict.fromkeys(errors))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"
