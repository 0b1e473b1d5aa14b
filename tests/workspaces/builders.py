"""Rows and raw objects for tests of this room: `raw_…` gives a plain object, `make_…` saves rows.

Stories (`story=`) are what a workspace looks like in the cluster at one moment of its life:
new, node, image, weights, ready, quota, gated, pull, deleting, gone.
"""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from clusters.models import Cluster, ClusterState
from workspaces import diagnosis, parsing
from workspaces.models import ClusterEvent, Dependent, Operation, Transition, Workspace
from workspaces.types import Dependents, PresetChoice, Recipe, WorkspaceSpec

NOW = datetime(2026, 11, 24, 12, 10, 0, tzinfo=UTC)
QUOTA_TEXT = (
    "creating instance failed: OperationNotAllowed: Operation could not be completed as it results in "
    "exceeding approved standardNCADSA100v4Family Cores quota. Additional details - Location: eastus, "
    "Current Limit: 96, Current Usage: 96, Additional Required: 24, (Minimum) New Limit Required: 120."
)
SPEC = WorkspaceSpec(
    name="phi-4",
    namespace="team-a",
    recipe=Recipe.PRESET,
    instance_type="Standard_NC24ads_A100_v4",
    preset=PresetChoice(name="phi-4"),
)
_numbers = itertools.count(1)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def raw_condition(kind, status="True", reason="", message="", since=NOW, **more):
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": message,
        "lastTransitionTime": stamp(since),
        **more,
    }


def raw_workspace(name="phi-4", namespace="team-a", **options):
    """A vLLM preset as KAITO 0.12 keeps it; options: preset, instance_type, status, created_at, uid, annotations, template, metadata."""
    created_at = options.get("created_at", NOW - timedelta(minutes=7))
    inference = {"preset": {"name": options.get("preset", "microsoft/phi-4")}}
    if "template" in options:
        inference = {"template": options["template"]}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": options.get("uid") or f"uid-{namespace}-{name}",
            "resourceVersion": options.get("resource_version", "100"),
            "generation": 1,
            "creationTimestamp": stamp(created_at),
            "finalizers": ["workspace.finalizer.kaito.sh"],
            "annotations": options.get("annotations", {}),
            **options.get("metadata", {}),
        },
        "resource": {
            "count": 1,
            "instanceType": options.get("instance_type", "Standard_NC24ads_A100_v4"),
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": inference,
        "status": options.get("status", {}),
    }


def raw_container(name="phi-4", *, state=None, last=None, ready=False, restarts=0, image=""):
    return {
        "name": name,
        "image": image or "mcr.microsoft.com/aks/kaito/kaito-base:0.5.0",
        "ready": ready,
        "restartCount": restarts,
        "state": state or {"waiting": {"reason": "ContainerCreating"}},
        "lastState": last or {},
    }


def raw_pod(workspace="phi-4", namespace="team-a", *, number=0, **options):
    """options: containers (raw_container…), conditions, phase, created_at, spec, status, metadata."""
    name = f"{workspace}-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-pod-{namespace}-{name}",
            "resourceVersion": "200",
            "creationTimestamp": stamp(options.get("created_at", NOW - timedelta(minutes=3))),
            "labels": {"kaito.sh/workspace": workspace},
            **options.get("metadata", {}),
        },
        "spec": {
            "nodeName": "aks-ws3f9c1a2b7-vmss000000",
            "containers": [
                {"name": workspace, "image": "mcr.microsoft.com/aks/kaito/kaito-base:0.5.0"}
            ],
            **options.get("spec", {}),
        },
        "status": {
            "phase": options.get("phase", "Pending"),
            "conditions": options.get("conditions", []),
            "containerStatuses": options.get("containers", []),
            **options.get("status", {}),
        },
    }


def raw_claim(workspace="phi-4", namespace="team-a", *, name="ws3f9c1a2b7", **options):
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {
            "name": name,
            "uid": f"uid-claim-{name}",
            "resourceVersion": "300",
            "creationTimestamp": stamp(options.get("created_at", NOW - timedelta(minutes=6))),
            "labels": {
                "kaito.sh/workspace": workspace,
                "kaito.sh/workspacenamespace": namespace,
            },
            **options.get("metadata", {}),
        },
        "status": {
            "nodeName": options.get("node", ""),
            "conditions": options.get("conditions", []),
        },
    }


def raw_service(workspace="phi-4", namespace="team-a", *, address=""):
    ingress = {"loadBalancer": {"ingress": [{"ip": address}]}} if address else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": workspace,
            "namespace": namespace,
            "uid": f"uid-service-{namespace}-{workspace}",
            "resourceVersion": "250",
        },
        "spec": {
            "type": "LoadBalancer" if address else "ClusterIP",
            "clusterIP": "10.0.12.7",
            "ports": [{"name": "http", "port": 80, "targetPort": 5000}],
        },
        "status": ingress,
    }


