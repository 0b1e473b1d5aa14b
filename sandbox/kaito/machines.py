"""NodeClaims' conditions and the Nodes that come of them, as karpenter and AKS write them. Pure.

https://github.com/kubernetes-sigs/karpenter/blob/v1.6.0/pkg/controllers/nodeclaim/lifecycle/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339
from sandbox.kaito.objects import claim_size
from sandbox.kaito.presets import Sku, machine
from sandbox.kaito.triggers import LOCATION

KUBELET_VERSION = "v1.34.2"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
NODE_GROUP = "mc_rg-sandbox_aks-sandbox_eastus"
STEPS = ("Launched", "Registered", "Initialized")

Raw = dict[str, Any]
# Step → (status, reason, message); a step that is not named waits to be looked at.
Steps = Mapping[str, tuple[str, str, str]]


def claim_conditions(claim: Raw, steps: Steps, now: datetime) -> list[Raw]:
    """Also the summary `Ready`, which is True when all steps are."""
    wanted = {
        step: steps.get(step)
        or ("Unknown", "AwaitingReconciliation", "object is awaiting reconciliation")
        for step in STEPS
    }
    wanted["Ready"] = _summary({step: told[0] for step, told in wanted.items()})
    known = {each["type"]: each for each in (claim.get("status") or {}).get("conditions") or []}
    others = [each for kind, each in known.items() if kind not in wanted]
    return [
        _condition(claim, kind, told, known.get(kind), now) for kind, told in wanted.items()
    ] + others


def _summary(statuses: dict[str, str]) -> tuple[str, str, str]:
    unhealthy = [f"{step}={said}" for step, said in sorted(statuses.items()) if said != "True"]
    if not unhealthy:
        return "True", "Ready", ""
    is_failed = "False" in statuses.values()
    reason = "UnhealthyDependents" if is_failed else "ReconcilingDependents"
    return "False" if is_failed else "Unknown", reason, ", ".join(unhealthy)


def _condition(
    claim: Raw, kind: str, told: tuple[str, str, str], known: Raw | None, now: datetime
) -> Raw:
    status, reason, message = told
    changed = known is None or known["status"] != status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": claim["metadata"].get("generation", 1),
        "lastTransitionTime": rfc3339(now)
        if known is None or changed
        else known["lastTransitionTime"],
    }


def done(step: str) -> tuple[str, str, str]:
    return "True", step, ""


def node_name(claim: Raw) -> str:
    digits = int(_digest(claim["metadata"]["uid"]), 16) % 10**8
    return f"aks-{claim['metadata']['name']}-{digits:08d}-vmss000000"


def provider_id(claim: Raw) -> str:
    digits = int(_digest(claim["metadata"]["uid"]), 16) % 10**8
    scale_set = f"aks-{claim['metadata']['name']}-{digits:08d}-vmss"
    return (
        f"azure:///subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}/providers/"
        f"Microsoft.Compute/virtualMachineScaleSets/{scale_set}/virtualMachines/0"
    )


def capacity(sku: Sku, *, with_gpu: bool) -> dict[str, str]:
    amounts = {
        "cpu": str(sku.vcpus),
        "ephemeral-storage": "1073741824Ki",
        "memory": f"{sku.memory_gib * 1024 * 1024}Ki",
        "pods": "110",
    }
    if with_gpu and sku.gpus:
        amounts["nvidia.com/gpu"] = str(sku.gpus)
    return amounts


def new_node(claim: Raw, now: datetime) -> Raw:
    """Registered but NotReady: the network plugin is still starting."""
    labels = claim["metadata"]["labels"]
    name, size = node_name(claim), claim_size(claim)
    spec = {
        "providerID": provider_id(claim),
        "taints": [
            {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
        ],
    }
    return {
        "metadata": {
            "name": name,
            "finalizers": ["karpenter.sh/termination"],
            "labels": {
                "agentpool": claim["metadata"]["name"],
                "beta.kubernetes.io/arch": "amd64",
                "karpenter.sh/registered": "true",
                "kubernetes.azure.com/agentpool": claim["metadata"]["name"],
                "kubernetes.azure.com/cluster": NODE_GROUP,
                "kubernetes.azure.com/mode": "user",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": size,
                "topology.kubernetes.io/region": LOCATION,
                **labels,
            },
            "ownerReferences": [
                {
                    "apiVersion": "karpenter.sh/v1",
                    "kind": "NodeClaim",
                    "name": claim["metadata"]["name"],
                    "uid": claim["metadata"]["uid"],
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
        "status": node_status(name, machine(size), now, is_ready=False),
    }


def node_status(
    name: str, sku: Sku, now: datetime, *, is_ready: bool, with_gpu: bool = False
) -> Raw:
    amounts = capacity(sku, with_gpu=with_gpu)
    return {
        "addresses": [
            {"type": "InternalIP", "address": f"10.224.{_byte(name, 0)}.{_byte(name, 1)}"},
            {"type": "Hostname", "address": name},
        ],
        "allocatable": amounts,
        "capacity": amounts,
        "conditions": _node_conditions(now, is_ready=is_ready),
        "nodeInfo": {
            "architecture": "amd64",
            "containerRuntimeVersion": "containerd://1.7.28-1",
            "kernelVersion": "5.15.0-1096-azure",
            "kubeletVersion": KUBELET_VERSION,
            "operatingSystem": "linux",
            "osImage": "Ubuntu 22.04.5 LTS",
        },
    }


def _node_conditions(now: datetime, *, is_ready: bool) -> list[Raw]:
    calm = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ]
    rows = [(kind, "False", reason, message) for kind, reason, message in calm]
    if is_ready:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    else:
        why = (
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
            "message:Network plugin returns error: cni plugin not initialized"
        )
        rows.append(("Ready", "False", "KubeletNotReady", why))
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": rfc3339(now),
            "lastTransitionTime": rfc3339(now),
        }
        for kind, status, reason, message in rows
    ]


def is_node_ready(node: Raw) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in node["metadata"]


def has_gpus(node: Raw) -> bool:
    return int((node["status"].get("capacity") or {}).get("nvidia.com/gpu", "0")) > 0


def is_claim_ready(claim: Raw) -> bool:
    conditions = (claim.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in claim["metadata"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _byte(text: str, position: int) -> int:
    return bytes.fromhex(_digest(text))[position] % 250 + 4


def address(prefix: str, key: str) -> str:
    """A stable IPv4 address for a key: `prefix` is its first two numbers."""
    return f"{prefix}.{_byte(key, 2)}.{_byte(key, 3)}"
