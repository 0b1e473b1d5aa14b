"""Access reviews and "who am I", answered from the same objects that refuse requests.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from sandbox import protobuf, status
from sandbox.answers import json_answer
from sandbox.auth import Attributes, Identity
from sandbox.calls import content_type, decode_object, read_body
from sandbox.clock import rfc3339
from sandbox.cluster import Cluster
from sandbox.rbac import Rule
from sandbox.resources import Resource
from sandbox.routing import Target
from sandbox.status import Cause

Object = dict[str, Any]
Reviewer = Callable[[Cluster, Identity, Object], Object]

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
LOCAL = "LocalSubjectAccessReview"


async def review(
    request: web.Request, cluster: Cluster, identity: Identity, target: Target
) -> web.Response:
    if request.method != "POST":
        raise status.method_not_allowed()
    kind = KINDS[target.group, target.version, target.plural]
    asked = await _read(request)
    asked["metadata"] = asked.get("metadata") or {}
    about = {"kind": kind, "apiVersion": f"{target.group}/{target.version}"}
    if kind == LOCAL:
        _check_local(asked, target.namespace)
    answer = REVIEWERS[kind](cluster, identity, asked)
    if kind == "SelfSubjectReview":
        asked["metadata"] = {"creationTimestamp": rfc3339(cluster.clock.now())}
    return json_answer(asked | about | answer, 201)


def is_review(target: Target) -> bool:
    """The local one is the only one of them that is in a namespace."""
    kind = KINDS.get((target.group, target.version, target.plural))
    return kind is not None and (kind == LOCAL) is bool(target.namespace) and not target.name


async def _read(request: web.Request) -> Object:
    body = await read_body(request)
    media_type = content_type(request)
    if media_type == protobuf.MEDIA_TYPE:
        # kubectl >= 1.32 sends reviews in protobuf and does not fall back to JSON.
        return protobuf.decode_object(body)
    return decode_object(body, media_type)


def _self_access(cluster: Cluster, identity: Identity, asked: Object) -> Object:
    spec = asked.get("spec") or {}
    _check_attributes(spec)
    return _verdict(cluster, identity, spec)


def _access_of_other(cluster: Cluster, identity: Identity, asked: Object) -> Object:
    spec = asked.get("spec") or {}
    _check_attributes(spec)
    user, groups = spec.get("user") or "", tuple(spec.get("groups") or ())
    if not user and not groups:
        why = 'Invalid value: "": at least one of user or group must be specified'
        raise _invalid("spec.user", why)
    return _verdict(cluster, Identity(user=user, groups=groups), spec)


def _verdict(cluster: Cluster, identity: Identity, spec: Object) -> Object:
    allowed, reason = cluster.authorizer.judge(identity, _attributes(spec))
    return {"status": {"allowed": allowed} | ({"reason": reason} if reason else {})}


def _attributes(spec: Object) -> Attributes:
    about_path = spec.get("nonResourceAttributes")
    if about_path:
        return Attributes(verb=about_path.get("verb", ""), path=about_path.get("path", ""))
    about = spec["resourceAttributes"]
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(**{name: about.get(name) or "" for name in names})


def _check_attributes(spec: Object) -> None:
    both = [spec.get(name) for name in ("resourceAttributes", "nonResourceAttributes")]
    if all(both):
        why = "cannot be specified in combination with resourceAttributes"
        raise _no_path(spec["nonResourceAttributes"], why)
    if not any(both):
        why = (
            "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must "
            "be specified"
        )
        raise _invalid("spec.resourceAttributes", why)


def _check_local(asked: Object, namespace: str) -> None:
    if asked["metadata"].setdefault("namespace", namespace) != namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    spec = asked.get("spec") or {}
    if spec.get("nonResourceAttributes"):
        raise _no_path(spec["nonResourceAttributes"], "disallowed on this kind of request")
    about = (spec.get("resourceAttributes") or {}).get("namespace", "")
    if about != namespace:
        why = f'Invalid value: "{about}": must match metadata.namespace'
        raise _invalid("spec.resourceAttributes.namespace", why)


def _no_path(asked: Object, why: str) -> status.StatusError:
    shown = orjson.dumps({"Path": asked.get("path", ""), "Verb": asked.get("verb", "")}).decode()
    return _invalid("spec.nonResourceAttributes", f"Invalid value: {shown}: {why}")


def _invalid(field: str, message: str) -> status.StatusError:
    """The server has forgotten the kind when it comes to judge."""
    about = Resource(group=AUTHORIZATION, version="v1", plural="", singular="", kind="")
    return status.invalid(about, "", [Cause("FieldValueInvalid", field, message)])


def _self_rules(cluster: Cluster, identity: Identity, asked: Object) -> Object:
    namespace = (asked.get("spec") or {}).get("namespace")
    if not namespace:
        raise status.bad_request("no namespace on request")
    grants = cluster.authorizer.grants(identity, namespace)
    rules = [rule for rule, _ in grants.rules]
    said: Object = {
        "resourceRules": [_resource_rule(rule) for rule in rules if rule.get("resources")],
        "nonResourceRules": [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in rules
            if rule.get("nonResourceURLs")
        ],
        "incomplete": bool(grants.errors),
    }
    return {"status": said | ({"evaluationError": grants.errors[0]} if grants.errors else {})}


def _resource_rule(rule: Rule) -> Object:
    names = ("verbs", "apiGroups", "resources", "resourceNames")
    return {name: rule[name] for name in names if rule.get(name)}


def _self(cluster: Cluster, identity: Identity, asked: Object) -> Object:
    return {"status": {"userInfo": _user_info(identity)}}


def _token(cluster: Cluster, identity: Identity, asked: Object) -> Object:
    token = (asked.get("spec") or {}).get("token")
    if not token:
        raise status.bad_request("token is required for TokenReview in authentication")
    found = cluster.identify(token)
    if found is None:
        return {"status": {"user": {}, "error": "invalid bearer token"}}
    return {"status": {"authenticated": True, "user": _user_info(found)}}


def _user_info(identity: Identity) -> Object:
    info: Object = {"username": identity.user, "groups": list(identity.groups)}
    if identity.uid:
        info["uid"] = identity.uid
    return info | ({"extra": dict(identity.extra)} if identity.extra else {})


REVIEWERS: dict[str, Reviewer] = {
    "SelfSubjectAccessReview": _self_access,
    "SubjectAccessReview": _access_of_other,
    LOCAL: _access_of_other,
    "SelfSubjectRulesReview": _self_rules,
    "SelfSubjectReview": _self,
    "TokenReview": _token,
}
KINDS = {
    (AUTHORIZATION, "v1", "localsubjectaccessreviews"): LOCAL,
    (AUTHORIZATION, "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    (AUTHORIZATION, "v1", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    (AUTHORIZATION, "v1", "subjectaccessreviews"): "SubjectAccessReview",
    (AUTHENTICATION, "v1", "selfsubjectreviews"): "SelfSubjectReview",
    (AUTHENTICATION, "v1", "tokenreviews"): "TokenReview",
}
