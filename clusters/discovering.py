"""Reads what an API server serves, from either form of its discovery answers. Pure but for `fetch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

# One answer for all groups where the server can (v2 since 1.30, v2beta1 since 1.26), plain lists otherwise:
# https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)
# Without the aggregated form each group costs a request: only those that kaitoweb has a use for.
WANTED_GROUPS = frozenset({"", "kaito.sh", "karpenter.sh", "apps", "batch"})


def parse_groups(answers: Iterable[dict], *, fetch: Callable[[str], dict]) -> dict[str, list[str]]:
    """Resources by "group/version", sorted, sub-resources left out."""
    served: dict[str, list[str]] = {}
    for answer in answers:
        if answer.get("kind") == "APIGroupDiscoveryList":
            served |= _aggregated(answer)
        else:
            served |= {version: _plain(fetch(path)) for version, path in _versions(answer)}
    return served


def _aggregated(answer: dict) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in answer.get("items") or []:
        name = (group.get("metadata") or {}).get("name", "")
        for version in group.get("versions") or []:
            plurals = sorted({r["resource"] for r in version.get("resources") or []})
            found[_joined(name, version["version"])] = plurals
    return found


def _versions(answer: dict) -> list[tuple[str, str]]:
    """(group/version, path) of an APIVersions or APIGroupList."""
    core = [(v, f"/api/{v}") for v in answer.get("versions") or [] if isinstance(v, str)]
    named = [
        (version["groupVersion"], f"/apis/{version['groupVersion']}")
        for group in answer.get("groups") or []
        if group.get("name") in WANTED_GROUPS
        for version in group.get("versions") or []
    ]
    return core + named


def _plain(answer: dict[str, Any]) -> list[str]:
    return sorted({r["name"] for r in answer.get("resources") or [] if "/" not in r["name"]})


def _joined(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version
