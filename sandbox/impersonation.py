"""Acting as somebody else: the `Impersonate-*` headers, each of which needs a right of its own.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from sandbox import status
from sandbox.auth import (
    SERVICE_ACCOUNT_PREFIX,
    Attributes,
    Identity,
    service_account_groups,
)
from sandbox.rbac import Verdict

Headers = CIMultiDictProxy[str]
Judge = Callable[[Identity, Attributes], Verdict]

GROUP = "Impersonate-Group"
UID = "Impersonate-Uid"
USER = "Impersonate-User"
NODE_PREFIX = "system:node:"
EXTRA_PREFIX = "impersonate-extra-"
AUTHENTICATION = "authentication.k8s.io"


def impersonated(
    headers: Headers, identity: Identity, judge: Judge, request: Attributes
) -> Identity:
    """Whom the request acts as: the caller, unless the headers name somebody else."""
    user, groups, uid = headers.get(USER, ""), headers.getall(GROUP, []), headers.get(UID, "")
    extra = _extra(headers)
    if not user:
        if groups or uid or extra:
            raise status.bad_request("requested impersonation without impersonating a user")
        return identity
    has_more = bool(groups or uid or extra)
    for asked in _questions(user, groups, uid, extra):
        verdict = judge(identity, asked)
        if not verdict.allowed:
            refused = _constrained(user, has_more, request) or asked
            raise status.forbidden_to(identity.user, refused, verdict.reason)
    if not groups and user.startswith(SERVICE_ACCOUNT_PREFIX):
        groups = list(service_account_groups(_account(user)[0]))
    return Identity(user=user, groups=tuple(groups), uid=uid, extra=extra).authenticated()


def _extra(headers: Headers) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for header, value in headers.items():
        name = header.lower()
        if name.startswith(EXTRA_PREFIX):
            found.setdefault(unquote(name.removeprefix(EXTRA_PREFIX)), []).append(value)
    return found


def _questions(
    user: str, groups: list[str], uid: str, extra: dict[str, list[str]]
) -> Iterator[Attributes]:
    yield _about_user(user)
    for group in groups:
        yield Attributes(verb="impersonate", resource="groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes(
                verb="impersonate", group=AUTHENTICATION, resource="userextras", subresource=key,
                name=value,
            )  # fmt: skip
    if uid:
        yield Attributes(verb="impersonate", group=AUTHENTICATION, resource="uids", name=uid)


def _about_user(user: str) -> Attributes:
    if not user.startswith(SERVICE_ACCOUNT_PREFIX):
        return Attributes(verb="impersonate", resource="users", name=user)
    namespace, name = _account(user)
    return Attributes(
        verb="impersonate", resource="serviceaccounts", namespace=namespace, name=name
    )


def _constrained(user: str, has_more: bool, request: Attributes) -> Attributes | None:
    """What the refusal names: the first thing that was asked, which is a newer and narrower right.

    https://kep.k8s.io/5284
    """
    mode = "user-info"
    for prefix, own in (
        (SERVICE_ACCOUNT_PREFIX, "serviceaccount"),
        (NODE_PREFIX, "arbitrary-node"),
    ):
        if user.startswith(prefix):
            if has_more:
                return None
            mode = own
    return replace(request, verb=f"impersonate-on:{mode}:{request.verb}")


def _account(user: str) -> tuple[str, str]:
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return namespace, name
