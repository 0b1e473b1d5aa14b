"""What the operator creates for a workspace: names, labels, owners, ports as KAITO 0.12. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.podspecs import POD_INDEX_LABEL, preset_pod_spec
from sandbox.kaito.presets import is_alias
from sandbox.kaito.triggers import SLOW_ANNOTATION

HISTORY_LIMIT = 10
DEFAULT_DISK = "1024Gi"

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


def owner_reference(ws: Raw) -> Raw:
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "name": ws["metadata"]["name"],
        "uid": ws["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _owned(ws: Raw, name: str, **more: object) -> Raw:
    return {
        "name": name,
        "namespace": ws["metadata"]["namespace"],
        "ownerReferences": [owner_reference(ws)],
        **more,
    }


def revision_data(ws: Raw) -> Raw:
    return {field: ws.get(field) for field in ("resource", "inference", "tuning")}


def revision_hash(ws: Raw) -> str:
    hasher = hashlib.sha256()
    for part in revision_data(ws).values():
        hasher.update(json.dumps(part, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return hasher.hexdigest()


def controller_revision(ws: Raw, number: int) -> Raw:
    digest = revision_hash(ws)
    return {
        "metadata": _owned(
            ws,
            f"{ws['metadata']['name']}-{digest[:5]}",
            annotations={workspaces.HASH_ANNOTATION: digest},
            labels={workspaces.REVISION_LABEL: ws["metadata"]["name"]},
        ),
        "data": revision_data(ws),
        "revision": number,
    }


def node_claim(ws: Raw, name: str) -> Raw:
    """https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/utils/nodeclaim/nodeclaim.go"""
    size = workspaces.instance_type(ws)
    labels = {
        "karpenter.sh/nodepool": "kaito",
        workspaces.NAME_LABEL: ws["metadata"]["name"],
        workspaces.NAMESPACE_LABEL: ws["metadata"]["namespace"],
        **workspaces.match_labels(ws),
    }
    annotations = {"karpenter.sh/do-not-disrupt": "true"}
    family = workspaces.annotation(ws, workspaces.IMAGE_FAMILY_ANNOTATION)
    if family is not None:
        annotations[workspaces.IMAGE_FAMILY_ANNOTATION] = family.strip().lower()
    return {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": annotations,
            "finalizers": ["karpenter.sh/termination"],
        },
        "spec": {
            "expireAfter": "720h",
            "nodeClassRef": {
                "group": "karpenter.azure.com",
                "kind": "AKSNodeClass",
                "name": "default",
            },
            "requirements": [
                _in("karpenter.sh/nodepool", "kaito"),
                _in("node.kubernetes.io/instance-type", size),
                _in("kubernetes.io/os", "linux"),
                _in("karpenter.azure.com/sku-name", size),
            ],
            "resources": {"requests": {"storage": _disk(ws)}},
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
        },
    }


def _in(key: str, value: str) -> Raw:
    return {"key": key, "operator": "In", "values": [value]}


def _disk(ws: Raw) -> str:
    if not workspaces.preset_name(ws):
        return DEFAULT_DISK
    return f"{workspaces.model(ws).disk_gib}Gi"


def claim_size(claim: Raw) -> str:
    for requirement in claim["spec"]["requirements"]:
        if requirement["key"] == "node.kubernetes.io/instance-type":
            return requirement["values"][0]
    return ""


def service(ws: Raw, cluster_ip: str) -> Raw:
    name = ws["metadata"]["name"]
    is_public = workspaces.wants_load_balancer(ws)
    ports = [_port("http", 80, 5000), _port("ray", 6379, 6379), _port("dashboard", 8265, 8265)]
    if not is_public and workspaces.is_vllm(ws):
        ports.append(_port("kv-events", 5557, 5557))
    if is_public:
        _add_node_ports(ports, ws["metadata"]["uid"])
    selector = {
        workspaces.NAME_LABEL: name,
        "statefulset.kubernetes.io/pod-name": f"{name}-0",
    }
    spec = {
        "type": "LoadBalancer" if is_public else "ClusterIP",
        "clusterIP": cluster_ip,
        "clusterIPs": [cluster_ip],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        "ports": ports,
        "publishNotReadyAddresses": True,
        "selector": selector,
        "sessionAffinity": "None",
    }
    if is_public:
        spec |= {"allocateLoadBalancerNodePorts": True, "externalTrafficPolicy": "Cluster"}
    return {"metadata": _owned(ws, name), "spec": spec, "status": {"loadBalancer": {}}}


def _port(name: str, port: int, target: int) -> Raw:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": target}


def _add_node_ports(ports: list[Raw], uid: str) -> None:
    start = int(hashlib.sha256(uid.encode()).hexdigest(), 16) % 2700
    for offset, port in enumerate(ports):
        port["nodePort"] = 30000 + start + offset


def headless_service(ws: Raw) -> Raw:
    name = ws["metadata"]["name"]
    return {
        "metadata": _owned(ws, f"{name}-headless"),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "publishNotReadyAddresses": True,
            "selector": {workspaces.NAME_LABEL: name},
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }


def stateful_set(ws: Raw) -> Raw:
    return _template_set(ws) if workspaces.template(ws) is not None else _preset_set(ws)


def _preset_set(ws: Raw) -> Raw:
    labels = {workspaces.NAME_LABEL: ws["metadata"]["name"]}
    template = {
        "metadata": {"labels": labels},
        "spec": preset_pod_spec(ws) | {"tolerations": copy.deepcopy(TOLERATIONS)} | _affinity(ws),
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
    spec.update(_affinity(ws))
    spec["tolerations"] = [*(spec.get("tolerations") or []), *copy.deepcopy(TOLERATIONS)]
    return _set(ws, template)


def _set(ws: Raw, template: Raw) -> Raw:
    slow = workspaces.annotation(ws, SLOW_ANNOTATION)
    if slow is not None:
        template["metadata"].setdefault("annotations", {})[SLOW_ANNOTATION] = slow
    _default_pod_spec(template["spec"])
    return {
        "metadata": _owned(ws, ws["metadata"]["name"]),
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


def _affinity(ws: Raw) -> Raw:
    labels = workspaces.match_labels(ws)
    if not labels:
        return {}
    terms = [{"matchExpressions": [_in(key, value) for key, value in labels.items()]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def updated_stateful_set(existing: Raw, ws: Raw) -> Raw | None:
    """What KAITO changes of a preset's set after an edit: never the command line.

    None when the set was made from this revision already. Templates are not rolled out at all.
    """
    revision = workspaces.annotation(ws, workspaces.REVISION_ANNOTATION)
    if workspaces.template(ws) is not None:
        return None
    known = (existing["metadata"].get("annotations") or {}).get(workspaces.REVISION_ANNOTATION)
    if known == revision:
        return None
    updated, wanted = copy.deepcopy(existing), stateful_set(ws)["spec"]["template"]["spec"]
    spec = updated["spec"]["template"]["spec"]
    for field in ("env", "volumeMounts"):
        spec["containers"][0][field] = wanted["containers"][0].get(field, [])
    spec["initContainers"] = wanted.get("initContainers", [])
    spec["volumes"] = wanted.get("volumes", [])
    updated["metadata"].setdefault("annotations", {})[workspaces.REVISION_ANNOTATION] = revision
    return updated


def needs_token(ws: Raw) -> bool:
    """For `org/model` names the named Secret is read in reconcile; for short names never."""
    name = workspaces.preset_name(ws)
    return bool(workspaces.access_secret(ws)) and not is_alias(name)


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
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "name": metadata["name"],
                "uid": metadata["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if template["metadata"].get("annotations"):
        built["annotations"] = template["metadata"]["annotations"]
    spec = template["spec"] | {"hostname": name}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    return {"metadata": built, "spec": spec, "status": {"phase": "Pending", "qosClass": qos(spec)}}


def qos(spec: Raw) -> str:
    wanted = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(each.get("requests") or each.get("limits") for each in wanted):
        return "BestEffort"
    for each in wanted:
        limits = each.get("limits") or {}
        requests = each.get("requests") or limits
        if not {"cpu", "memory"} <= set(limits) or any(
            requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")
        ):
            return "Burstable"
    return "Guaranteed"
