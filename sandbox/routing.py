"""From a URL to what it is about: kind, namespace, name, sub-resource, and the RBAC verb.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

NAMESPACE_SUBRESOURCES = ("status", "finalize")
CONNECT = ("proxy",)
METHOD_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "OPTIONS": "get",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    tail: str = ""  # what follows `/proxy/`, still percent-encoded


def parse(raw_path: str) -> Target | None:
    """None when the path is not about a kind: discovery, health, nonsense."""
    segments = raw_path.strip("/").split("/")
    if segments[0] == "api" and len(segments) > 2:
        return _target("", segments[1], segments[2:])
    if segments[0] == "apis" and len(segments) > 3:
        return _target(unquote(segments[1]), segments[2], segments[3:])
    return None


def _target(group: str, version: str, rest: list[str]) -> Target:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
        namespace, rest = unquote(rest[1]), rest[2:]
    elif rest[0] == "namespaces" and len(rest) > 1:
        namespace = unquote(rest[1])  # RBAC sees a Namespace as being in itself
    plural, name, subresource = (unquote(part) for part in (rest + ["", "", ""])[:3])
    return Target(
        group=group,
        version=unquote(version),
        plural=plural,
        namespace=namespace,
        name=name,
        subresource=subresource,
        tail="/".join(rest[3:]),
    )


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    if target.subresource in CONNECT or target.name:
        return METHOD_VERBS.get(method, method.lower())
    if method in ("GET", "HEAD"):
        return "watch" if is_true(query, "watch") else "list"
    return "deletecollection" if method == "DELETE" else METHOD_VERBS.get(method, method.lower())


def asked_name(target: Target, query: Mapping[str, str]) -> str:
    """As RBAC sees it: a list or watch of one object, selected by its name, is about that one."""
    if target.name:
        return target.name
    for part in query.get("fieldSelector", "").split(","):
        key, _, value = part.partition("=")
        if key.strip() == "metadata.name":
            return value.removeprefix("=").strip()
    return ""


def is_true(query: Mapping[str, str], name: str) -> bool:
    """As the API server reads a boolean: there, and neither `0` nor `false`."""
    return name in query and query[name].lower() not in ("0", "false")
