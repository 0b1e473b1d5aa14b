"""Who may do what: bearer tokens, and rules that also answer access reviews."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

KAITOWEB = "system:serviceaccount:kaitoweb:kaitoweb"
MASTERS = "system:masters"
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One request as an authorizer sees it; a path instead of a resource for `/healthz` and such."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...]
    paths: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def allows(self, asked: Attributes) -> bool:
        if not _covers(self.verbs, asked.verb):
            return False
        if asked.path:
            return any(_covers_path(path, asked.path) for path in self.paths)
        return (
            _covers(self.groups, asked.group)
            and _covers(self.resources, asked.full_resource)
            and asked.resource not in self.excluded
        )


def _covers(allowed: tuple[str, ...], asked: str) -> bool:
    return "*" in allowed or asked in allowed


def _covers_path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


# https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles
EVERYONE = (
    Rule(
        verbs=("get",),
        paths=(
            "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
            "/readyz", "/version", "/version/",
        ),
    ),
    Rule(
        verbs=("create",),
        groups=("authorization.k8s.io",),
        resources=("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    ),
    Rule(verbs=("create",), groups=("authentication.k8s.io",), resources=("selfsubjectreviews",)),
)  # fmt: skip

# What kaitoweb's own service account needs, and no more.
KAITOWEB_RULES = (
    Rule(groups=("kaito.sh",), resources=("workspaces",), verbs=READ + WRITE),
    Rule(groups=("kaito.sh",), resources=("workspaces/status",), verbs=("get",)),
    Rule(
        groups=("",),
        resources=("pods", "services", "events", "persistentvolumeclaims", "nodes"),
        verbs=READ,
    ),
    Rule(groups=("events.k8s.io",), resources=("events",), verbs=READ),
    Rule(groups=("",), resources=("pods/log",), verbs=("get",)),
    Rule(groups=("",), resources=("services/proxy",), verbs=("get", "create")),
    Rule(groups=("",), resources=("configmaps",), verbs=READ + WRITE),
    Rule(groups=("",), resources=("secrets",), verbs=("get", "create")),
    Rule(groups=("",), resources=("serviceaccounts", "namespaces"), verbs=("get", "list")),
    Rule(
        groups=("apps",),
        resources=("statefulsets", "deployments", "controllerrevisions"),
        verbs=READ,
    ),
    Rule(groups=("apps",), resources=("statefulsets",), verbs=("delete",)),
    Rule(groups=("batch",), resources=("jobs",), verbs=READ),
    Rule(groups=("karpenter.sh",), resources=("nodeclaims", "nodepools"), verbs=READ),
    Rule(
        groups=("storage.k8s.io",),
        resources=("storageclasses", "csidrivers"),
        verbs=("get", "list"),
    ),
    Rule(
        groups=("apiextensions.k8s.io",), resources=("customresourcedefinitions",), verbs=("get",)
    ),
    Rule(
        groups=("admissionregistration.k8s.io",),
        resources=("validatingwebhookconfigurations",),
        verbs=("get",),
    ),
)
VIEWER_RULES = (Rule(groups=("*",), resources=("*",), excluded=("secrets",), verbs=READ),)

IDENTITIES = {
    "admin": Identity(user="sandbox-admin", groups=(MASTERS,)),
    "kaitoweb": Identity(
        user=KAITOWEB, groups=("system:serviceaccounts", "system:serviceaccounts:kaitoweb")
    ),
    "viewer": Identity(user="sandbox-viewer"),
}
RULES: dict[str, tuple[Rule, ...]] = {KAITOWEB: KAITOWEB_RULES, "sandbox-viewer": VIEWER_RULES}


def new_tokens() -> dict[str, str]:
    return {name: secrets.token_urlsafe(32) for name in IDENTITIES}


@dataclass(slots=True)
class Authority:
    tokens: dict[str, str] = field(default_factory=new_tokens)
    rules: dict[str, tuple[Rule, ...]] = field(default_factory=lambda: dict(RULES))

    def identify(self, token: str) -> Identity | None:
        names = [
            name for name, known in self.tokens.items() if secrets.compare_digest(known, token)
        ]
        if not names:
            return None
        identity = IDENTITIES[names[0]]
        groups = (*identity.groups, "system:authenticated")
        return Identity(user=identity.user, groups=groups, uid=identity.uid)

    def rules_of(self, user: str, groups: Iterable[str]) -> tuple[Rule, ...]:
        if MASTERS in groups:
            return (
                Rule(groups=("*",), resources=("*",), verbs=("*",)), Rule(verbs=("*",), paths=("*",)),
            )  # fmt: skip
        return EVERYONE + self.rules.get(user, ())

    def allows(self, user: str, groups: Iterable[str], asked: Attributes) -> bool:
        return any(rule.allows(asked) for rule in self.rules_of(user, groups))


def kept_tokens(path: Path) -> dict[str, str]:
    """The tokens of the last start, so that a kubeconfig works over restarts; made at the first."""
    if path.exists():
        saved = orjson.loads(path.read_bytes())
        if saved.keys() == IDENTITIES.keys():
            return dict(saved)
    tokens = new_tokens()
    write_private(path, orjson.dumps(tokens))
    return tokens


def write_private(path: Path, content: bytes) -> None:
    """Atomically, readable by the owner only from the first moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    draft.replace(path)