def raw_event(
    reason, message="", *, about="phi-4", kind="Workspace", namespace="team-a", **options
):
    return {
        "metadata": {"uid": f"uid-event-{next(_numbers)}", "resourceVersion": "400"},
        "involvedObject": {"kind": kind, "name": about, "namespace": namespace},
        "type": options.get("type", "Normal"),
        "reason": reason,
        "message": message,
        "source": {"component": options.get("source", "KAITO-Workspace-controller")},
        "count": options.get("count", 1),
        "firstTimestamp": stamp(options.get("at", NOW)),
        "lastTimestamp": stamp(options.get("at", NOW)),
    }


def running_pod(workspace="phi-4", namespace="team-a", *, ready=False, since=None):
    since = since or NOW - timedelta(minutes=2)
    running = raw_container(workspace, state={"running": {"startedAt": stamp(since)}}, ready=ready)
    return raw_pod(
        workspace,
        namespace,
        phase="Running",
        created_at=since - timedelta(seconds=81),
        containers=[running],
        conditions=[
            raw_condition("PodScheduled", since=since - timedelta(seconds=80)),
            raw_condition("Ready", "True" if ready else "False", since=since),
        ],
    )


def crashing_pod(workspace="phi-4", namespace="team-a", *, reason="Error", restarts=4):
    crashed = raw_container(
        workspace,
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 1m20s restarting"}},
        last={"terminated": {"reason": reason, "exitCode": 137 if reason == "OOMKilled" else 1}},
        restarts=restarts,
    )
    return raw_pod(workspace, namespace, phase="Running", containers=[crashed])


def refused_claim(workspace="phi-4", namespace="team-a", text=QUOTA_TEXT):
    launched = raw_condition("Launched", "False", "LaunchFailed", text)
    return raw_claim(workspace, namespace, conditions=[launched])


def pending_status(**more):
    since = NOW - timedelta(minutes=6)
    return {
        "state": "Pending",
        "targetNodeCount": 1,
        "conditions": [
            raw_condition("NodeClaimReady", "False", "NodeClaimNotReady", since=since),
            raw_condition("NodesReady", "False", "NodeNotReady", since=since),
            raw_condition("ResourceReady", "False", "NodeClaimNotReady", since=since),
            raw_condition(
                "InferenceReady", "False", "WorkspaceInferenceStatusPending", since=since
            ),
            raw_condition("WorkspaceSucceeded", "False", "workspacePending", since=since),
        ],
        **more,
    }


def noded_status(**more):
    since = NOW - timedelta(minutes=3, seconds=30)
    return pending_status(
        workerNodes=["aks-ws3f9c1a2b7-vmss000000"],
        conditions=[
            raw_condition("NodeClaimReady", reason="NodeClaimsReady", since=since),
            raw_condition("NodesReady", reason="NodesReady", since=since),
            raw_condition("ResourceReady", reason="workspaceResourceStatusSuccess", since=since),
            raw_condition(
                "InferenceReady", "False", "WorkspaceInferenceStatusPending", since=since
            ),
            raw_condition("WorkspaceSucceeded", "False", "workspacePending", since=since),
        ],
        **more,
    )


def ready_status(**more):
    times = {"InferenceReady": 1, "WorkspaceSucceeded": 1, "BenchmarkCompleted": 1}
    kinds = [c["type"] for c in noded_status()["conditions"]] + ["BenchmarkCompleted"]
    conditions = [
        raw_condition(kind, since=NOW - timedelta(minutes=times.get(kind, 4))) for kind in kinds
    ]
    peak = {"value": "158400", "unit": "tokens/min", "description": "stress/high-concurrency"}
    return {
        "state": "Ready",
        "targetNodeCount": 1,
        "workerNodes": ["aks-ws3f9c1a2b7-vmss000000"],
        "conditions": conditions,
        "performance": {"metrics": {"peakTokensPerMinute": peak}},
        **more,
    }


def _story(story, name, namespace):
    """Status of the workspace, and the objects that KAITO has made for it by then."""
    on_node = raw_claim(name, namespace, node="aks-ws3f9c1a2b7-vmss000000")
    service = raw_service(name, namespace)
    pull = raw_container(
        name,
        state={"waiting": {"reason": "ImagePullBackOff", "message": 'image "x:1": not found'}},
    )
    return {
        "new": ({}, []),
        "node": (pending_status(), [raw_claim(name, namespace)]),
        "image": (noded_status(), [on_node, service, raw_pod(name, namespace)]),
        "weights": (noded_status(), [on_node, service, running_pod(name, namespace)]),
        "ready": (ready_status(), [on_node, service, running_pod(name, namespace, ready=True)]),
        "quota": (pending_status(), [refused_claim(name, namespace)]),
        "gated": (noded_status(), [on_node, service, crashing_pod(name, namespace)]),
        "pull": (
            noded_status(),
            [on_node, service, raw_pod(name, namespace, containers=[pull])],
        ),
        "deleting": (ready_status(), [on_node, service, running_pod(name, namespace, ready=True)]),
        "gone": (ready_status(), []),
    }[story]


