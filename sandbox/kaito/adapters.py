"""LoRA adapters in the pod of a preset: fetched by an init container each, or mounted. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PULLER_IMAGE = "mcr.microsoft.com/oss/v2/oras-project/oras:v1.2.3"
ROOT = "/mnt/adapter"
SHARED = {"name": "adapter-volume", "mountPath": ROOT}

Raw = dict[str, Any]


def _sources(ws: Raw) -> Iterator[Raw]:
    for adapter in ws["inference"].get("adapters") or []:
        yield adapter.get("source") or {}


def pullers(ws: Raw) -> list[Raw]:
    return [_puller(source) for source in _sources(ws) if source.get("volumeSource") is None]


def _puller(source: Raw) -> Raw:
    name = source.get("name", "")
    return {
        "name": f"puller-{name}",
        "image": PULLER_IMAGE,
        "command": ["oras", "pull", source.get("image", ""), "-o", f"{ROOT}/{name}"],
        "volumeMounts": [SHARED],
    }


def volumes(ws: Raw) -> list[tuple[Raw, Raw]]:
    """Each with its mount in the main container."""
    pairs: list[tuple[Raw, Raw]] = []
    if any(source.get("volumeSource") is None for source in _sources(ws)):
        pairs.append(({"name": "adapter-volume", "emptyDir": {}}, SHARED))
    for source in _sources(ws):
        if source.get("volumeSource") is not None:
            name = f"adapter-{source.get('name', '')}"
            mount = {"name": name, "mountPath": f"{ROOT}/{source.get('name', '')}"}
            pairs.append(({"name": name} | source["volumeSource"], mount))
    return pairs


def secret_volumes(ws: Raw) -> list[Raw]:
    """The credentials that the init containers pull with."""
    return [
        {"name": f"docker-config-{source.get('name', '')}", "secret": {"secretName": secret}}
        for source in _sources(ws)
        for secret in source.get("imagePullSecrets") or []
    ]


def names_in(pod: Raw) -> tuple[str, ...]:
    """What the server in a pod can load: each adapter has a folder of its own."""
    fetched = [
        each["name"].removeprefix("puller-")
        for each in pod["spec"].get("initContainers") or []
        if each["name"].startswith("puller-")
    ]
    paths = [each["mountPath"] for each in pod["spec"]["containers"][0].get("volumeMounts") or []]
    mounted = [path.removeprefix(f"{ROOT}/") for path in paths if path.startswith(f"{ROOT}/")]
    return (*fetched, *mounted)
