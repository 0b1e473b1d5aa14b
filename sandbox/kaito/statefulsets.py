"""The StatefulSet of a workspace, and the pods that its controller makes of it. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

import copy
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.objects import one_of, owned
from sandbox.kaito.podspecs import POD_INDEX_LABEL, Ground, preset_pod_spec
from sandbox.kaito.triggers import SLOW_ANNOTATION

# The letters that Kubernetes makes names of: none that could spell a word.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

Raw = dict[str, Any]

TOLERATIONS = [
    {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
    {
        "key": "kubernetes.azure.com/scalesetpriority",
        "operator": "Equal",
        "value": "spot",
        "effect": "NoSchedule",
    },
]


def stateful_set(ws: Raw, ground: Ground) -> Raw:
    if workspaces.template(ws) is not None:
        return _template_set(ws)
    return _preset_set(ws, ground)


def _preset_set(ws: Raw, ground: Ground) -> Raw:
    labels = {workspaces.NAME_LABEL: ws["metadata"]["name"]}
    template = {
        "metadata": {"labels": labels},
        "spec": preset_pod_spec(ws, ground)
        | {"tolerations": copy.deepcopy(TOLERATIONS)}
        | affinity(ws),
    }
    built = _set(ws, template)
    revision = workspaces.annotation(ws, workspaces.REVISION_ANNOTATION) or "1"
    built["metadata"]["annotations"] = {workspaces.REVISION_ANNOTATION: revision}
    built["spec"] |= {
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        "serviceName": f"{ws['metadata']['name']}-headless",
    }
    return built


def _template_set(ws: Raw) -> Raw:
    """The template's own affinity is overwritten, KAITO's tolerations are added."""
    template = copy.deepcopy(workspaces.template(ws)) or {}
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        workspaces.NAME_LABEL: ws["metadata"]["name"],
    }
    spec = template.setdefault("spec", {})
    spec.pop("affinity", None)
    spec.update(affinity(ws))
    spec["tolerations"] = [*(spec.get("tolerations") or []), *copy.deepcopy(TOLERATIONS)]
    return _set(ws, template)


def _set(ws: Raw, template: Raw) -> Raw:
    slow = workspaces.annotation(ws, SLOW_ANNOTATION)
    if slow is not None:
        template["metadata"].setdefault("annotations", {})[SLOW_ANNOTATION] = slow
    _default_pod_spec(template["spec"])
    return {
        "metadata": owned(ws, ws["metadata"]["name"]),
        "spec": {
            "replicas": workspaces.target_nodes(ws) or 1,
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {workspaces.NAME_LABEL: ws["metadata"]["name"]}},
            "serviceName": "",
            "template": template,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        },
    }


def _default_pod_spec(spec: Raw) -> None:
    """The defaults that the API server would fill in."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})


def affinity(ws: Raw) -> Raw:
    labels = workspaces.match_labels(ws)
    if not labels:
        return {}
    terms = [{"matchExpressions": [one_of(key, value) for key, value in labels.items()]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def updated_workload(existing: Raw, built: Raw, ws: Raw) -> Raw | None:
    """What KAITO changes of a preset's workload after an edit: never command line or replicas.

    None when it was made from this revision already. Templates are not rolled out at all.
    """
    revision = workspaces.annotation(ws, workspaces.REVISION_ANNOTATION)
    if workspaces.template(ws) is not None:
        return None
    known = (existing["metadata"].get("annotations") or {}).get(workspaces.REVISION_ANNOTATION)
    if known == revision:
        return None
    updated, wanted = copy.deepcopy(existing), built["spec"]["template"]["spec"]
    spec = updated["spec"]["template"]["spec"]
    for field in ("env", "volumeMounts"):
        spec["containers"][0][field] = wanted["containers"][0].get(field, [])
    spec["initContainers"] = wanted.get("initContainers", [])
    spec["volumes"] = wanted.get("volumes", [])
    updated["metadata"].setdefault("annotations", {})[workspaces.REVISION_ANNOTATION] = revision
    return updated


def pod(owner: Raw, ordinal: int, revision: str) -> Raw:
    """Pod `ordinal` of a StatefulSet, as its controller makes it."""
    metadata, template = owner["metadata"], copy.deepcopy(owner["spec"]["template"])
    name = f"{metadata['name']}-{ordinal}"
    labels = {
        **(template["metadata"].get("labels") or {}),
        POD_INDEX_LABEL: str(ordinal),
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": name,
    }
    built = {
        "name": name,
        "generateName": f"{metadata['name']}-",
        "namespace": metadata["namespace"],
        "labels": labels,
        "ownerReferences": [owned_by(owner, "apps/v1", "StatefulSet")],
    }
    if template["metadata"].get("annotations"):
        built["annotations"] = template["metadata"]["annotations"]
    spec = template["spec"] | {"hostname": name}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    return {"metadata": built, "spec": spec, "status": {"phase": "Pending", "qosClass": qos(spec)}}


def owned_by(owner: Raw, api_version: str, kind: str) -> Raw:
    """The reference that a controller puts into what it makes."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def qos(spec: Raw) -> str:
    """Only CPU and memory count, so a pod that asks for GPUs alone is BestEffort.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
    """
    wanted = [container.get("resources") or {} for container in spec.get("containers") or []]
    asked = [
        (each.get("limits") or {}, {**(each.get("limits") or {}), **(each.get("requests") or {})})
        for each in wanted
    ]
    amounts = ("cpu", "memory")
    if not any(name in requests for _, requests in asked for name in amounts):
        return "BestEffort"
    is_guaranteed = all(
        name in limits and limits[name] == requests[name]
        for limits, requests in asked
        for name in amounts
    )
    return "Guaranteed" if is_guaranteed else "Burstable"
