"""What the operator creates for a workspace: names, labels, owners, ports as KAITO 0.12. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.presets import is_alias
from sandbox.kaito.releases import CURRENT, Release

HISTORY_LIMIT = 10
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SERVICE_NAME_LIMIT = 63
SERVICE_NAME_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
DEFAULT_DISK = "1024Gi"

Raw = dict[str, Any]


def owner_reference(ws: Raw) -> Raw:
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "name": ws["metadata"]["name"],
        "uid": ws["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(ws: Raw, name: str, **more: object) -> Raw:
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
        "metadata": owned(
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
                one_of("karpenter.sh/nodepool", "kaito"),
                one_of("node.kubernetes.io/instance-type", size),
                one_of("kubernetes.io/os", "linux"),
                one_of("karpenter.azure.com/sku-name", size),
            ],
            "resources": {"requests": {"storage": _disk(ws)}},
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
        },
    }


def one_of(key: str, value: str) -> Raw:
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


def service(ws: Raw, cluster_ip: str, release: Release = CURRENT) -> Raw:
    name = ws["metadata"]["name"]
    is_public = workspaces.wants_load_balancer(ws)
    ports = [_port("http", 80, 5000), _port("ray", 6379, 6379), _port("dashboard", 8265, 8265)]
    if not is_public and workspaces.is_vllm(ws) and release.has_hub_models:
        ports.append(_port("kv-events", 5557, 5557))
    if is_public:
        _add_node_ports(ports, ws["metadata"]["uid"])
    selector = {workspaces.NAME_LABEL: name}
    if release.uses_stateful_sets or workspaces.target_nodes(ws) > 1:
        selector["statefulset.kubernetes.io/pod-name"] = f"{name}-0"
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
    return {"metadata": owned(ws, name), "spec": spec, "status": {"loadBalancer": {}}}


def service_name_problem(name: str) -> str | None:
    """The API server's sentence, when a workspace's name cannot name a Service.

    KAITO admits such names: they may begin with a digit, and have up to 63 characters.
    """
    if not SERVICE_NAME.fullmatch(name):
        why = SERVICE_NAME_RULE
    elif len(name) > SERVICE_NAME_LIMIT:
        why = f"must be no more than {SERVICE_NAME_LIMIT} characters"
    else:
        return None
    return f'Service "{name}" is invalid: metadata.name: Invalid value: "{name}": {why}'


def _port(name: str, port: int, target: int) -> Raw:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": target}


def _add_node_ports(ports: list[Raw], uid: str) -> None:
    start = int(hashlib.sha256(uid.encode()).hexdigest(), 16) % 2700
    for offset, port in enumerate(ports):
        port["nodePort"] = 30000 + start + offset


def headless_service(ws: Raw) -> Raw:
    name = ws["metadata"]["name"]
    return {
        "metadata": owned(ws, f"{name}-headless"),
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


def needs_token(ws: Raw) -> bool:
    """For `org/model` names the named Secret is read in reconcile; for short names never."""
    name = workspaces.preset_name(ws)
    return bool(workspaces.access_secret(ws)) and not is_alias(name)
