"""What a pod's volumes and service account refer to, and the sentence when it is not there. Pure.

`read` gives the data of a Secret or ConfigMap; `claim` a PersistentVolumeClaim by its name.
https://kubernetes.io/docs/concepts/storage/volumes/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.kaito.environment import Read

Raw = dict[str, Any]
FindClaim = Callable[[str], Raw | None]


def mount_failure(pod: Raw, read: Read) -> str | None:
    """The kubelet's sentence on the first Secret or ConfigMap that cannot be mounted."""
    namespace = pod["metadata"]["namespace"]
    for volume, kind, name, keys, is_optional in _files(pod):
        data = read(kind, name)
        if is_optional:
            continue
        start = f'MountVolume.SetUp failed for volume "{volume}" : '
        if data is None:
            return f'{start}{kind} "{name}" not found'
        missing = next((key for key in keys if key not in data), None)
        if missing is not None:
            said = "secret" if kind == "secret" else "config map"
            return f"{start}references non-existent {said} key: {missing} in {namespace}/{name}"
    return None


def claim_names(pod: Raw) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    claims = [(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes]
    return [name for name in claims if name]


def claim_problem(pod: Raw, claim: FindClaim, waits: Callable[[Raw], bool]) -> str | None:
    """The scheduler's sentence on the first volume claim that keeps a pod from being placed.

    `waits`: whether a claim that is not bound only waits for its first consumer.
    """
    for name in claim_names(pod):
        found = claim(name)
        if found is None:
            return f'persistentvolumeclaim "{name}" not found'
        if "deletionTimestamp" in found["metadata"]:
            return f'persistentvolumeclaim "{name}" is being deleted'
        if (found.get("status") or {}).get("phase") != "Bound" and not waits(found):
            return "pod has unbound immediate PersistentVolumeClaims"
    return None


def _files(pod: Raw) -> Iterator[tuple[str, str, str, list[str], bool]]:
    """Volume, kind, name, wanted keys, whether it may be missing."""
    for volume in pod["spec"].get("volumes") or []:
        for field, kind, key in (
            ("secret", "secret", "secretName"),
            ("configMap", "configmap", "name"),
        ):
            source = volume.get(field)
            if source is not None:
                items = [item["key"] for item in source.get("items") or []]
                is_optional = bool(source.get("optional"))
                yield volume["name"], kind, source.get(key, ""), items, is_optional
