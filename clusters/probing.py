"""Asks a cluster what it is: who we are there, which versions, whether KAITO is installed, what we may do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from clusters.errors import ClusterError, NotFound
from clusters.gateway import Gateway
from clusters.targets import NAMESPACES, WORKSPACES

REVIEWS_AT_ONCE = 8
ROLE_HEAD = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What kaitoweb wants to do with a resource, and what for."""

    group: str
    resource: str  # with its sub-resource: pods/log
    verbs: tuple[str, ...]
    purpose: str


NEEDS = (
    Need(group="kaito.sh", resource="workspaces", verbs=("get", "list", "watch", "create", "delete"), purpose="deploy, follow and delete workspaces"),
    Need(group="", resource="pods", verbs=("get", "list", "watch"), purpose="say why a workspace is not ready"),
    Need(group="", resource="pods/log", verbs=("get",), purpose="show logs"),
    Need(group="", resource="events", verbs=("list", "watch"), purpose="show events and the timeline"),
    Need(group="", resource="services", verbs=("list", "watch"), purpose="find a workspace's endpoint"),
    Need(group="", resource="services/proxy", verbs=("get", "create"), purpose="prompt models in the playground"),
    Need(group="apps", resource="statefulsets", verbs=("list", "watch"), purpose="follow the workload"),
    Need(group="apps", resource="deployments", verbs=("list", "watch"), purpose="follow the workload of older KAITO versions"),
    Need(group="batch", resource="jobs", verbs=("list", "watch"), purpose="follow tuning"),
    Need(group="karpenter.sh", resource="nodeclaims", verbs=("list", "watch"), purpose="follow the node that is bought"),
    Need(group="", resource="namespaces", verbs=("list",), purpose="offer the namespaces"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that kaitoweb may do, may not (False), or the cluster would not say (None)."""

    verb: str
    group: str
    resource: str
    purpose: str
    allowed: bool | None

    @property
    def rule(self) -> str:
        """The RBAC rule that allows it, to copy into a ClusterRole."""
        return _rule(self.group, self.resource, [self.verb])


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    identity: dict[str, Any] = field(default_factory=dict)
    kubernetes_version: str = ""
    kaito_version: str = ""
    served: dict[str, list[str]] = field(default_factory=dict)
    rights: tuple[Right, ...] = ()
    namespaces: tuple[str, ...] = ()

    @property
    def has_kaito(self) -> bool:
        return "workspaces" in self.served.get("kaito.sh/v1beta1", [])


def probe(gateway: Gateway) -> Findings:
    """Raises ClusterError if the cluster cannot be reached or does not let us in; tolerates all lesser trouble."""
    version = gateway.version()
    identity = _identity(gateway)
    served = gateway.served()
    return Findings(
        identity=identity,
        kubernetes_version=version,
        kaito_version=guess_kaito_version(served, _status_fields(gateway)),
        served={
            k: v for k, v in served.items() if k.partition("/")[0] in ("kaito.sh", "karpenter.sh")
        },
        rights=_rights(gateway),
        namespaces=_namespaces(gateway),
    )


def guess_kaito_version(served: dict[str, list[str]], status_fields: Collection[str]) -> str:
    """Nothing in the API names KAITO's version; the kinds that it serves and the fields of a Workspace narrow it down."""
    kinds = {
        plural
        for version, plurals in served.items()
        if version.startswith("kaito.sh/")
        for plural in plurals
    }
    for present, words in (
        ("workspaces" not in kinds, ""),
        ("modelmirrors" in kinds, "0.11 or later"),
        ("performance" in status_fields, "0.10 or later"),
        ("state" in status_fields, "0.9"),
        ("inferencesets" in kinds, "0.8"),
    ):
        if present:
            return words
    return "0.7 or earlier"


def _status_fields(gateway: Gateway) -> frozenset[str]:
    try:
        schemas = gateway.schemas(WORKSPACES.api_version)
    except ClusterError:
        return frozenset()
    for name, schema in schemas.items():
        if name.endswith(".Workspace"):
            status = (schema.get("properties") or {}).get("status") or {}
            return frozenset(status.get("properties") or {})
    return frozenset()


def cluster_role(rights: Iterable[Right], *, name: str = "kaitoweb-missing") -> str:
    """YAML of one ClusterRole that allows `rights`, a rule for each resource; empty for none."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    rules = [_rule(group, resource, named) for (group, resource), named in verbs.items()]
    return ROLE_HEAD.format(name=name) + "".join(rules) if rules else ""


def wanted_role() -> str:
    """The ClusterRole that gives kaitoweb all it has a use for."""
    rights = (_right(need, verb, None) for need in NEEDS for verb in need.verbs)
    return cluster_role(rights, name="kaitoweb")


def _rule(group: str, resource: str, verbs: list[str]) -> str:
    named = ", ".join(f'"{v}"' for v in verbs)
    return f'- apiGroups: ["{group}"]\n  resources: ["{resource}"]\n  verbs: [{named}]\n'


def _identity(gateway: Gateway) -> dict[str, Any]:
    try:
        return gateway.whoami()
    except NotFound:  # before Kubernetes 1.28
        return {}


def _rights(gateway: Gateway) -> tuple[Right, ...]:
    asked = [(need, verb) for need in NEEDS for verb in need.verbs]

    def ask(question: tuple[Need, str]) -> Right:
        need, verb = question
        resource, _, subresource = need.resource.partition("/")
        return _right(need, verb, gateway.may(verb, need.group, resource, subresource=subresource))

    with ThreadPoolExecutor(REVIEWS_AT_ONCE) as pool:
        return tuple(pool.map(ask, asked))


def _right(need: Need, verb: str, allowed: bool | None) -> Right:
    return Right(
        verb=verb,
        group=need.group,
        resource=need.resource,
        purpose=need.purpose,
        allowed=allowed,
    )


def _namespaces(gateway: Gateway) -> tuple[str, ...]:
    try:
        return tuple(sorted(n["metadata"]["name"] for n in gateway.list(NAMESPACES).items))
    except ClusterError:
        return ()
