"""What the API server does to one object on its way into the store. Pure."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import orjson

from sandbox import status
from sandbox.resources import CRDS, NAMESPACES, PODS, Resource

Object = dict[str, Any]
Name = tuple[str, str]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
POD_GRACE_S = 30
# https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/rand/rand.go
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
# Left out when empty: https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/apis/meta/v1/types.go
OMITTED = ("labels", "annotations", "finalizers", "ownerReferences")
KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


class Stored(NamedTuple):
    """One version of one object. `object` is shared: read it, never change it."""

    object: Object
    encoded: bytes
    version: int

    def copy(self) -> Object:
        return orjson.loads(self.encoded)

    @property
    def name(self) -> Name:
        return name_of(self.object)


def stored(obj: Object, version: int) -> Stored:
    obj["metadata"]["resourceVersion"] = str(version)
    return Stored(obj, orjson.dumps(obj), version)


def name_of(obj: Object) -> Name:
    return (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def copied(obj: Object) -> Object:
    return orjson.loads(orjson.dumps(obj))


def typed(resource: Resource, obj: Object) -> Object:
    """apiVersion and kind first: lists of built-in kinds cut them off the stored bytes."""
    about = {"apiVersion": resource.stored_api_version, "kind": resource.kind}
    return about | {key: value for key, value in obj.items() if key not in about}


def named(metadata: Object) -> str:
    """The name, or one made from generateName."""
    if not metadata.get("name") and metadata.get("generateName"):
        suffix = "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))
        metadata["name"] = metadata["generateName"] + suffix
    return metadata["name"]


def without_empty(metadata: Object) -> Object:
    return {name: value for name, value in metadata.items() if value or name not in OMITTED}


def finalizers_of(obj: Object) -> list[str]:
    """A namespace has another list of them in its spec, which its emptying waits for."""
    listed = list(obj["metadata"].get("finalizers", ()))
    return listed + (obj["spec"].get("finalizers", []) if obj["kind"] == "Namespace" else [])


def differs(old: Object, new: Object) -> bool:
    return _sorted(old) != _sorted(new)


def _sorted(obj: Object) -> bytes:
    body = {key: value for key, value in obj.items() if key != "apiVersion"}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def wants_other(old: Object, new: Object) -> bool:
    """Whether the generation rises: for anything but metadata and status."""
    return _desired(old) != _desired(new)


def _desired(obj: Object) -> Object:
    skipped = ("apiVersion", "kind", "metadata", "status")
    return {key: value for key, value in obj.items() if key not in skipped}


def written(resource: Resource, old: Object, new: Object, subresource: str | None) -> Object:
    """The new object as far as this endpoint may write it, on top of what the server keeps."""
    if subresource == "status":
        return _with_status(old | {"metadata": old["metadata"] | _managed(new)}, new)
    if resource.has_status:
        new = _with_status(new, old)
    before = old["metadata"]
    kept = {name: before[name] for name in KEPT if name in before}
    metadata = {name: value for name, value in new["metadata"].items() if name not in KEPT}
    metadata |= kept | {"resourceVersion": before["resourceVersion"]}
    return new | {"metadata": _managed(old) | without_empty(metadata)}


def _with_status(obj: Object, source: Object) -> Object:
    rest = {key: value for key, value in obj.items() if key != "status"}
    return rest | ({"status": source["status"]} if "status" in source else {})


def _managed(obj: Object) -> Object:
    fields = obj["metadata"].get("managedFields")
    return {} if fields is None else {"managedFields": fields}


def check_preconditions(
    resource: Resource, metadata: Object, uid: str | None, version: str | None
) -> None:
    """Of a deletion.

    https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/registry/rest/delete.go
    """
    if uid and uid != metadata["uid"]:
        why = _differs("UID", uid, metadata["uid"], "deleted and then recreated")
        raise status.precondition_failed(resource, metadata["name"], why)
    found = metadata["resourceVersion"]
    if version and version != found:
        why = _differs("ResourceVersion", version, found, "modified")
        raise status.precondition_failed(resource, metadata["name"], why)


def _differs(what: str, asked: str, found: str, happened: str) -> str:
    return (
        f"{what} in the precondition ({asked}) does not match the {what} in record ({found}). The "
        f"object might have been {happened}"
    )


def check_unchanged(resource: Resource, metadata: Object, found: Object) -> None:
    """An update may say which object, and which version of it, it was made from."""
    asked = metadata.get("resourceVersion")
    if asked and asked != found["resourceVersion"]:
        raise status.conflict(resource, found["name"])
    uid = metadata.get("uid")
    if uid and uid != found["uid"]:
        raise status.conflict(resource, found["name"], _not_in_storage(resource, found, uid))


def _not_in_storage(resource: Resource, found: Object, uid: str) -> str:
    """An error of the storage that comes through as it is, key and all."""
    steps = (resource.group, resource.plural, found.get("namespace", ""), found["name"])
    key = "/".join(["/registry", *(step for step in steps if step)])
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: "
        f"{found['uid']}"
    )


def grace_s(resource: Resource, obj: Object, asked_s: int | None) -> int:
    """Only a pod that a node runs is given time; the kubelet, or its stand-in, ends it."""
    if resource.key != PODS.key or not obj.get("spec", {}).get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    declared = obj["spec"].get("terminationGracePeriodSeconds", POD_GRACE_S)
    return declared if asked_s is None else asked_s


def with_propagation(obj: Object, propagation: str) -> Object:
    """https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion"""
    finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
    added = [finalizer] if finalizer else []
    if obj.get("kind") == CRDS.kind:
        added.append(CLEANUP)
    present = obj["metadata"].get("finalizers", [])
    missing = [name for name in added if name not in present]
    if missing:
        obj["metadata"]["finalizers"] = [*present, *missing]
    return obj


def _terminating(crd: Object, at: str) -> Object:
    """Its generation stays.

    https://github.com/kubernetes/apiextensions-apiserver/blob/v0.36.3/pkg/registry/customresourcedefinition/etcd.go
    """
    status_ = crd.get("status") or {}
    pending = {
        "type": "Terminating", "status": "True", "lastTransitionTime": at,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will "
        "begin soon",
    }  # fmt: skip
    conditions = [*(status_.get("conditions") or ()), pending]
    return crd | {"status": status_ | {"conditions": conditions}}


def marked_deleted(resource: Resource, obj: Object, at: str, wait_s: int) -> Object:
    metadata = obj["metadata"]
    metadata["deletionTimestamp"] = at
    if resource.key == CRDS.key:
        return _terminating(obj, at)
    metadata["deletionGracePeriodSeconds"] = wait_s
    if resource.has_generation:
        metadata["generation"] = metadata.get("generation", 0) + 1
    if resource.key == NAMESPACES.key:
        obj["status"] = {"phase": "Terminating"}
    return obj
