"""Which node a pod may run on: readiness, taints, node affinity, GPUs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.kaito.machines import is_node_ready

GPU = "nvidia.com/gpu"

Raw = dict[str, Any]
Used = Callable[[str], int]


def choose_node(pod: Raw, nodes: Iterable[Raw], used: Used) -> Raw | str:
    """A node, or the scheduler's sentence on why there is none; `used` are a node's GPUs."""
    refusals: dict[str, int] = {}
    count = 0
    for node in nodes:
        count += 1
        reason = _refusal(pod, node, used)
        if reason is None:
            return node
        refusals[reason] = refusals.get(reason, 0) + 1
    told = ", ".join(f"{number} {reason}" for reason, number in sorted(refusals.items()))
    return f"0/{count} nodes are available: {told or 'no nodes'}."


def gpus_wanted(pod: Raw) -> int:
    return sum(
        int(((container.get("resources") or {}).get("limits") or {}).get(GPU, 0))
        for container in pod["spec"]["containers"]
    )


def _refusal(pod: Raw, node: Raw, used: Used) -> str | None:
    taint = _untolerated_taint(pod, node)
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    if taint is not None:
        return f"node(s) had untolerated taint {{{taint}}}"
    if not is_node_ready(node):
        return "node(s) were not ready"
    if not _matches_affinity(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    wanted = gpus_wanted(pod)
    available = int((node["status"].get("allocatable") or {}).get(GPU, 0))
    if wanted > available - used(node["metadata"]["name"]):
        return f"Insufficient {GPU}"
    return None


def _untolerated_taint(pod: Raw, node: Raw) -> str | None:
    tolerations = pod["spec"].get("tolerations") or []
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] == "PreferNoSchedule":
            continue
        if not any(_tolerates(each, taint) for each in tolerations):
            return f"{taint['key']}: {taint.get('value', '')}"
    return None


def _tolerates(toleration: Raw, taint: Raw) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return toleration.get("value", "") == taint.get("value", "")


def _matches_affinity(pod: Raw, node: Raw) -> bool:
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_matches_term(term, labels) for term in required.get("nodeSelectorTerms") or [])


def _matches_term(term: Raw, labels: dict[str, str]) -> bool:
    """Only `In`, which is all that KAITO writes; other operators do not match."""
    return all(
        each.get("operator") == "In" and labels.get(each["key"]) in (each.get("values") or [])
        for each in term.get("matchExpressions") or []
    )
