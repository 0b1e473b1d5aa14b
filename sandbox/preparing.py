"""An object that is to be created: what only the server sets is dropped, what it gives is given."""

from __future__ import annotations

import base64
import re
from typing import Any

from sandbox import crdchecks, rolechecks, status
from sandbox.calls import Call
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CRDS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    PVCS,
    REPLICASETS,
    ROLEBINDINGS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    Key,
)

Object = dict[str, Any]

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")

STATUS_KEPT = {NODES.key}  # a kubelet brings a node with its status
SERVER_FIELDS = (
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "managedFields", "resourceVersion", "selfLink",
)  # fmt: skip


# Where Go writes it although nothing is in it.
EMPTY_STATUS: dict[Key, Object] = {
    DEPLOYMENTS.key: {},
    JOBS.key: {},
    REPLICASETS.key: {"replicas": 0},
    STATEFULSETS.key: {"replicas": 0, "availableReplicas": 0},
}


def prepared(call: Call, obj: Object) -> Object:
    for name in SERVER_FIELDS:
        obj["metadata"].pop(name, None)
    if call.resource.has_status and call.resource.key not in STATUS_KEPT:
        obj.pop("status", None)
    if call.resource.key in EMPTY_STATUS:
        obj["status"] = dict(EMPTY_STATUS[call.resource.key])
    prepare = PREPARED.get(call.resource.key)
    return prepare(call, obj) if prepare else obj


def _new_namespace(call: Call, obj: Object) -> Object:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    return obj | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _new_secret(call: Call, obj: Object) -> Object:
    """`stringData` is write-only: it is folded into `data`."""
    for text in (obj.get("data") or {}).values():
        _check_base64(text)
    plain = obj.pop("stringData", None) or {}
    written = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    data = (obj.get("data") or {}) | written
    return obj | {"type": obj.get("type") or "Opaque"} | ({"data": data} if data else {})


def _check_base64(text: str) -> None:
    wrong = _NOT_BASE64.search(text)
    if wrong or len(text) % 4:
        place = wrong.start() if wrong else len(text) - len(text) % 4
        raise status.bad_request(
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input '
            f"byte {place}"
        )


def _new_service(call: Call, obj: Object) -> Object:
    """Addresses come from the range 10.0.0.0/16, in the order of creation."""
    spec = obj.setdefault("spec", {})
    count = call.cluster.store.version
    spec.setdefault("clusterIP", f"10.0.{count // 250 % 250}.{count % 250 + 1}")
    for port in spec.get("ports", []):
        port.setdefault("targetPort", port.get("port", 0))
    return obj | {"status": {"loadBalancer": {}}}


def _new_job(call: Call, obj: Object) -> Object:
    """Its pods can be found by its name.

    https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/registry/batch/job/strategy.go
    """
    name = obj["metadata"].get("name")
    template = (obj.get("spec") or {}).get("template")
    if name and isinstance(template, dict):
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels |= {"batch.kubernetes.io/job-name": name, "job-name": name}
    return obj


def _new_pod(call: Call, obj: Object) -> Object:
    obj.setdefault("spec", {}).setdefault("restartPolicy", "Always")
    return obj | {"status": {"phase": "Pending", "qosClass": "BestEffort"}}


def _new_claim(call: Call, obj: Object) -> Object:
    return obj | {"status": {"phase": "Pending"}}


def _new_binding(call: Call, obj: Object) -> Object:
    return rolechecks.set_defaults(obj)


def _new_crd(call: Call, obj: Object) -> Object:
    return crdchecks.set_defaults(obj)


PREPARED = {
    NAMESPACES.key: _new_namespace,
    JOBS.key: _new_job,
    PODS.key: _new_pod,
    PVCS.key: _new_claim,
    SECRETS.key: _new_secret,
    SERVICES.key: _new_service,
    CRDS.key: _new_crd,
    ROLEBINDINGS.key: _new_binding,
    CLUSTERROLEBINDINGS.key: _new_binding,
}
