"""What KAITO and Kubernetes make for a Workspace: pods, node claims, services, workloads, events."""

from __future__ import annotations

from collections.abc import Iterator

from workspaces.parsing.conditions import parse_conditions
from workspaces.parsing.raw import at, items, mapping, moment, number, strings, text, texts
from workspaces.parsing.servers import dialect_of, server_container
from workspaces.types import (
    ContainerState,
    ParsedEvent,
    ParsedNodeClaim,
    ParsedPod,
    ParsedService,
    ParsedWorkload,
    RawObject,
)

WORKSPACE_LABEL = "kaito.sh/workspace"
WORKSPACE_NAMESPACE_LABEL = "kaito.sh/workspacenamespace"


def parse_pod(raw: RawObject) -> ParsedPod:
    meta, status = mapping(raw.get("metadata")), mapping(raw.get("status"))
    images = {text(c.get("name")): text(c.get("image")) for c in _all_containers(raw.get("spec"))}
    return ParsedPod(
        uid=text(meta.get("uid")),
        namespace=text(meta.get("namespace")),
        name=text(meta.get("name")),
        workspace=strings(meta.get("labels")).get(WORKSPACE_LABEL, ""),
        phase=text(status.get("phase")) or "Pending",
        reason=text(status.get("reason")),
        message=text(status.get("message")),
        node=text(at(raw, "spec", "nodeName")),
        conditions=parse_conditions(status),
        containers=tuple(_container_states(status, images)),
        created_at=moment(meta.get("creationTimestamp")),
        deletion_requested_at=moment(meta.get("deletionTimestamp")),
    )


def parse_node_claim(raw: RawObject) -> ParsedNodeClaim:
    meta, labels = mapping(raw.get("metadata")), strings(at(raw, "metadata", "labels"))
    return ParsedNodeClaim(
        uid=text(meta.get("uid")),
        name=text(meta.get("name")),
        workspace_namespace=labels.get(WORKSPACE_NAMESPACE_LABEL)
        or labels.get("karpenter.kaito.sh/workspace-namespace", ""),
        workspace=labels.get(WORKSPACE_LABEL)
        or labels.get("karpenter.kaito.sh/workspace-name", ""),
        instance_type=_claimed_type(raw),
        node=text(at(raw, "status", "nodeName")),
        conditions=parse_conditions(mapping(raw.get("status"))),
        created_at=moment(meta.get("creationTimestamp")),
        deletion_requested_at=moment(meta.get("deletionTimestamp")),
    )


def parse_service(raw: RawObject) -> ParsedService:
    meta, spec = mapping(raw.get("metadata")), mapping(raw.get("spec"))
    ingress = items(at(raw, "status", "loadBalancer", "ingress"))
    ports = ((text(p.get("name")), number(p.get("port"))) for p in items(spec.get("ports")))
    return ParsedService(
        uid=text(meta.get("uid")),
        namespace=text(meta.get("namespace")),
        name=text(meta.get("name")),
        type=text(spec.get("type")) or "ClusterIP",
        cluster_ip=text(spec.get("clusterIP")),
        external_address=next(
            (address for i in ingress if (address := text(i.get("ip")) or text(i.get("hostname")))),
            "",
        ),
        ports=tuple(ports),
    )


def parse_workload(raw: RawObject) -> ParsedWorkload:
    meta, spec = mapping(raw.get("metadata")), mapping(raw.get("spec"))
    server = server_container(at(spec, "template", "spec"))
    return ParsedWorkload(
        uid=text(meta.get("uid")),
        kind=text(raw.get("kind")),
        namespace=text(meta.get("namespace")),
        name=text(meta.get("name")),
        replicas=number(spec.get("replicas"), 1),
        ready_replicas=number(at(raw, "status", "readyReplicas")),
        image=text(server.get("image")),
        dialect=dialect_of(server),
    )


def parse_event(raw: RawObject) -> ParsedEvent:
    """A core/v1 Event; those of the newer API carry eventTime, series and reportingController instead."""
    meta, about = mapping(raw.get("metadata")), mapping(raw.get("involvedObject"))
    first = moment(raw.get("firstTimestamp")) or moment(raw.get("eventTime"))
    last = moment(raw.get("lastTimestamp")) or moment(at(raw, "series", "lastObservedTime"))
    return ParsedEvent(
        uid=text(meta.get("uid")),
        namespace=text(about.get("namespace")) or text(meta.get("namespace")),
        object_kind=text(about.get("kind")),
        object_name=text(about.get("name")),
        object_uid=text(about.get("uid")),
        type=text(raw.get("type")) or "Normal",
        reason=text(raw.get("reason")),
        message=text(raw.get("message")),
        source=text(at(raw, "source", "component")) or text(raw.get("reportingComponent")),
        count=number(raw.get("count")) or number(at(raw, "series", "count"), 1),
        first_at=first or moment(meta.get("creationTimestamp")),
        last_at=last or first or moment(meta.get("creationTimestamp")),
        resource_version=text(meta.get("resourceVersion")),
    )


def _all_containers(pod_spec: object) -> list[RawObject]:
    spec = mapping(pod_spec)
    return items(spec.get("initContainers")) + items(spec.get("containers"))


def _container_states(status: RawObject, images: dict[str, str]) -> Iterator[ContainerState]:
    for key in ("initContainerStatuses", "containerStatuses"):
        for raw in items(status.get(key)):
            yield _container_state(raw, images, is_init=key.startswith("init"))


def _container_state(raw: RawObject, images: dict[str, str], *, is_init: bool) -> ContainerState:
    name, state = text(raw.get("name")), mapping(raw.get("state"))
    phase = next((p for p in ("running", "terminated", "waiting") if p in state), "waiting")
    now, before = mapping(state.get(phase)), mapping(at(raw, "lastState", "terminated"))
    return ContainerState(
        name=name,
        image=text(raw.get("image")) or images.get(name, ""),
        phase=phase,
        reason=text(now.get("reason")),
        message=text(now.get("message")),
        exit_code=_exit_code(now),
        since=moment(now.get("finishedAt")) or moment(now.get("startedAt")),
        is_ready=raw.get("ready") is True,
        is_init=is_init,
        restarts=number(raw.get("restartCount")),
        last_reason=text(before.get("reason")),
        last_exit_code=_exit_code(before),
    )


def _exit_code(raw: RawObject) -> int | None:
    return number(raw["exitCode"]) if "exitCode" in raw else None


def _claimed_type(raw: RawObject) -> str:
    """The machine that a NodeClaim got, or may get: karpenter writes it as a requirement on a well-known label."""
    key = "node.kubernetes.io/instance-type"
    labelled = strings(at(raw, "metadata", "labels")).get(key, "")
    wanted = (r for r in items(at(raw, "spec", "requirements")) if r.get("key") == key)
    return labelled or next((v for r in wanted for v in texts(r.get("values"))), "")
