"""The pod of a preset under KAITO 0.7: weights come as an image, options from a default ConfigMap,
and the transformers runtime is the older server with `/chat`. Pure.

https://github.com/kaito-project/kaito/blob/v0.7.0/pkg/workspace/inference/preset_inferences.go
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.presets import Sku
from sandbox.kaito.releases import REGISTRY
from sandbox.kaito.triggers import is_gated

DEFAULT_CONFIG = "inference-params-template"
ORAS_IMAGE = "mcr.microsoft.com/oss/v2/oras-project/oras:v1.2.3"
MODEL_TAG = "0.0.8"
WEIGHTS = "/workspace/weights"

Raw = dict[str, Any]


def weights_pullers(ws: Raw) -> list[Raw]:
    """Models behind a licence are not in the registry: the server downloads them itself."""
    name = workspaces.preset_name(ws).lower()
    if is_gated(workspaces.model(ws).name):
        return []
    return [
        {
            "name": "model-weights-downloader",
            "image": ORAS_IMAGE,
            "command": ["oras", "pull", f"{REGISTRY}/kaito-{name}:{MODEL_TAG}", "-o", WEIGHTS],
            "volumeMounts": [{"name": "model-weights-volume", "mountPath": WEIGHTS}],
        }
    ]


def command_line(ws: Raw, sku: Sku) -> str:
    model, name = workspaces.model(ws), workspaces.preset_name(ws).lower()
    source = model.name if is_gated(model.name) else WEIGHTS
    gpus = max(sku.gpus, 1)
    if not workspaces.is_vllm(ws):
        return (
            f"accelerate launch --gpu_ids=all --num_machines=1 --num_processes={gpus} "
            "/workspace/tfs/inference_api.py --pipeline=text-generation --torch_dtype=bfloat16 "
            f"--pretrained_model_name_or_path={source}"
        )
    words = [
        "--dtype=bfloat16",
        "--gpu-memory-utilization=0.90",
        "--kaito-config-file=/mnt/config/inference_config.yaml",
        "--kaito-max-probe-steps=6",
        f"--model={source}",
        f"--served-model-name={name}",
        f"--tensor-parallel-size={gpus}",
    ]
    nodes = workspaces.target_nodes(ws)
    if nodes > 1:
        words.append(f"--pipeline-parallel-size={nodes}")
    if ws["inference"].get("adapters"):
        words.append("--enable-lora")
    return " ".join(["python3 /workspace/vllm/inference_api.py", *words])
