"""What a container's environment refers to: is it there, and is there a Hugging Face token in it?

Pure but for `read`, which gives the data of a Secret or ConfigMap by kind and name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

Raw = dict[str, Any]
Read = Callable[[str, str], dict[str, str] | None]


def missing_reference(pod: Raw, read: Read) -> str | None:
    """The kubelet's sentence on the first reference that is not optional and leads nowhere."""
    namespace = pod["metadata"]["namespace"]
    for _, kind, reference in _references(pod):
        if reference.get("optional"):
            continue
        data = read(kind, reference["name"])
        if data is None:
            return f'{kind} "{reference["name"]}" not found'
        if reference["key"] not in data:
            said = "Secret" if kind == "secret" else "ConfigMap"
            return f"couldn't find key {reference['key']} in {said} {namespace}/{reference['name']}"
    return None


def has_token(pod: Raw, read: Read) -> bool:
    env = pod["spec"]["containers"][0].get("env") or []
    if any(each.get("value") for each in env if each["name"] in TOKEN_NAMES):
        return True
    for name, kind, reference in _references(pod):
        value = (read(kind, reference["name"]) or {}).get(reference["key"], "")
        if name in TOKEN_NAMES and (_decoded(value) if kind == "secret" else value):
            return True
    return False


def _references(pod: Raw) -> Iterator[tuple[str, str, Raw]]:
    for container in pod["spec"]["containers"]:
        for each in container.get("env") or []:
            source = each.get("valueFrom") or {}
            if "secretKeyRef" in source:
                yield each["name"], "secret", source["secretKeyRef"]
            elif "configMapKeyRef" in source:
                yield each["name"], "configmap", source["configMapKeyRef"]


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value).strip()
    except binascii.Error:
        return b""
