"""Keeps secrets out of the diary: values whose key names a secret, and values that look like one."""

from __future__ import annotations

import re
from typing import Any

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"(^|[_\-.])(password|passwd|token|secret|authorization|api[_\-]?key|private[_\-]?key|client[_\-]?key|credential)s?"
    r"([_\-.](data|value))?$",
    re.IGNORECASE,
)
# A secret's *name* is not a secret: modelAccessSecret, imagePullSecrets, secretName, secretKeyRef stay readable.
_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_DROPPED = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})


def redacted(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of `value` (JSON) in which secrets are replaced; env entries are judged by their name."""
    if isinstance(value, dict):
        return _redacted_mapping(value)
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    if isinstance(value, str):
        return _SECRET_VALUE.sub(REDACTED, value)
    return value


def _redacted_mapping(value: dict[str, Any]) -> dict[str, Any]:
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
        result[key] = REDACTED if hides and item else redacted(item)
    return result
