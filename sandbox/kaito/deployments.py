"""The Deployments of KAITO up to 0.7, and the ReplicaSet and pods that come of one. Pure.

https://github.com/kaito-project/kaito/blob/v0.7.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from sandbox.kaito import statefulsets, workspaces
from sandbox.kaito.podspecs import Ground
from sandbox.kaito.releases import Release
from sandbox.kaito.statefulsets import ALPHABET, owned_by, qos

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"

Raw = dict[str, Any]


def is_used(ws: Raw, release: Release) -> bool:
    """Of the old releases only what runs on several nodes is a StatefulSet."""
    is_spread = bool(workspaces.preset_name(ws)) and workspaces.target_nodes(ws) > 1
    return not release.uses_stateful_sets and not is_spread


def deployment(ws: Raw, ground: Ground) -> Raw:
    built = statefulsets.stateful_set(ws, ground)
    rolling: Raw = {"maxSurge": 0, "maxUnavailable": 1}
    if workspaces.template(ws) is not None:
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    spec = built["spec"]
    return built | {
        "spec": {
            "replicas": spec["replicas"],
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            "selector": spec["selector"],
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": spec["template"],
        }
    }


def template_hash(owner: Raw) -> str:
    text = json.dumps(owner["spec"]["template"], sort_keys=True)
    number = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    return "".join(ALPHABET[number // 27**place % 27] for place in range(10))


def replica_set(owner: Raw) -> Raw:
    metadata, digest = owner["metadata"], template_hash(owner)
    template = copy.deepcopy(owner["spec"]["template"])
    labels = (template["metadata"].get("labels") or {}) | {HASH_LABEL: digest}
    template["metadata"]["labels"] = labels
    return {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": dict(labels),
            "annotations": {REVISION: "1"},
            "ownerReferences": [owned_by(owner, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": owner["spec"].get("replicas", 1),
            "selector": {
                "matchLabels": owner["spec"]["selector"]["matchLabels"] | {HASH_LABEL: digest}
            },
            "template": template,
        },
    }


def pod(owner: Raw, suffix: str) -> Raw:
    metadata, template = owner["metadata"], copy.deepcopy(owner["spec"]["template"])
    built = {
        "name": f"{metadata['name']}-{suffix}",
        "generateName": f"{metadata['name']}-",
        "namespace": metadata["namespace"],
        "labels": template["metadata"].get("labels") or {},
        "ownerReferences": [owned_by(owner, "apps/v1", "ReplicaSet")],
    }
    if template["metadata"].get("annotations"):
        built["annotations"] = template["metadata"]["annotations"]
    status = {"phase": "Pending", "qosClass": qos(template["spec"])}
    return {"metadata": built, "spec": template["spec"], "status": status}
