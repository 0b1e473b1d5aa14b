"""The custom resource definitions that KAITO 0.12 and its gpu-provisioner install.

Written from the documented fields, not generated. Things that surprise: a Workspace has no `spec`;
only `labelSelector`, `tuning.input` and `tuning.output` are required by schema; the template and
volume sources are schemaless, so only the webhook looks into them; v1alpha1 defaults the instance
type and lacks the newer fields.
https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_types.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito.releases import CURRENT, Edition, Release

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
STRING_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
OPAQUE: Schema = {"x-kubernetes-preserve-unknown-fields": True}
REASON_PATTERN = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
TYPE_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
DEFAULT_ALPHA_SIZE = "Standard_NC24ads_A100_v4"


def _object(properties: dict[str, Schema], *required: str, **more: object) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, **more}
    if required:
        schema["required"] = list(required)
    return schema


def _list(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, **more}


def _said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


def _condition() -> Schema:
    properties: dict[str, Schema] = {
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "message": {"type": "string", "maxLength": 32768},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": REASON_PATTERN,
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "type": {"type": "string", "maxLength": 316, "pattern": TYPE_PATTERN},
    }
    return _object(properties, "lastTransitionTime", "message", "reason", "status", "type")


def _label_selector() -> Schema:
    expression = _object(
        {
            "key": STRING,
            "operator": STRING,
            "values": STRINGS | {"x-kubernetes-list-type": "atomic"},
        },
        "key",
        "operator",
    )
    properties = {
        "matchExpressions": _list(expression, **{"x-kubernetes-list-type": "atomic"}),
        "matchLabels": STRING_MAP,
    }
    selector = _object(properties, **{"x-kubernetes-map-type": "atomic"})
    return _said(selector, "Labels of the nodes that this workspace runs on.")


def _resource(release: Release, *, is_beta: bool) -> Schema:
    properties = {
        "count": {"type": "integer", "default": 1, "description": "Deprecated for vLLM presets."},
        "instanceType": _said(STRING, "VM size, for example Standard_NC24ads_A100_v4."),
        "labelSelector": _label_selector(),
        "preferredNodes": _said(STRINGS, "Deprecated, without effect."),
    }
    if is_beta and release.has_partitions:
        properties["partition"] = _partition()
    if not is_beta:
        properties["instanceType"] = STRING | {"default": DEFAULT_ALPHA_SIZE}
    return _object(properties, "labelSelector")


def _partition() -> Schema:
    properties = {
        "mode": {"type": "string", "enum": ["mig", "accelerator"]},
        "profile": STRING,
        "count": {"type": "integer", "minimum": 1},
    }
    return _object(properties, "mode")


def _preset(*, is_beta: bool) -> Schema:
    options = {"image": STRING, "imagePullSecrets": STRINGS}
    if is_beta:
        options["modelAccessSecret"] = _said(STRING, "Secret with the key HF_TOKEN.")
    properties = {
        "name": _said(STRING, "A preset's short name or a Hugging Face id."),
        "accessMode": {"type": "string", "enum": ["public", "private"], "default": "public"},
        "presetOptions": _object(options),
    }
    return _object(properties, "name")


def _data_source() -> Schema:
    return _object(
        {
            "name": STRING,
            "urls": STRINGS,
            "volumeSource": OPAQUE,
            "image": STRING,
            "imagePullSecrets": STRINGS,
        }
    )


def _inference(*, is_beta: bool) -> Schema:
    adapter = _object({"source": _data_source(), "strength": STRING})
    return _object(
        {
            "preset": _preset(is_beta=is_beta),
            "template": _said(OPAQUE, "A pod template of your own instead of a preset."),
            "config": _said(STRING, "ConfigMap with the key inference_config.yaml."),
            "adapters": _list(adapter),
        }
    )


def _tuning(*, is_beta: bool) -> Schema:
    output = _object({"volumeSource": OPAQUE, "image": STRING, "imagePushSecret": STRING})
    properties = {
        "preset": _preset(is_beta=is_beta),
        "method": STRING,
        "config": STRING,
        "input": _data_source(),
        "output": output,
    }
    return _object(properties, "input", "output")


def _performance() -> Schema:
    metric = _object(
        {"description": STRING, "value": STRING, "unit": STRING, "config": STRING_MAP},
        "description",
        "value",
    )
    return _object({"metrics": {"type": "object", "additionalProperties": metric}})


def _status(release: Release, *, is_beta: bool) -> Schema:
    properties: dict[str, Schema] = {"conditions": _list(_condition()), "workerNodes": STRINGS}
    if is_beta:
        properties["targetNodeCount"] = {"type": "integer", "format": "int32"}
    if is_beta and release.has_state:
        properties["state"] = STRING
        properties["performance"] = _performance()
    return _object(properties)


def _workspace_schema(release: Release, *, is_beta: bool) -> Schema:
    return _object(
        {
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": {"type": "object"},
            "resource": _resource(release, is_beta=is_beta),
            "inference": _inference(is_beta=is_beta),
            "tuning": _tuning(is_beta=is_beta),
            "status": _status(release, is_beta=is_beta),
        },
        description="Workspace is the Schema for the workspaces API",
    )


def _column(name: str, path: str, kind: str = "string", **more: object) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def _state_column(name: str, condition: str) -> dict[str, Any]:
    return _column(name, f'.status.conditions[?(@.type=="{condition}")].status')


def _workspace_columns(release: Release, *, is_beta: bool) -> list[dict[str, Any]]:
    columns = [
        _column("Instance", ".resource.instanceType"),
        _state_column("ResourceReady", "ResourceReady"),
        _state_column("InferenceReady", "InferenceReady"),
        _state_column("JobStarted", "JobStarted"),
        _state_column("WorkspaceSucceeded", "WorkspaceSucceeded"),
    ]
    if is_beta:
        columns.append(_column("TargetNodeCount", ".status.targetNodeCount", "integer"))
    if is_beta and release.has_state:
        columns.append(_column("State", ".status.state"))
    return [*columns, _column("Age", ".metadata.creationTimestamp", "date")]


def _workspace_version(name: str, release: Release, *, is_beta: bool) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": is_beta,
        "additionalPrinterColumns": _workspace_columns(release, is_beta=is_beta),
        "schema": {"openAPIV3Schema": _workspace_schema(release, is_beta=is_beta)},
        "subresources": {"status": {}},
    }


def _crd(group: str, scope: str, names: dict[str, Any], versions: list[dict]) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": scope, "versions": versions},
    }


def workspace_crd(release: Release = CURRENT) -> dict[str, Any]:
    names = {
        "categories": ["workspace"],
        "kind": "Workspace",
        "listKind": "WorkspaceList",
        "plural": "workspaces",
        "shortNames": ["wk", "wks"],
        "singular": "workspace",
    }
    versions = [
        _workspace_version("v1alpha1", release, is_beta=False),
        _workspace_version("v1beta1", release, is_beta=True),
    ]
    return _crd("kaito.sh", "Namespaced", names, versions)


def _nodeclaim_schema() -> Schema:
    requirement = _object(
        {"key": STRING, "operator": STRING, "values": STRINGS, "minValues": {"type": "integer"}},
        "key",
        "operator",
    )
    taint = _object({"key": STRING, "value": STRING, "effect": STRING}, "key", "effect")
    reference = _object({"group": STRING, "kind": STRING, "name": STRING}, "kind", "name")
    spec = {
        "expireAfter": {"type": "string", "default": "720h"},
        "nodeClassRef": reference,
        "requirements": _list(requirement),
        "resources": _object({"requests": _quantities()}),
        "taints": _list(taint),
        "startupTaints": _list(taint),
        "terminationGracePeriod": STRING,
    }
    return _object(
        {
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": {"type": "object"},
            "spec": _object(spec, "nodeClassRef", "requirements"),
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
    return _object(
        {
            "allocatable": _quantities(),
            "capacity": _quantities(),
            "conditions": _list(_condition()),
            "imageID": STRING,
            "lastPodEventTime": {"type": "string", "format": "date-time"},
            "nodeName": STRING,
            "providerID": STRING,
        }
    )


def _nodeclaim_columns() -> list[dict[str, Any]]:
    return [
        _column("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
        _column("Capacity", r".metadata.labels.karpenter\.sh/capacity-type"),
        _column("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
        _column("Node", ".status.nodeName"),
        _state_column("Ready", "Ready"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("ID", ".status.providerID", priority=1),
        _column("NodePool", r".metadata.labels.karpenter\.sh/nodepool", priority=1),
    ]


NODECLAIM_CRD = _crd(
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

WORKSPACE_CRD = workspace_crd()
CRDS = (WORKSPACE_CRD, NODECLAIM_CRD)


def crds(edition: Edition) -> tuple[dict[str, Any], ...]:
    """Without node auto-provisioning nothing installs karpenter's kinds."""
    own = workspace_crd(edition.release)
    return (own, NODECLAIM_CRD) if edition.makes_nodes else (own,)
