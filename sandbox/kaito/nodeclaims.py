"""The definition of karpenter's NodeClaim, as far as the gpu-provisioner writes it.

https://github.com/kubernetes-sigs/karpenter/blob/v1.6.0/pkg/apis/v1/nodeclaim.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito.definitions import (
    STRING,
    STRINGS,
    Schema,
    a_list,
    an_object,
    column,
    condition,
    definition,
    state_column,
)


def _nodeclaim_schema() -> Schema:
    requirement = an_object(
        {"key": STRING, "operator": STRING, "values": STRINGS, "minValues": {"type": "integer"}},
        "key",
        "operator",
    )
    taint = an_object({"key": STRING, "value": STRING, "effect": STRING}, "key", "effect")
    reference = an_object({"group": STRING, "kind": STRING, "name": STRING}, "kind", "name")
    spec = {
        "expireAfter": {"type": "string", "default": "720h"},
        "nodeClassRef": reference,
        "requirements": a_list(requirement),
        "resources": an_object({"requests": _quantities()}),
        "taints": a_list(taint),
        "startupTaints": a_list(taint),
        "terminationGracePeriod": STRING,
    }
    return an_object(
        {
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": {"type": "object"},
            "spec": an_object(spec, "nodeClassRef", "requirements"),
            "status": _nodeclaim_status(),
        },
        "spec",
        description="NodeClaim is the Schema for the NodeClaims API",
    )


def _quantities() -> Schema:
    quantity = {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
    }
    return {"type": "object", "additionalProperties": quantity}


def _nodeclaim_status() -> Schema:
    return an_object(
        {
            "allocatable": _quantities(),
            "capacity": _quantities(),
            "conditions": a_list(condition()),
            "imageID": STRING,
            "lastPodEventTime": {"type": "string", "format": "date-time"},
            "nodeName": STRING,
            "providerID": STRING,
        }
    )


def _nodeclaim_columns() -> list[dict[str, Any]]:
    return [
        column("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
        column("Capacity", r".metadata.labels.karpenter\.sh/capacity-type"),
        column("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
        column("Node", ".status.nodeName"),
        state_column("Ready", "Ready"),
        column("Age", ".metadata.creationTimestamp", "date"),
        column("ID", ".status.providerID", priority=1),
        column("NodePool", r".metadata.labels.karpenter\.sh/nodepool", priority=1),
    ]


NODECLAIM_CRD = definition(
    "karpenter.sh",
    "Cluster",
    {
        "categories": ["karpenter"],
        "kind": "NodeClaim",
        "listKind": "NodeClaimList",
        "plural": "nodeclaims",
        "singular": "nodeclaim",
    },
    [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "additionalPrinterColumns": _nodeclaim_columns(),
            "schema": {"openAPIV3Schema": _nodeclaim_schema()},
            "subresources": {"status": {}},
        }
    ],
)
