"""Access reviews and "who am I", answered from the same rules that refuse requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox import protobuf, status
from sandbox.answers import json_answer
from sandbox.auth import Attributes, Authority, Identity, Rule
from sandbox.calls import content_type, decode_object, read_body
from sandbox.routing import Target

Object = dict[str, Any]
Reviewer = Callable[[Authority, Identity, Object], Object]


async def review(
    request: web.Request, authority: Authority, identity: Identity, kind: str
) -> web.Response:
    if request.method != "POST":
        raise status.method_not_allowed()
    body = await read_body(request)
    media_type = content_type(request)
    if media_type == protobuf.MEDIA_TYPE:
        # kubectl >= 1.32 sends reviews in protobuf and does not fall back to JSON.
        asked = protobuf.decode_object(body)
    else:
        asked = decode_object(body, media_type)
    answer = REVIEWERS[kind](authority, identity, asked)
    return json_answer(asked | answer, 201)


def reviewed_kind(target: Target) -> str | None:
    return KINDS.get((target.group, target.version, target.plural))


def _self_access(authority: Authority, identity: Identity, asked: Object) -> Object:
    spec = asked.get("spec", {})
    return _access(authority, identity.user, identity.groups, spec)


def _access_of_other(authority: Authority, identity: Identity, asked: Object) -> Object:
    spec = asked.get("spec", {})
    groups = tuple(spec.get("groups") or ())
    return _access(authority, spec.get("user", ""), groups, spec)


def _access(authority: Authority, user: str, groups: tuple[str, ...], spec: Object) -> Object:
    allowed = authority.allows(user, groups, _attributes(spec))
    return {"status": {"allowed": allowed} | ({"reason": "RBAC: allowed"} if allowed else {})}


def _attributes(spec: Object) -> Attributes:
    about_path = spec.get("nonResourceAttributes")
    if about_path:
        return Attributes(verb=about_path.get("verb", ""), path=about_path.get("path", ""))
    about = spec.get("resourceAttributes")
    if not about:
        raise status.bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(**{name: about.get(name, "") for name in names})


def _self_rules(authority: Authority, identity: Identity, asked: Object) -> Object:
    rules = authority.rules_of(identity.user, identity.groups)
    return {
        "status": {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [
                {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.paths)}
                for rule in rules
                if rule.paths
            ],
            "incomplete": False,
        }
    }


def _resource_rule(rule: Rule) -> Object:
    return {
        "verbs": list(rule.verbs),
        "apiGroups": list(rule.groups),
        "resources": list(rule.resources),
    }


def _self(authority: Authority, identity: Identity, asked: Object) -> Object:
    info: Object = {"username": identity.user, "groups": list(identity.groups)}
    return {"status": {"userInfo": info | ({"uid": identity.uid} if identity.uid else {})}}


REVIEWERS: dict[str, Reviewer] = {
    "SelfSubjectAccessReview": _self_access,
    "SubjectAccessReview": _access_of_other,
    "SelfSubjectRulesReview": _self_rules,
    "SelfSubjectReview": _self,
}
KINDS = {
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "v1", "subjectaccessreviews"): "SubjectAccessReview",
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "v1", "selfsubjectreviews"): "SelfSubjectReview",
}
