"""Reads a kubeconfig as the untrusted text that it is. Pure: opens no file, runs no command, asks nobody.

The official loader would read any file that it names and run any command; here only what is in the text counts:
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

SIZE_LIMIT_BYTES = 256 * 1024
NESTING_LIMIT = 100
BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
ENDPOINT_LIMIT = 512  # characters, of Cluster.endpoint
FLATTEN = "`kubectl config view --raw --flatten --minify` writes one that holds everything itself."

REFUSED_IN_CLUSTER = {
    "insecure-skip-tls-verify": "kaitoweb talks to no cluster whose certificate it may not check. Give certificate-authority-data instead.",
    "certificate-authority": f"It names a file, and kaitoweb reads no files for a kubeconfig. {FLATTEN}",
    "proxy-url": "kaitoweb does not reach clusters through a proxy.",
}
REFUSED_IN_USER = {
    "exec": "kaitoweb never runs a command that a kubeconfig names. Use a service account's token: `kubectl create token`.",
    "auth-provider": "Kubernetes removed these plugins in 1.26. Use a service account's token: `kubectl create token`.",
    "tokenFile": f"It names a file, and kaitoweb reads no files for a kubeconfig. {FLATTEN}",
    "client-certificate": f"It names a file, and kaitoweb reads no files for a kubeconfig. {FLATTEN}",
    "client-key": f"It names a file, and kaitoweb reads no files for a kubeconfig. {FLATTEN}",
    "username": "Kubernetes removed sign-in by password in 1.19. Use a token or a client certificate.",
    "password": "Kubernetes removed sign-in by password in 1.19. Use a token or a client certificate.",
    "as": "kaitoweb does not act as somebody else. Use that account's own token.",
}


class KubeconfigError(ValueError):
    """`message` is for the person who gave the text; `line` counts from 1, None where no line is at fault."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One context of a kubeconfig: where the cluster is, and the secrets to get in."""

    context: str
    endpoint: str
    ca_pem: str = ""
    tls_server_name: str = ""
    namespace: str = "default"
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


def parse_kubeconfig(text: str, *, context: str = "") -> Connection:
    """The connection of `context`, or of the text's current one. Raises KubeconfigError."""
    raw = _load(text)
    chosen = _named(raw, "contexts", "context", context or _current(raw))
    cluster = _named(raw, "clusters", "cluster", str(chosen.get("cluster") or ""))
    user = _named(raw, "users", "user", str(chosen.get("user") or ""))
    _refuse(cluster, REFUSED_IN_CLUSTER)
    _refuse(user, REFUSED_IN_USER)
    return Connection(
        context=context or _current(raw),
        endpoint=_endpoint(cluster),
        ca_pem=_certificates(cluster, "certificate-authority-data"),
        tls_server_name=_name(cluster, "tls-server-name", limit=253),
        namespace=_name(chosen, "namespace", limit=63) or "default",
        secrets=_secrets(user),
    )


def context_names(text: str) -> list[str]:
    """The contexts to choose from, the current one first. Raises KubeconfigError."""
    raw = _load(text)
    names = [str(c["name"]) for c in _entries(raw, "contexts")]
    current = str(raw.get("current-context") or "")
    return sorted(names, key=lambda n: n != current)


def _load(text: str) -> CommentedMap:
    if len(text.encode(errors="replace")) > SIZE_LIMIT_BYTES:
        raise KubeconfigError("This is larger than 256 KiB; no kubeconfig is.")
    if _nesting(text) > NESTING_LIMIT:
        raise KubeconfigError("This is nested more deeply than any kubeconfig.")
    try:
        # Round-trip mode builds no objects from tags, and knows the line of each key.
        raw = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise KubeconfigError(
            f"This is not YAML: {error.problem}.", mark.line + 1 if mark else None
        ) from error
    except (YAMLError, RecursionError, ValueError, AttributeError) as error:
        # ruamel.yaml trips over a mapping that is merged into itself (AttributeError).
        raise KubeconfigError("This is not YAML.") from error
    if not isinstance(raw, CommentedMap) or "clusters" not in raw:
        raise KubeconfigError("This is not a kubeconfig: it names no clusters.")
    return raw