def make_cluster(name="sandbox", **fields):
    given = {
        "kind": "sandbox",
        "endpoint": "http://127.0.0.1:6443",
        "namespaces": ["default", "team-a"],
        "state": ClusterState.OK,
        "last_contact_at": timezone.now(),
        "last_list_at": timezone.now(),
        **fields,
    }
    return Cluster.objects.create(name=name, **given)


def make_workspace(*, cluster=None, name="phi-4", namespace="team-a", story="ready", **options):
    """Rows as the mirror would have written them; `options` are for raw_workspace, `fields` for the row."""
    cluster = cluster or Cluster.objects.first() or make_cluster()
    fields = options.pop("fields", {})
    status, objects = _story(story, name, namespace)
    if story in ("deleting", "gone"):
        options["metadata"] = {"deletionTimestamp": stamp(NOW - timedelta(seconds=20))}
    uid = options.pop("uid", f"uid-{next(_numbers)}")
    raw = raw_workspace(name, namespace, status=status, uid=uid, **options)
    for raw_object in objects:
        make_dependent(cluster, raw_object, workspace=name, namespace=namespace)
    return Workspace.objects.create(
        cluster=cluster, **_columns(raw, objects, gone=story == "gone"), **fields
    )


def _columns(raw, objects, *, gone):
    parsed = parsing.parse_workspace(raw)
    deleted_at = NOW - timedelta(seconds=5) if gone else None
    found = diagnosis.diagnose(parsed, dependents_of(objects), (), NOW, gone_at=deleted_at)
    ready = parsed.status.condition("InferenceReady")
    return {
        "uid": parsed.uid,
        "namespace": parsed.namespace,
        "name": parsed.name,
        "resource_version": parsed.resource_version,
        "generation": parsed.generation,
        "phase": found.phase,
        "phase_since": NOW - timedelta(minutes=1),
        "headline": found.headline,
        "recipe": parsed.recipe,
        "model": parsed.model,
        "runtime": parsed.runtime,
        "dialect": "openai-vllm" if parsed.recipe == "preset" else "chat",
        "instance_type": parsed.instance_type,
        "count": parsed.count,
        "node_count": len(parsed.status.worker_nodes),
        "answers": bool(ready and ready.is_true) and not gone,
        "raw": raw,
        "created_at": parsed.created_at,
        "deletion_requested_at": parsed.deletion_requested_at,
        "deleted_at": deleted_at,
        "seen_at": NOW,
    }


def dependents_of(objects):
    """Raw objects, sorted into the value that diagnose takes."""

    def of(kind, parse):
        return tuple(parse(o) for o in objects if o["kind"] == kind)

    return Dependents(
        pods=of("Pod", parsing.parse_pod),
        node_claims=of("NodeClaim", parsing.parse_node_claim),
        services=of("Service", parsing.parse_service),
    )


def make_dependent(cluster, raw, *, workspace="phi-4", namespace="team-a"):
    meta = raw["metadata"]
    return Dependent.objects.create(
        cluster=cluster,
        kind=raw["kind"],
        uid=f"{meta['uid']}-{next(_numbers)}",
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        workspace_namespace=namespace,
        workspace_name=workspace,
        raw=raw,
        created_at=NOW,
        seen_at=NOW,
    )


def make_event(cluster, reason, message="", *, workspace="phi-4", namespace="team-a", **options):
    parsed = parsing.parse_event(
        raw_event(reason, message, about=workspace, namespace=namespace, **options)
    )
    return ClusterEvent.objects.create(
        cluster=cluster,
        uid=parsed.uid,
        workspace_namespace=namespace,
        workspace_name=workspace,
        object_kind=parsed.object_kind,
        object_name=parsed.object_name,
        type=parsed.type,
        reason=parsed.reason,
        message=parsed.message,
        source=parsed.source,
        count=parsed.count,
        first_at=parsed.first_at,
        last_at=parsed.last_at,
    )


def make_transition(workspace, subject, after, *, at=NOW, **fields):
    return Transition.objects.create(
        cluster=workspace.cluster,
        workspace_uid=workspace.uid,
        subject=subject,
        after=after,
        at=at,
        **fields,
    )


def make_operation(cluster, person, *, kind="create", name="phi-4", namespace="team-a", **fields):
    given = {"status": "queued", "idempotency_key": str(uuid.uuid4()), **fields}
    given.setdefault("created_at", datetime.now(UTC))  # finer than SQLite's own clock
    return Operation.objects.create(
        cluster=cluster,
        kind=kind,
        namespace=namespace,
        name=name,
        person=person,
        person_name=person.get_username(),
        **given,
    )
