"""Strict decoding, as the webhook's JSON decoder does it: a field it does not know is an error.

The schema of a Workspace leaves pod template and volume sources open, so a typo there reaches the
webhook, and only there is it refused. Field names follow core/v1.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# A type is a word ("string", "int", "bool", "any"), a list of one type, or a table of fields.
Type = Any

S, N, B, ANY = "string", "int", "bool", "any"
REFERENCE = {"name": S}
KEY_REFERENCE = {"name": S, "key": S, "optional": B}
FIELD_REFERENCE = {"apiVersion": S, "fieldPath": S}
RESOURCE_REFERENCE = {"containerName": S, "resource": S, "divisor": ANY}
ITEMS = [{"key": S, "path": S, "mode": N}]
SELECTOR = {"matchLabels": ANY, "matchExpressions": [{"key": S, "operator": S, "values": [S]}]}

PROBE = {
    "exec": {"command": [S]},
    "httpGet": {
        "path": S,
        "port": ANY,
        "host": S,
        "scheme": S,
        "httpHeaders": [{"name": S, "value": S}],
    },
    "tcpSocket": {"port": ANY, "host": S},
    "grpc": {"port": N, "service": S},
    "initialDelaySeconds": N,
    "timeoutSeconds": N,
    "periodSeconds": N,
    "successThreshold": N,
    "failureThreshold": N,
    "terminationGracePeriodSeconds": N,
}
ENV = {
    "name": S,
    "value": S,
    "valueFrom": {
        "fieldRef": FIELD_REFERENCE,
        "resourceFieldRef": RESOURCE_REFERENCE,
        "configMapKeyRef": KEY_REFERENCE,
        "secretKeyRef": KEY_REFERENCE,
        "fileKeyRef": {"volumeName": S, "path": S, "key": S, "optional": B},
    },
}
SOURCE_REFERENCE = {"name": S, "optional": B}
CONTAINER = {
    "name": S,
    "image": S,
    "command": [S],
    "args": [S],
    "workingDir": S,
    "ports": [{"name": S, "hostPort": N, "containerPort": N, "protocol": S, "hostIP": S}],
    "envFrom": [{"prefix": S, "configMapRef": SOURCE_REFERENCE, "secretRef": SOURCE_REFERENCE}],
    "env": [ENV],
    "resources": {"limits": ANY, "requests": ANY, "claims": [{"name": S, "request": S}]},
    "resizePolicy": [{"resourceName": S, "restartPolicy": S}],
    "restartPolicy": S,
    "volumeMounts": [
        {
            "name": S,
            "readOnly": B,
            "recursiveReadOnly": S,
            "mountPath": S,
            "subPath": S,
            "mountPropagation": S,
            "subPathExpr": S,
        }
    ],
    "volumeDevices": [{"name": S, "devicePath": S}],
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "lifecycle": ANY,
    "terminationMessagePath": S,
    "terminationMessagePolicy": S,
    "imagePullPolicy": S,
    "securityContext": ANY,
    "stdin": B,
    "stdinOnce": B,
    "tty": B,
}
# What KAITO's own `volumeSource` fields take: a volume without its name.
VOLUME_SOURCE = {
    "hostPath": {"path": S, "type": S},
    "emptyDir": {"medium": S, "sizeLimit": ANY},
    "secret": {"secretName": S, "items": ITEMS, "defaultMode": N, "optional": B},
    "configMap": {"name": S, "items": ITEMS, "defaultMode": N, "optional": B},
    "persistentVolumeClaim": {"claimName": S, "readOnly": B},
    "csi": {
        "driver": S,
        "readOnly": B,
        "fsType": S,
        "volumeAttributes": ANY,
        "nodePublishSecretRef": REFERENCE,
    },
    "azureFile": {"secretName": S, "shareName": S, "readOnly": B},
    "nfs": {"server": S, "path": S, "readOnly": B},
    "image": {"reference": S, "pullPolicy": S},
    **dict.fromkeys(
        [
            "azureDisk",
            "awsElasticBlockStore",
            "cephfs",
            "cinder",
            "downwardAPI",
            "ephemeral",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "iscsi",
            "photonPersistentDisk",
            "portworxVolume",
            "projected",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ],
        ANY,
    ),
}
POD_SPEC = {
    "volumes": [{"name": S, **VOLUME_SOURCE}],
    "initContainers": [CONTAINER],
    "containers": [CONTAINER],
    "ephemeralContainers": ANY,
    "restartPolicy": S,
    "terminationGracePeriodSeconds": N,
    "activeDeadlineSeconds": N,
    "dnsPolicy": S,
    "nodeSelector": ANY,
    "serviceAccountName": S,
    "serviceAccount": S,
    "automountServiceAccountToken": B,
    "nodeName": S,
    "hostNetwork": B,
    "hostPID": B,
    "hostIPC": B,
    "shareProcessNamespace": B,
    "securityContext": ANY,
    "imagePullSecrets": [REFERENCE],
    "hostname": S,
    "subdomain": S,
    "affinity": {"nodeAffinity": ANY, "podAffinity": ANY, "podAntiAffinity": ANY},
    "schedulerName": S,
    "tolerations": [{"key": S, "operator": S, "value": S, "effect": S, "tolerationSeconds": N}],
    "hostAliases": [{"ip": S, "hostnames": [S]}],
    "priorityClassName": S,
    "priority": N,
    "dnsConfig": ANY,
    "readinessGates": [{"conditionType": S}],
    "runtimeClassName": S,
    "enableServiceLinks": B,
    "preemptionPolicy": S,
    "overhead": ANY,
    "topologySpreadConstraints": [
        {
            "maxSkew": N,
            "topologyKey": S,
            "whenUnsatisfiable": S,
            "labelSelector": SELECTOR,
            "minDomains": N,
            "nodeAffinityPolicy": S,
            "nodeTaintsPolicy": S,
            "matchLabelKeys": [S],
        }
    ],
    "setHostnameAsFQDN": B,
    "os": REFERENCE,
    "hostUsers": B,
    "schedulingGates": [REFERENCE],
    "resourceClaims": ANY,
    "resources": ANY,
    "hostnameOverride": S,
}
METADATA = {
    "name": S,
    "generateName": S,
    "namespace": S,
    "selfLink": S,
    "uid": S,
    "resourceVersion": S,
    "generation": N,
    "creationTimestamp": ANY,
    "deletionTimestamp": ANY,
    "deletionGracePeriodSeconds": N,
    "labels": ANY,
    "annotations": ANY,
    "ownerReferences": ANY,
    "finalizers": [S],
    "managedFields": ANY,
}
POD_TEMPLATE = {"metadata": METADATA, "spec": POD_SPEC}
DATA_SOURCE = {
    "name": S,
    "urls": [S],
    "volumeSource": VOLUME_SOURCE,
    "image": S,
    "imagePullSecrets": [S],
}
PRESET = {
    "name": S,
    "accessMode": S,
    "presetOptions": {"image": S, "imagePullSecrets": [S], "modelAccessSecret": S},
}
WORKSPACE = {
    "apiVersion": S,
    "kind": S,
    "metadata": METADATA,
    "resource": {
        "count": N,
        "instanceType": S,
        "labelSelector": SELECTOR,
        "preferredNodes": [S],
        "partition": {"mode": S, "profile": S, "count": N},
    },
    "inference": {
        "preset": PRESET,
        "template": POD_TEMPLATE,
        "config": S,
        "adapters": [{"source": DATA_SOURCE, "strength": S}],
    },
    "tuning": {
        "preset": PRESET,
        "method": S,
        "config": S,
        "input": DATA_SOURCE,
        "output": {"volumeSource": VOLUME_SOURCE, "image": S, "imagePushSecret": S},
    },
    "status": ANY,
}

_GO_NAMES = {S: "string", N: "int64", B: "bool"}


def first_problem(obj: object) -> str | None:
    """What Go's encoding/json says first of a Workspace, or None if it decodes.

    A wrong type does not stop the decoder but an unknown field does, so unknown fields win.
    """
    problems = sorted(_problems(obj, WORKSPACE, ""), key=lambda problem: problem[0])
    return problems[0][1] if problems else None


def _problems(value: object, wanted: Type, path: str) -> Iterator[tuple[int, str]]:
    if value is None or wanted == ANY:
        return
    if isinstance(wanted, dict):
        yield from _struct_problems(value, wanted, path)
    elif isinstance(wanted, list):
        yield from _list_problems(value, wanted[0], path)
    elif not _is_scalar(value, wanted):
        yield 1, _mismatch(value, path, _GO_NAMES[wanted])


def _struct_problems(
    value: object, fields: dict[str, Type], path: str
) -> Iterator[tuple[int, str]]:
    if not isinstance(value, dict):
        yield 1, _mismatch(value, path, "struct")
        return
    known = {name.lower(): (name, kind) for name, kind in fields.items()}
    for key, child in value.items():
        found = known.get(key.lower())  # encoding/json compares names without case
        if found is None:
            yield 0, f'json: unknown field "{key}"'
        else:
            yield from _problems(child, found[1], f"{path}.{found[0]}".lstrip("."))


def _list_problems(value: object, item: Type, path: str) -> Iterator[tuple[int, str]]:
    if not isinstance(value, list):
        yield 1, _mismatch(value, path, "slice")
        return
    for child in value:
        yield from _problems(child, item, path)


def _is_scalar(value: object, wanted: str) -> bool:
    if wanted == B:
        return isinstance(value, bool)
    if wanted == N:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


def _mismatch(value: object, path: str, go_type: str) -> str:
    return f"json: cannot unmarshal {_json_name(value)} into Go struct field Workspace.{path} of type {go_type}"


def _json_name(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    names: dict[type, str] = {dict: "object", list: "array", str: "string"}
    return names[type(value)]
