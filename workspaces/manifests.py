"""Payloads in the API's own spelling: a frozen spec in, a fresh dict out. No I/O, no settings, no clock.

A KAITO Workspace has no `spec` key: `resource`, `inference` and `tuning` sit at top level beside `metadata`;
`resource.count`, `resource.preferredNodes` and the preset's `accessMode` are deprecated there.
https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_types.go
"""

from __future__ import annotations

import io
import re
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from workspaces.types import (
    ContainerChoice,
    PresetChoice,
    RawObject,
    Recipe,
    Runtime,
    Stamp,
    WorkspaceSpec,
)

API_VERSION = "kaito.sh/v1beta1"  # v1alpha1 prunes newer fields and defaults the machine to an A100
MANAGED_BY = {"app.kubernetes.io/managed-by": "kaitoweb"}
OPERATION_ANNOTATION = "kaitoweb/operation-id"
PERSON_ANNOTATION = "kaitoweb/last-applied-by"
CONTAINER_NAME = "custom-llm-container"
SERVER_PORT = 5000

# The original manifests label the node `app` for the CPU container and `apps` for everything else.
LABEL_KEYS = {Recipe.CPU_CONTAINER: "app"}


def workspace_manifest(spec: WorkspaceSpec, *, stamp: Stamp | None = None) -> RawObject:
    """The exact Workspace that `spec` asks for; without match labels, one is made from the name."""
    manifest: RawObject = {
        "apiVersion": API_VERSION,
        "kind": "Workspace",
        "metadata": {
            "name": spec.name,
            "namespace": spec.namespace,
            "labels": dict(MANAGED_BY),
            "annotations": _annotations(spec) or None,
        },
        "resource": _resource(spec),
        "inference": _inference(spec),
    }
    fresh = cast(RawObject, without_none(manifest))
    return stamped(fresh, stamp) if stamp else fresh


def stamped(manifest: RawObject, stamp: Stamp) -> RawObject:
    """A copy that carries our label and says which operation of whom made it."""
    metadata = manifest.get("metadata") or {}
    marks = {OPERATION_ANNOTATION: stamp.operation_id, PERSON_ANNOTATION: stamp.person_key}
    return manifest | {
        "metadata": metadata
        | {
            "labels": (metadata.get("labels") or {}) | MANAGED_BY,
            "annotations": (metadata.get("annotations") or {}) | marks,
        }
    }


def without_none(value: object) -> object:
    """`value` without dict keys that hold None: absent means absent."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value


def to_yaml(obj: RawObject) -> str:
    """YAML as people write it, safe against YAML 1.1 readers: kubectl takes a bare yes or on for a boolean."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_quoted(obj), out)
    return out.getvalue()


# What a YAML 1.1 reader takes for a boolean or a number: https://yaml.org/type/bool.html, https://yaml.org/type/int.html
_AMBIGUOUS = re.compile(r"y|n|yes|no|on|off|true|false|[-+]?[0-9.][0-9_:.xoba-f+-]*", re.IGNORECASE)


def _quoted(value: object) -> object:
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and _AMBIGUOUS.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _annotations(spec: WorkspaceSpec) -> dict[str, str]:
    annotations = {}
    if spec.load_balancer:
        # Exactly "True"; KAITO compares the string.
        # https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/labels.go
        annotations["kaito.sh/enablelb"] = "True"
    if spec.recipe == Recipe.PRESET and spec.runtime != Runtime.VLLM:
        annotations["kaito.sh/runtime"] = spec.runtime.value
    return annotations


def _resource(spec: WorkspaceSpec) -> RawObject:
    labels = dict(spec.match_labels) or {LABEL_KEYS.get(spec.recipe, "apps"): spec.name}
    return {
        "count": spec.count if spec.count > 1 else None,
        "instanceType": spec.instance_type or None,
        "labelSelector": {"matchLabels": labels},
    }


def _inference(spec: WorkspaceSpec) -> RawObject:
    if spec.preset is not None:
        return {"preset": _preset(spec.preset)}
    if spec.container is not None:
        return {"template": _cpu_template(spec.container)}
    raise ValueError(f"{spec.recipe} needs a preset or a container")


def _preset(choice: PresetChoice) -> RawObject:
    options = {"modelAccessSecret": choice.access_secret} if choice.access_secret else None
    return {"name": choice.name, "presetOptions": options}


def _cpu_template(choice: ContainerChoice) -> RawObject:
    shared_memory = {"name": "dshm", "emptyDir": {"medium": "Memory"}}
    return {"spec": {"containers": [_cpu_container(choice)], "volumes": [shared_memory]}}


def _cpu_container(choice: ContainerChoice) -> RawObject:
    return {
        "name": CONTAINER_NAME,
        "image": choice.image,
        "workingDir": "/workspace",
        "command": ["accelerate"],
        "args": _server_arguments(choice),
        "env": [
            {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
            {"name": "TRANSFORMERS_VERBOSITY", "value": "info"},
            {"name": "OMP_NUM_THREADS", "value": "4"},
        ],
        "resources": {
            "requests": {"cpu": choice.cpu_request, "memory": choice.memory_request},
            "limits": {"cpu": choice.cpu_limit, "memory": choice.memory_limit},
        },
        "livenessProbe": _health_probe(delay_s=300, period_s=30),
        "readinessProbe": _health_probe(delay_s=60, period_s=10),
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],  # noqa: S108 - a mount point, not our file
    }


def _server_arguments(choice: ContainerChoice) -> list[str]:
    """One process on one machine, no --gpu_ids; without --allow_remote_files only local paths are read."""
    return [
        *("launch", "--num_processes", "1", "--num_machines", "1", "tfs/inference_api.py"),
        *("--pipeline", "text-generation"),
        *("--pretrained_model_name_or_path", choice.model_id),
        *("--torch_dtype", choice.dtype),
        "--allow_remote_files",
    ]


def _health_probe(*, delay_s: int, period_s: int) -> RawObject:
    return {
        "httpGet": {"path": "/health", "port": SERVER_PORT},
        "initialDelaySeconds": delay_s,
        "periodSeconds": period_s,
        "failureThreshold": 3,
    }
