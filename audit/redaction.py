"""Keeps secrets out of what is stored and shown: values whose key names a secret, and words that look like one.

Also makes a JSON value one that every database gives back as it was, since the chain of the audit hashes it.
"""

from __future__ import annotations

import re
from typing import Any

REDACTED = "[redacted]"
TOO_DEEP = "[nested too deep]"
DEEPEST = 64  # levels; manifests have some twenty, and deep ones are made to hurt

_NAMES = r"(?:password|passwd|token|secret|api[_\-]?key)"
_SECRET_KEY = re.compile(
    r"(^|[_\-.])(password|passwd|token|secret|authorization|api[_\-]?key|private[_\-]?key|client[_\-]?key|credential)s?"
    r"([_\-.](data|value))?$",
    re.IGNORECASE,
)
# A secret's *name* is not a secret: modelAccessSecret, imagePullSecrets, secretName, secretKeyRef stay readable.
# Every alternative begins at the start of a word or at a fixed text, so that hostile words cost no more than their length.
_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}"
    r"|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JWT
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)"
    r"|(?<=[Bb]earer )[^\s\"']{8,}"
    r"|(?<=[?&]sig=)[^&\s]+"  # the signature of an Azure SAS URL
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",  # user and password in a URL
    re.DOTALL,
)
# TOKEN=… and --token=… or --token …, as in a command line; a reference to a variable is none.
_ASSIGNED = re.compile(
    rf"(?<![\w-])((?:[\w-]*?{_NAMES}=|--[\w-]*?{_NAMES}\s))(?![$\-\[])[^\s\"'&;|]+",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"--[\w-]*{_NAMES}", re.IGNORECASE)
_DROPPED = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})


def redacted(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of `value` (JSON) in which secrets are replaced; env entries are judged by their name."""
    return _redacted(value, DEEPEST)


def _redacted(value: Any, levels: int) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _ASSIGNED.sub(rf"\1{REDACTED}", _SECRET_VALUE.sub(REDACTED, value))
    if isinstance(value, int | float):
        return _number(value)
    if not isinstance(value, dict | list | tuple):
        return value
    if levels == 0:
        return TOO_DEEP
    if isinstance(value, dict):
        return _redacted_mapping(value, levels - 1)
    return _redacted_items(value, levels - 1)


def _redacted_mapping(value: dict[str, Any], levels: int) -> dict[str, Any]:
    is_secret_env = isinstance(value.get("name"), str) and bool(_SECRET_KEY.search(value["name"]))
    is_secret_object = value.get("kind") == "Secret"
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key in _DROPPED:
            continue
        hides = (
            (isinstance(item, str) and _SECRET_KEY.search(key))
            or (is_secret_env and key == "value")
            or (is_secret_object and key in {"data", "stringData"})
        )
        result[key] = REDACTED if hides and item else _redacted(item, levels)
    return result


def _redacted_items(value: list[Any] | tuple[Any, ...], levels: int) -> list[Any]:
    """A list; in one of arguments, what follows a flag like --api-key is its value."""
    result: list[Any] = []
    for before, item in zip((None, *value), value, strict=False):
        follows_flag = isinstance(before, str) and isinstance(item, str) and _FLAG.fullmatch(before)
        hides = follows_flag and item and item[0] not in "$-"
        result.append(REDACTED if hides else _redacted(item, levels))
    return result


def _number(value: float) -> int | float | str:
    """As PostgreSQL's jsonb gives it back: it writes 1e16 out, has no -0.0, and 64 bits are what can be hashed."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and not value.is_integer():
        return value if abs(value) < float("inf") else str(value)
    return int(value) if abs(value) < 2**63 else str(value)