def _nesting(text: str) -> int:
    """Open brackets at the deepest point; the parser's time grows with the square of it."""
    depths = itertools.accumulate(BRACKETS[c] for c in text if c in BRACKETS)
    return max(depths, default=0)


def _current(raw: CommentedMap) -> str:
    names = [str(c["name"]) for c in _entries(raw, "contexts")]
    current = str(raw.get("current-context") or "")
    if current or not names:
        return current
    if len(names) > 1:
        raise KubeconfigError("It has several contexts and none is the current one. Choose one.")
    return names[0]


def _entries(raw: CommentedMap, section: str) -> list[CommentedMap]:
    found = raw.get(section)
    entries = found if isinstance(found, list) else []
    return [e for e in entries if isinstance(e, CommentedMap) and e.get("name")]


def _named(raw: CommentedMap, section: str, key: str, name: str) -> CommentedMap:
    """The body of the entry called `name`; the first of that name counts, as for kubectl."""
    for entry in _entries(raw, section):
        if str(entry["name"]) == name:
            body = entry.get(key)
            return body if isinstance(body, CommentedMap) else CommentedMap()
    line = raw.lc.key(section)[0] + 1 if section in raw else None
    raise KubeconfigError(
        f"It has no {key} named “{name}”." if name else f"It names no {key}.", line
    )


def _refuse(body: CommentedMap, refused: Mapping[str, str]) -> None:
    for key, why in refused.items():
        if body.get(key):
            raise KubeconfigError(f"{key} is not accepted. {why}", _line(body, key))


def _endpoint(cluster: CommentedMap) -> str:
    line = _line(cluster, "server")
    endpoint = str(cluster.get("server") or "").strip().rstrip("/")
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise KubeconfigError("server is not an address.", line) from error
    if parts.scheme not in ("https", "http") or not host or len(endpoint) > ENDPOINT_LIMIT:
        raise KubeconfigError("server must be an address that begins with https://.", line)
    if (
        parts.username is not None
        or parts.query
        or parts.fragment
        or not re.fullmatch(r"[!-~]+", endpoint)
    ):
        raise KubeconfigError(
            "server must be a plain address, without user, query or fragment.", line
        )
    return endpoint


def _name(body: CommentedMap, key: str, *, limit: int) -> str:
    name = str(body.get(key) or "")
    if len(name) > limit or not re.fullmatch(r"[-.a-zA-Z0-9]*", name):
        raise KubeconfigError(f"{key} is not a name.", _line(body, key))
    return name


def _secrets(user: CommentedMap) -> dict[str, str]:
    token = str(user.get("token") or "").strip()
    if not re.fullmatch(r"[!-~]*", token):  # it becomes a header
        raise KubeconfigError("token holds characters that no token has.", _line(user, "token"))
    secrets = {
        "token": token,
        "client_certificate_pem": _certificates(user, "client-certificate-data"),
        "client_key_pem": _key(user),
    }
    if bool(secrets["client_certificate_pem"]) != bool(secrets["client_key_pem"]):
        raise KubeconfigError(
            "client-certificate-data and client-key-data belong together; one is missing."
        )
    found = {name: value for name, value in secrets.items() if value}
    if not found:
        raise KubeconfigError("The user has neither a token nor a client certificate.")
    return found


def _certificates(body: CommentedMap, key: str) -> str:
    pem = _decoded(body, key)
    if pem:
        try:
            load_pem_x509_certificates(pem)
        except ValueError as error:
            raise KubeconfigError(f"{key} holds no certificate.", _line(body, key)) from error
    return pem.decode("ascii", "replace")


def _key(user: CommentedMap) -> str:
    pem = _decoded(user, "client-key-data")
    if pem:
        try:
            load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise KubeconfigError(
                "client-key-data holds no key that opens without a password.",
                _line(user, "client-key-data"),
            ) from error
    return pem.decode("ascii", "replace")


def _decoded(body: CommentedMap, key: str) -> bytes:
    value: Any = body.get(key) or ""
    try:
        return base64.b64decode("".join(str(value).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KubeconfigError(f"{key} is not base64.", _line(body, key)) from error


def _line(body: CommentedMap, key: str) -> int | None:
    return body.lc.key(key)[0] + 1 if key in body else None
