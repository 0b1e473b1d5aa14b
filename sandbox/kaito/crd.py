"""The custom resource definitions that KAITO 0.12 and its gpu-provisioner install.

Written from the documented fields, not generated. Things that surprise: a Workspace has no `spec`;
only `labelSelector`, `tuning.input` and `tuning.output` are required by schema; the template and
volume sources are schemaless, so only the webhook looks into them; v1alpha1 defaults the instance
type and lacks the newer fields.
https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_types.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito.definitions import (
    OPAQUE,
    STRING,
    STRING_MAP,
    STRINGS,
    Schema,
    a_list,
    an_object,
    column,
    condition,
    definition,
    said,
    state_column,
)
from sandbox.kaito.nodeclaims import NODECLAIM_CRD
from sandbox.kaito.releases import CURRENT, Edition, Release

DEFAULT_ALPHA_SIZE = "Standard_NC24ads_A100_v4"


def _label_selector() -> Schema:
    expression = an_object(
        {
            "key": STRING,
            "operator": STRING,
            "values": STRINGS | {"x-kubernetes-list-type": "atomic"},
        },
        "key",
        "operator",
    )
    properties = {
        "matchExpressions": a_list(expression, **{"x-kubernetes-list-type": "atomic"}),
        "matchLabels": STRING_MAP,
    }
    selector = an_object(properties, **{"x-kubernetes-map-type": "atomic"})
    return said(selector, "Labels of the nodes that this workspace runs on.")


def _resource(release: Release, *, is_beta: bool) -> Schema:
    properties = {
        "count": {"type": "integer", "default": 1, "description": "Deprecated for vLLM presets."},
        "instanceType": said(STRING, "VM size, for example Standard_NC24ads_A100_v4."),
        "labelSelector": _label_selector(),
        "preferredNodes": said(STRINGS, "Deprecated, without effect."),
    }
    if is_beta and release.has_partitions:
        properties["partition"] = _partition()
    if not is_beta:
        properties["instanceType"] = STRING | {"default": DEFAULT_ALPHA_SIZE}
    return an_object(properties, "labelSelector")


def _partition() -> Schema:
    properties = {
        "mode": {"type": "string", "enum": ["mig", "accelerator"]},
        "profile": STRING,
        "count": {"type": "integer", "minimum": 1},
    }
    return an_object(properties, "mode")


def _preset(*, is_beta: bool) -> Schema:
    options = {"image": STRING, "imagePullSecrets": STRINGS}
    if is_beta:
        options["modelAccessSecret"] = said(STRING, "Secret with the key HF_TOKEN.")
    properties = {
        "name": said(STRING, "A preset's short name or a Hugging Face id."),
        "accessMode": {"type": "string", "enum": ["public", "private"], "default": "public"},
        "presetOptions": an_object(options),
    }
    return an_object(properties, "name")


def _data_source() -> Schema:
    return an_object(
        {
            "name": STRING,
            "urls": STRINGS,
            "volumeSource": OPAQUE,
            "image": STRING,
            "imagePullSecrets": STRINGS,
        }
    )


def _inference(*, is_beta: bool) -> Schema:
    adapter = an_object({"source": _data_source(), "strength": STRING})
    return an_object(
        {
            "preset": _preset(is_beta=is_beta),
            "template": said(OPAQUE, "A pod template of your own instead of a preset."),
            "config": said(STRING, "ConfigMap with the key inference_config.yaml."),
            "adapters": a_list(adapter),
        }
    )


def _tuning(*, is_beta: bool) -> Schema:
    output = an_object({"volumeSource": OPAQUE, "image": STRING, "imagePushSecret": STRING})
    properties = {
        "preset": _preset(is_beta=is_beta),
        "method": STRING,
        "config": STRING,
        "input": _data_source(),
        "output": output,
    }
    return an_object(properties, "input", "output")


def _performance() -> Schema:
    metric = an_object(
        {"description": STRING, "value": STRING, "unit": STRING, "config": STRING_MAP},
        "description",
        "value",
    )
    return an_object({"metrics": {"type": "object", "additionalProperties": metric}})


def _status(release: Release, *, is_beta: bool) -> Schema:
    properties: dict[str, Schema] = {"conditions": a_list(condition()), "workerNodes": STRINGS}
    if is_beta:
        properties["targetNodeCount"] = {"type": "integer", "format": "int32"}
    if is_beta and release.has_state:
        properties["state"] = STRING
        properties["performance"] = _performance()
    return an_object(properties)


def _workspace_schema(release: Release, *, is_beta: bool) -> Schema:
    return an_object(
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


def _workspace_columns(release: Release, *, is_beta: bool) -> list[dict[str, Any]]:
    columns = [
        column("Instance", ".resource.instanceType"),
        state_column("ResourceReady", "ResourceReady"),
        state_column("InferenceReady", "InferenceReady"),
        state_column("JobStarted", "JobStarted"),
        state_column("WorkspaceSucceeded", "WorkspaceSucceeded"),
    ]
    if is_beta:
        columns.append(column("TargetNodeCount", ".status.targetNodeCount", "integer"))
    if is_beta and release.has_state:
        columns.append(column("State", ".status.state"))
    return [*columns, column("Age", ".metadata.creationTimestamp", "date")]


def _workspace_version(name: str, release: Release, *, is_beta: bool) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": is_beta,
        "additionalPrinterColumns": _workspace_columns(release, is_beta=is_beta),
        "schema": {"openAPIV3Schema": _workspace_schema(release, is_beta=is_beta)},
        "subresources": {"status": {}},
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
    return definition("kaito.sh", "Namespaced", names, versions)


WORKSPACE_CRD = workspace_crd()
CRDS = (WORKSPACE_CRD, NODECLAIM_CRD)


def crds(edition: Edition) -> tuple[dict[str, Any], ...]:
    """Without node auto-provisioning nothing installs karpenter's kinds."""
    own = workspace_crd(edition.release)
    return (own, NODECLAIM_CRD) if edition.makes_nodes else (own,)
