"""Volume claims: bound by the provisioner of their class, at once or when a pod uses them.

https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import pace
from sandbox.kaito.mounts import claim_names
from sandbox.kaito.world import World
from sandbox.resources import PODS, PVCS, PVS, STORAGECLASSES

MANAGER = "kube-controller-manager"
COMPONENT = "persistentvolume-controller"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
WAIT, IMMEDIATE = "WaitForFirstConsumer", "Immediate"

Raw = dict[str, Any]


class Volumes:
    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        claim = self._world.get(PVCS, namespace, name)
        phase = ((claim or {}).get("status") or {}).get("phase")
        if claim is None or phase == "Bound" or "deletionTimestamp" in claim["metadata"]:
            return None
        if phase is None:
            claim = self._world.write_status(PVCS, claim, {"phase": "Pending"}, MANAGER)
        mode = binding_mode(self._world, claim)
        if mode is None:
            self._tell_no_class(claim)
            return pace.LOOK_AGAIN_S
        if mode == WAIT and not self._is_used(claim):
            said = "waiting for first consumer to be created before binding"
            self._world.recorder.record(claim, "Normal", WAIT, said, COMPONENT)
            return None
        self._bind(claim)
        return None

    def _tell_no_class(self, claim: Raw) -> None:
        name = class_name(self._world, claim)
        if name:
            said = f'storageclass.storage.k8s.io "{name}" not found'
            self._world.recorder.record(claim, "Warning", "ProvisioningFailed", said, COMPONENT)
            return
        said = "no persistent volumes available for this claim and no storage class is set"
        self._world.recorder.record(claim, "Normal", "FailedBinding", said, COMPONENT)

    def _is_used(self, claim: Raw) -> bool:
        """A pod that uses it has got a node."""
        metadata = claim["metadata"]
        return any(
            stored.object["spec"].get("nodeName") and metadata["name"] in claim_names(stored.object)
            for stored in self._world.store.snapshot_of(PODS, metadata["namespace"])
        )

    def _bind(self, claim: Raw) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        volume = f"pvc-{metadata['uid']}"
        storage = class_name(self._world, claim)
        capacity = (spec.get("resources") or {}).get("requests") or {}
        if not self._world.exists(PVS, None, volume):
            self._world.store.create(
                PVS, _volume(claim, volume, storage, capacity), manager=MANAGER
            )
        claim["spec"] = spec | {"volumeName": volume, "storageClassName": storage}
        claim = self._world.write(PVCS, claim, MANAGER)
        status = {
            "phase": "Bound",
            "accessModes": spec.get("accessModes", []),
            "capacity": capacity,
        }
        self._world.write_status(PVCS, claim, status, MANAGER)
        said = f"Successfully provisioned volume {volume}"
        self._world.recorder.record(claim, "Normal", "ProvisioningSucceeded", said, COMPONENT)


def class_name(world: World, claim: Raw) -> str:
    """The named class, or the default one; empty when there is none."""
    named = claim["spec"].get("storageClassName")
    if named is not None:
        return named
    classes = [stored.object for stored in world.store.snapshot_of(STORAGECLASSES)]
    marked = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    return next(iter(marked), "")


def binding_mode(world: World, claim: Raw) -> str | None:
    """None: there is no such class, so nothing will bind the claim."""
    found = world.store.peek(STORAGECLASSES, None, class_name(world, claim))
    return found.object.get("volumeBindingMode", IMMEDIATE) if found else None


def _volume(claim: Raw, name: str, storage: str, capacity: Raw) -> Raw:
    metadata = claim["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }
    spec = {
        "accessModes": claim["spec"].get("accessModes", []),
        "capacity": capacity,
        "claimRef": reference,
        "csi": {"driver": "disk.csi.azure.com", "volumeHandle": name},
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": storage,
        "volumeMode": "Filesystem",
    }
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Bound"}}
