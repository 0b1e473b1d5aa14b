"""What this API server serves: /api, /apis and below, plain or aggregated, and /version.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sandbox import status
from sandbox.answers import json_answer
from sandbox.calls import JSON_TYPE
from sandbox.registry import Registry
from sandbox.resources import ALL_VERBS, BUILT_IN, NAMESPACES, SCALES, TOKENREQUESTS, Resource
from sandbox.reviews import KINDS as REVIEW_KINDS
from sandbox.reviews import LOCAL as LOCAL_REVIEW

Object = dict[str, Any]

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-07-15T00:00:00Z",
    "goVersion": "go1.26.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}
AGGREGATED = "apidiscovery.k8s.io"
OWN_GROUPS = {row.group for row in BUILT_IN} | {group for group, *_ in REVIEW_KINDS}
SUBRESOURCE_KINDS = {"scale": SCALES, "token": TOKENREQUESTS}
SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "log": ["get"],
    "scale": ["get", "patch", "update"],
    "proxy": ["create", "delete", "get", "patch", "update"],
    "token": ["create"],
}


def answer(request: web.Request, registry: Registry) -> web.Response:
    path = request.path.strip("/").split("/")
    match path:
        case ["version"]:
            return json_answer(VERSION)
        case ["api"]:
            return _aggregated(request, registry, [""]) or json_answer(_core_versions())
        case ["apis"]:
            groups = sorted(_groups(registry))
            return _aggregated(request, registry, groups) or json_answer(_group_list(registry))
        case ["api", "v1"]:
            return json_answer(_resource_list(registry, "", "v1"))
        case ["apis", group] if group in _groups(registry):
            return json_answer(_group(group, _groups(registry)[group]))
        case ["apis", group, version] if version in _groups(registry).get(group, []):
            return json_answer(_resource_list(registry, group, version))
    raise nowhere(request.path)


def nowhere(path: str) -> status.StatusError:
    """A path that leads to nothing; who answers depends on whose group it would be."""
    steps = [*path.strip("/").split("/"), ""]
    is_own = steps[0] == "api" or (steps[0] == "apis" and steps[1] in OWN_GROUPS)
    return status.no_such_path() if is_own else status.page_not_found()


def _groups(registry: Registry) -> dict[str, list[str]]:
    reviews = {group: [version] for group, version, _ in REVIEW_KINDS}
    return registry.groups() | reviews


def _core_versions() -> Object:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _group_list(registry: Registry) -> Object:
    groups = [_about(name, versions) for name, versions in sorted(_groups(registry).items())]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(name: str, versions: list[str]) -> Object:
    return {"kind": "APIGroup", "apiVersion": "v1"} | _about(name, versions)


def _about(name: str, versions: list[str]) -> Object:
    said = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": said, "preferredVersion": said[0]}


def _resource_list(registry: Registry, group: str, version: str) -> Object:
    resources = [said for row in _rows(registry, group, version) for said in _plain(row)]
    resources += [
        {"name": plural, "singularName": kind.lower(), "namespaced": kind == LOCAL_REVIEW,
         "kind": kind, "verbs": ["create"]}
        for (in_group, in_version, plural), kind in REVIEW_KINDS.items()
        if (in_group, in_version) == (group, version)
    ]  # fmt: skip
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _rows(registry: Registry, group: str, version: str) -> Iterable[Resource]:
    return (row for row in registry.all() if (row.group, row.version) == (group, version))


def _verbs(row: Resource) -> list[str]:
    """Namespaces are never deleted by the dozen."""
    return [verb for verb in ALL_VERBS if verb != "deletecollection" or row.key != NAMESPACES.key]


def _plain(row: Resource) -> list[Object]:
    main: Object = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": _verbs(row),
    }
    if row.short_names:
        main["shortNames"] = list(row.short_names)
    if row.categories:
        main["categories"] = list(row.categories)
    return [main, *(_plain_below(row, name) for name in row.subresources)]


def _plain_below(row: Resource, name: str) -> Object:
    """Its kind is that of the object, unless it has one of its own."""
    said: Object = {
        "name": f"{row.plural}/{name}",
        "singularName": "",
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": SUBRESOURCE_VERBS[name],
    }
    own = SUBRESOURCE_KINDS.get(name)
    if own:
        said |= {"group": own.group, "version": own.version, "kind": own.kind}
    return said


def _aggregated(request: web.Request, registry: Registry, groups: list[str]) -> web.Response | None:
    """None for the plain form: that is for clients that do not take this one, or only its beta,
    which is no more."""
    accept = request.headers.get("Accept", "")
    form = f"g={AGGREGATED};v=v2;as=APIGroupDiscoveryList"
    if form not in accept.replace(" ", ""):
        return None
    body = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED}/v2",
        "metadata": {},
        "items": [_discovered(registry, group) for group in groups],
    }
    response = json_answer(body)
    response.headers["Content-Type"] = f"{JSON_TYPE};{form}"
    return response


def _discovered(registry: Registry, group: str) -> Object:
    versions = _groups(registry).get(group, ["v1"])
    return {
        "metadata": {"name": group, "creationTimestamp": None} if group else {},
        "versions": [
            {
                "version": version,
                "freshness": "Current",
                "resources": _discovered_resources(registry, group, version),
            }
            for version in versions
        ],
    }


def _discovered_resources(registry: Registry, group: str, version: str) -> list[Object]:
    listed = _resource_list(registry, group, version)["resources"]
    mains = [item for item in listed if "/" not in item["name"]]
    return [_discovered_resource(item, listed, group, version) for item in mains]


def _discovered_resource(item: Object, listed: list[Object], group: str, version: str) -> Object:
    kind = {"group": group, "version": version, "kind": item["kind"]}
    prefix = item["name"] + "/"
    return {
        "resource": item["name"],
        "responseKind": kind,
        "scope": "Namespaced" if item["namespaced"] else "Cluster",
        "singularResource": item["singularName"],
        "verbs": item["verbs"],
        "shortNames": item.get("shortNames", []),
        "categories": item.get("categories", []),
        "subresources": [
            {
                "subresource": below["name"].removeprefix(prefix),
                "responseKind": {
                    "group": below.get("group", group),
                    "version": below.get("version", version),
                    "kind": below["kind"],
                },
                "verbs": below["verbs"],
            }
            for below in listed
            if below["name"].startswith(prefix)
        ],
    }
