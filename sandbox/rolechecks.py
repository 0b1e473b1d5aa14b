"""What the API server asks of roles and bindings before it keeps them.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/rbac/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    RBAC_GROUP,
    ROLEBINDINGS,
    ROLES,
    Resource,
)
from sandbox.status import Cause

Object = dict[str, Any]

REF_FIELDS = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}  # as Go shows a RoleRef
SUBJECT_GROUPS = {"ServiceAccount": "", "User": RBAC_GROUP, "Group": RBAC_GROUP}


def set_defaults(obj: Object) -> Object:
    """https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/rbac/v1/defaults.go"""
    if isinstance(obj.get("roleRef"), dict):
        obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or RBAC_GROUP
    for subject in obj.get("subjects") or ():
        if SUBJECT_GROUPS.get(subject.get("kind")):
            subject.setdefault("apiGroup", RBAC_GROUP)
    return obj


def check(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    if resource.key in (ROLES.key, CLUSTERROLES.key):
        rules = enumerate(obj.get("rules") or ())
        return [
            cause
            for index, rule in rules
            for cause in _check_rule(rule, f"rules[{index}]", namespaced=resource.namespaced)
        ]
    if resource.key in (ROLEBINDINGS.key, CLUSTERROLEBINDINGS.key):
        return [*_check_ref(resource, obj, old), *_check_subjects(resource, obj)]
    return []


def _check_rule(rule: Object, at: str, *, namespaced: bool) -> Iterator[Cause]:
    urls = rule.get("nonResourceURLs")
    if not rule.get("verbs"):
        yield _required(f"{at}.verbs", "verbs must contain at least one value")
    if urls:
        why = ""
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
        elif rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
        if why:
            yield _invalid(f"{at}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield _required(f"{at}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield _required(f"{at}.resources", "resource rules must supply at least one resource")


def _check_ref(resource: Resource, obj: Object, old: Object | None) -> Iterator[Cause]:
    ref = obj.get("roleRef") or {}
    kinds = ["Role", "ClusterRole"] if resource.namespaced else ["ClusterRole"]
    if old is not None and old["roleRef"] != ref:
        shown = {name: ref.get(key, "") for name, key in REF_FIELDS.items()}
        yield _invalid("roleRef", shown, "cannot change roleRef")
    if ref.get("apiGroup", RBAC_GROUP) != RBAC_GROUP:
        yield _unsupported("roleRef.apiGroup", ref["apiGroup"], [RBAC_GROUP])
    if ref.get("kind") not in kinds:
        yield _unsupported("roleRef.kind", ref.get("kind", ""), kinds)
    if not ref.get("name"):
        yield _required("roleRef.name", "")


def _check_subjects(resource: Resource, obj: Object) -> Iterator[Cause]:
    for index, subject in enumerate(obj.get("subjects") or ()):
        at, kind = f"subjects[{index}]", subject.get("kind", "")
        if not subject.get("name"):
            yield _required(f"{at}.name", "")
        if kind not in SUBJECT_GROUPS:
            yield _unsupported(f"{at}.kind", kind, list(SUBJECT_GROUPS))
        elif subject.get("apiGroup", "") != SUBJECT_GROUPS[kind]:
            yield _unsupported(f"{at}.apiGroup", subject["apiGroup"], [SUBJECT_GROUPS[kind]])
        elif kind == "ServiceAccount" and not resource.namespaced and not subject.get("namespace"):
            yield _required(f"{at}.namespace", "")


def _required(field: str, why: str) -> Cause:
    return Cause("FieldValueRequired", field, f"Required value{': ' if why else ''}{why}")


def _invalid(field: str, value: object, why: str) -> Cause:
    text = orjson.dumps(value).decode()
    return Cause("FieldValueInvalid", field, f"Invalid value: {text}: {why}")


def _unsupported(field: str, value: str, supported: list[str]) -> Cause:
    said = ", ".join(f'"{each}"' for each in supported)
    text = f'Unsupported value: "{value}": supported values: {said}'
    return Cause("FieldValueNotSupported", field, text)
