"""What the API server fills in when an object of a built-in kind is made.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/core/v1/defaults.go
https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/apps/v1/defaults.go
"""

from __future__ import annotations

import copy
from typing import Any

from sandbox import kinds
from sandbox.kinds.notation import Field
from sandbox.resources import Resource

Object = dict[str, Any]

ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}
KEPT_CLAIMS = {"whenDeleted": "Retain", "whenScaled": "Retain"}
FILLED: dict[str, Object] = {
    "DeploymentSpec": {
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {},
        "template": {},
    },
    "DeploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": ROLLING},
    "StatefulSetSpec": {
        "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
        "updateStrategy": {}, "template": {}, "persistentVolumeClaimRetentionPolicy": KEPT_CLAIMS,
    },
    "StatefulSetUpdateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    "PodTemplateSpec": {"spec": {}},
    "ReplicaSetSpec": {"replicas": 1},
    "JobSpec": {
        "parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed",
        "suspend": False, "podReplacementPolicy": "TerminatingOrFailed",
    },
    "PodSpec": {
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {},
        "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30,
    },
    "Container": {
        "resources": {}, "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    "ContainerPort": {"protocol": "TCP"},
    "Probe": {
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    },
    "HTTPGetAction": {"scheme": "HTTP", "path": "/"},
    "ObjectFieldSelector": {"apiVersion": "v1"},
    "SecretVolumeSource": {"defaultMode": 420},
    "ConfigMapVolumeSource": {"defaultMode": 420},
    "HostPathVolumeSource": {"type": ""},
    "PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
    "ServicePort": {"protocol": "TCP"},
    "ServiceSpec": {
        "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
    },
}  # fmt: skip


def fill(resource: Resource, obj: Object) -> None:
    """In place, and only what is missing."""
    name = kinds.type_name(resource)
    if name in kinds.types():
        _fill(name, obj)


def is_filled(resource: Resource, obj: Object) -> bool:
    """Whether it went through here when it was made: what controllers made by themselves did not,
    and stays as they made it."""
    whole = copy.deepcopy(obj)
    fill(resource, whole)
    return whole == obj


def _fill(name: str, value: Object) -> None:
    for key, default in FILLED.get(name, {}).items():
        if key != "rollingUpdate" or value["type"] == "RollingUpdate":
            value.setdefault(key, copy.deepcopy(default))
    if name == "Container" and value.get("image"):
        value.setdefault("imagePullPolicy", _pull_policy(value["image"]))
    for field in kinds.types()[name].fields:
        for inner in _inner(field, value.get(field.name)):
            _fill(field.inner, inner)


def _inner(field: Field, value: object) -> list[Object]:
    """The structs that stand in a field, if its type is one or a list of them."""
    if field.inner not in kinds.types():
        return []
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) and not field.type.startswith("{") else []


def _pull_policy(image: str) -> str:
    """https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting"""
    _, _, tag = image.rpartition("/")[2].partition(":")
    is_pinned = "@" in image or tag not in ("", "latest")
    return "IfNotPresent" if is_pinned else "Always"
