"""Who asks, and what: identities, the tokens of the sandbox's own three users, and the question
that an authorizer is asked. What they may do is for `sandbox.rbac`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

AUTHENTICATED = "system:authenticated"
KAITOWEB = "system:serviceaccount:kaitoweb:kaitoweb"
MASTERS = "system:masters"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
VIEWER = "sandbox-viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict, hash=False)

    def authenticated(self) -> Identity:
        """Everybody who was let in is in this group."""
        if AUTHENTICATED in self.groups:
            return self
        return replace(self, groups=(*self.groups, AUTHENTICATED))


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


def service_account_user(namespace: str, name: str) -> str:
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


IDENTITIES = {
    "admin": Identity(user="sandbox-admin", groups=(MASTERS,)),
    "kaitoweb": Identity(user=KAITOWEB, groups=service_account_groups("kaitoweb")),
    "viewer": Identity(user=VIEWER),
}


def new_tokens() -> dict[str, str]:
    return {name: secrets.token_urlsafe(32) for name in IDENTITIES}


@dataclass(slots=True)
class Authority:
    """Knows its own users by random tokens, and signs those of service accounts with a key."""

    tokens: dict[str, str] = field(default_factory=new_tokens)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def identify(self, token: str) -> Identity | None:
        names = [
            name
            for name, known in self.tokens.items()
            if secrets.compare_digest(known.encode(), token.encode())
        ]
        return IDENTITIES[names[0]].authenticated() if names else None


def kept_tokens(path: Path) -> dict[str, str]:
    """The tokens of the last start, so that a kubeconfig works over restarts; made at the first."""
    if path.exists():
        saved = orjson.loads(path.read_bytes())
        if saved.keys() == IDENTITIES.keys():
            return dict(saved)
    tokens = new_tokens()
    write_private(path, orjson.dumps(tokens))
    return tokens


def kept_key(path: Path) -> bytes:
    """So that the tokens of service accounts outlive a restart, too."""
    if not path.exists():
        write_private(path, secrets.token_bytes(32))
    return path.read_bytes()


def write_private(path: Path, content: bytes) -> None:
    """Atomically, readable by the owner only from the first moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    draft.replace(path)
