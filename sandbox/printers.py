"""The columns of built-in kinds, as the API server prints them.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.durations import age
from sandbox.resources import Key
from sandbox.shapes import Json

Object = dict[str, Any]
Cell = Callable[[Object, datetime], Json]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def _at(name: str, path: str, default: Json = "", **rest: Any) -> Column:  # noqa: ANN401 - further fields of Column
    return Column(name, lambda obj, now: _value(obj, path, default), **rest)


def _value(obj: Object, path: str, default: Json = "") -> Json:
    here: Json = obj
    for step in path.split("."):
        here = here.get(step) if isinstance(here, dict) else None
    return default if here is None else here


def _age_of(name: str, path: str, **rest: Any) -> Column:  # noqa: ANN401
    return Column(name, lambda obj, now: age(_value(obj, path, None), now), **rest)


AGE = _age_of("Age", "metadata.creationTimestamp")
NAME = _at("Name", "metadata.name", format="name")


def _pod_ready(pod: Object, now: datetime) -> str:
    statuses = _value(pod, "status.containerStatuses", [])
    ready = sum(1 for container in statuses if container.get("ready"))
    return f"{ready}/{len(_value(pod, 'spec.containers', []))}"


def _pod_status(pod: Object, now: datetime) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for container in reversed(_value(pod, "status.containerStatuses", [])):
        state = container.get("state", {})
        reason = state.get("waiting", state.get("terminated", {})).get("reason")
        if reason:
            return reason
    return _value(pod, "status.reason") or _value(pod, "status.phase")


def _pod_restarts(pod: Object, now: datetime) -> str:
    statuses = _value(pod, "status.containerStatuses", [])
    count = sum(container.get("restartCount", 0) for container in statuses)
    ended = [_value(each, "lastState.terminated.finishedAt", None) for each in statuses]
    last = max((moment for moment in ended if moment), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def _node_status(node: Object, now: datetime) -> str:
    conditions = _value(node, "status.conditions", [])
    ready = next((item["status"] for item in conditions if item["type"] == "Ready"), "Unknown")
    words = ["Ready" if ready == "True" else "NotReady" if ready == "False" else "Unknown"]
    if _value(node, "spec.unschedulable", False):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Object, now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels", {})
    roles = [label.removeprefix(prefix) for label in labels if label.startswith(prefix)]
    return ",".join(sorted(roles)) or "<none>"


def _node_address(kind: str) -> Cell:
    def cell(node: Object, now: datetime) -> str:
        addresses = _value(node, "status.addresses", [])
        return next((item["address"] for item in addresses if item["type"] == kind), "<none>")

    return cell


def _service_external(service: Object, now: datetime) -> str:
    ingress = _value(service, "status.loadBalancer.ingress", [])
    addresses = [item.get("ip") or item.get("hostname", "") for item in ingress]
    if _value(service, "spec.type") == "LoadBalancer":
        return ",".join(addresses) or "<pending>"
    return "<none>"


def _service_ports(service: Object, now: datetime) -> str:
    said = []
    for port in _value(service, "spec.ports", []):
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        said.append(f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(said) or "<none>"


def _selector(path: str) -> Cell:
    def cell(obj: Object, now: datetime) -> str:
        labels = _value(obj, path, {})
        return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"

    return cell


def _replicas_ready(obj: Object, now: datetime) -> str:
    return f"{_value(obj, 'status.readyReplicas', 0)}/{_value(obj, 'spec.replicas', 1)}"


def _containers(field: str) -> Cell:
    def cell(obj: Object, now: datetime) -> str:
        containers = _value(obj, "spec.template.spec.containers", [])
        return ",".join(container.get(field, "") for container in containers)

    return cell


def _job_status(job: Object, now: datetime) -> str:
    true = [
        item["type"] for item in _value(job, "status.conditions", []) if item["status"] == "True"
    ]
    return next((word for word in ("Complete", "Failed") if word in true), "Running")


def _event_object(event: Object, now: datetime) -> str:
    involved = event.get("involvedObject", {})
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_source(event: Object, now: datetime) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    return ", ".join(filter(None, (component, source.get("host", ""))))


def _event_seen(event: Object, now: datetime) -> str:
    last = event.get("lastTimestamp") or event.get("eventTime")
    return age(last or event["metadata"].get("creationTimestamp"), now)


def _data_count(obj: Object, now: datetime) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _endpoints(obj: Object, now: datetime) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets", [])
        for address in subset.get("addresses", [])
        for port in subset.get("ports", [])
    ]
    return ",".join(found) or "<none>"


def _bound_role(binding: Object, now: datetime) -> str:
    return f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}"


def _subjects(kind: str) -> Cell:
    def cell(binding: Object, now: datetime) -> str:
        found = [each for each in binding.get("subjects") or () if each["kind"] == kind]
        return ", ".join(
            "/".join(filter(None, (each.get("namespace"), each["name"]))) for each in found
        )

    return cell


WORKLOAD_WIDE = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
)

PRINTERS: dict[Key, tuple[Column, ...]] = {
    ("", "namespaces"): (_at("Status", "status.phase"), AGE),
    ("", "nodes"): (
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        _at("Version", "status.nodeInfo.kubeletVersion"),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        _at("OS-Image", "status.nodeInfo.osImage", "<unknown>", priority=1),
        _at("Kernel-Version", "status.nodeInfo.kernelVersion", "<unknown>", priority=1),
        _at(
            "Container-Runtime", "status.nodeInfo.containerRuntimeVersion", "<unknown>", priority=1
        ),
    ),
    ("", "pods"): (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
        AGE,
        _at("IP", "status.podIP", "<none>", priority=1),
        _at("Node", "spec.nodeName", "<none>", priority=1),
        _at("Nominated Node", "status.nominatedNodeName", "<none>", priority=1),
        Column("Readiness Gates", lambda pod, now: "<none>", priority=1),
    ),
    ("", "services"): (
        _at("Type", "spec.type", "ClusterIP"),
        _at("Cluster-IP", "spec.clusterIP", "<none>"),
        Column("External-IP", _service_external),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", _selector("spec.selector"), priority=1),
    ),
    ("", "endpoints"): (Column("Endpoints", _endpoints), AGE),
    ("", "events"): (
        Column("Last Seen", _event_seen),
        _at("Type", "type"),
        _at("Reason", "reason"),
        Column("Object", _event_object),
        _at("Subobject", "involvedObject.fieldPath", priority=1),
        Column("Source", _event_source, priority=1),
        _at("Message", "message"),
        _age_of("First Seen", "firstTimestamp", priority=1),
        _at("Count", "count", 1, type="integer", priority=1),
        _at("Name", "metadata.name", format="name", priority=1),
    ),
    ("", "secrets"): (
        _at("Type", "type", "Opaque"),
        Column("Data", _data_count, type="integer"),
        AGE,
    ),
    ("", "configmaps"): (Column("Data", _data_count, type="integer"), AGE),
    ("", "serviceaccounts"): (AGE,),
    ("", "persistentvolumeclaims"): (
        _at("Status", "status.phase", "Pending"),
        _at("Volume", "spec.volumeName"),
        _at("Capacity", "status.capacity.storage"),
        Column("Access Modes", lambda pvc, now: ",".join(_value(pvc, "spec.accessModes", []))),
        _at("StorageClass", "spec.storageClassName"),
        AGE,
    ),
    ("rbac.authorization.k8s.io", "roles"): (_at("Created At", "metadata.creationTimestamp"),),
    ("rbac.authorization.k8s.io", "clusterroles"): (
        _at("Created At", "metadata.creationTimestamp"),
    ),
    ("rbac.authorization.k8s.io", "rolebindings"): (
        Column("Role", _bound_role),
        AGE,
        *(Column(f"{kind}s", _subjects(kind), priority=1) for kind in ("User", "Group")),
        Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
    ),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): (
        Column("Role", _bound_role),
        AGE,
        *(Column(f"{kind}s", _subjects(kind), priority=1) for kind in ("User", "Group")),
        Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
    ),
    ("apps", "statefulsets"): (Column("Ready", _replicas_ready), AGE, *WORKLOAD_WIDE),
    ("apps", "deployments"): (
        Column("Ready", _replicas_ready),
        _at("Up-to-date", "status.updatedReplicas", 0, type="integer"),
        _at("Available", "status.availableReplicas", 0, type="integer"),
        AGE,
        *WORKLOAD_WIDE,
        Column("Selector", _selector("spec.selector.matchLabels"), priority=1),
    ),
    ("apps", "replicasets"): (
        _at("Desired", "spec.replicas", 1, type="integer"),
        _at("Current", "status.replicas", 0, type="integer"),
        _at("Ready", "status.readyReplicas", 0, type="integer"),
        AGE,
        *WORKLOAD_WIDE,
    ),
    ("coordination.k8s.io", "leases"): (_at("Holder", "spec.holderIdentity"), AGE),
    ("apps", "controllerrevisions"): (
        Column(
            "Controller",
            lambda obj, now: next(
                (
                    f"{ref['kind'].lower()}.{ref['apiVersion'].split('/')[0]}/{ref['name']}"
                    for ref in obj["metadata"].get("ownerReferences", [])
                ),
                "<none>",
            ),
        ),
        _at("Revision", "revision", 0, type="integer"),
        AGE,
    ),
    ("batch", "jobs"): (
        Column("Status", _job_status),
        Column(
            "Completions",
            lambda job, now: (
                f"{_value(job, 'status.succeeded', 0)}/{_value(job, 'spec.completions', 1)}"
            ),
        ),
        AGE,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        _at("Created At", "metadata.creationTimestamp"),
    ),
    ("storage.k8s.io", "storageclasses"): (
        _at("Provisioner", "provisioner"),
        _at("ReclaimPolicy", "reclaimPolicy", "Delete"),
        _at("VolumeBindingMode", "volumeBindingMode", "Immediate"),
        AGE,
    ),
}
