"""Reading a raw Workspace: the few questions that admission, builders and controllers all ask."""

from __future__ import annotations

from typing import Any

from sandbox.kaito.presets import Preset, model_of

FINALIZER = "workspace.finalizer.kaito.sh"
NAME_LABEL = "kaito.sh/workspace"
NAMESPACE_LABEL = "kaito.sh/workspacenamespace"
HASH_ANNOTATION = "workspace.kaito.io/hash"
REVISION_ANNOTATION = "workspace.kaito.io/revision"
REVISION_LABEL = "workspace.kaito.io/name"
RUNTIME_ANNOTATION = "kaito.sh/runtime"
ENABLE_LB_ANNOTATION = "kaito.sh/enablelb"
DISABLE_BENCHMARK_ANNOTATION = "kaito.sh/disable-benchmark"
BYPASS_ANNOTATION = "kaito.sh/bypass-resource-checks"
PERFORMANCE_ANNOTATION = "kaito.sh/performance-mode"
LOCAL_WEIGHTS_ANNOTATION = "kaito.sh/use-local-weights"
IMAGE_FAMILY_ANNOTATION = "kaito.sh/node-image-family"
PORT = 5000

RESERVED_LABELS = frozenset(
    {
        NAME_LABEL,
        NAMESPACE_LABEL,
        "kaito.sh/ragengine",
        "kaito.sh/ragenginenamespace",
        "karpenter.kaito.sh/workspace-name",
        "karpenter.kaito.sh/workspace-namespace",
        "karpenter.kaito.sh/inferenceset",
        "karpenter.kaito.sh/inferenceset-namespace",
    }
)

Raw = dict[str, Any]


def annotation(ws: Raw, key: str) -> str | None:
    return (ws["metadata"].get("annotations") or {}).get(key)


def resource(ws: Raw) -> Raw:
    return ws.get("resource") or {}


def instance_type(ws: Raw) -> str:
    return resource(ws).get("instanceType") or ""


def node_count(ws: Raw) -> int:
    return resource(ws).get("count") or 1


def inference(ws: Raw) -> Raw | None:
    return ws.get("inference")


def preset_name(ws: Raw) -> str:
    return ((inference(ws) or {}).get("preset") or {}).get("name") or ""


def tuning_preset(ws: Raw) -> str:
    return ((ws.get("tuning") or {}).get("preset") or {}).get("name") or ""


def access_secret(ws: Raw) -> str:
    preset = (inference(ws) or {}).get("preset") or {}
    return (preset.get("presetOptions") or {}).get("modelAccessSecret") or ""


def template(ws: Raw) -> Raw | None:
    return (inference(ws) or {}).get("template")


def model(ws: Raw) -> Preset:
    return model_of(preset_name(ws))


def is_vllm(ws: Raw) -> bool:
    """Any value but "transformers" means vLLM, silently; templates are no exception.

    https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/labels.go
    """
    return annotation(ws, RUNTIME_ANNOTATION) != "transformers"


def wants_load_balancer(ws: Raw) -> bool:
    """Only the exact string "True" counts."""
    return annotation(ws, ENABLE_LB_ANNOTATION) == "True"


def has_benchmark(ws: Raw) -> bool:
    is_disabled = annotation(ws, DISABLE_BENCHMARK_ANNOTATION) == "true"
    return bool(preset_name(ws)) and is_vllm(ws) and not is_disabled


def match_labels(ws: Raw) -> dict[str, str]:
    """The node labels that count: KAITO drops its own, and never reads matchExpressions."""
    selector = resource(ws).get("labelSelector") or {}
    return {
        key: value
        for key, value in (selector.get("matchLabels") or {}).items()
        if key not in RESERVED_LABELS
    }


def target_nodes(ws: Raw) -> int:
    return (ws.get("status") or {}).get("targetNodeCount", 0)


def is_deleting(obj: Raw) -> bool:
    return "deletionTimestamp" in obj["metadata"]
