"""How many nodes KAITO buys for one replica of a vLLM preset.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/estimator/nodesestimator/estimator.go
"""

from __future__ import annotations

import math

from sandbox.kaito.presets import GIB, Preset, Sku

DEFAULT_CONTEXT = 2048
UTILISATION = 0.84
BASE_RESERVE = 2.3 * GIB
ACTIVATIONS = 1.05
VLLM_GROWTH = 1.02


class EstimateError(Exception):
    """The text that KAITO puts behind "last reconcile error"."""


def estimate_nodes(model: Preset, sku: Sku, context: int | None = None) -> int:
    per_gpu = sku.gpu_memory_gib * GIB // sku.gpus
    usable = UTILISATION * per_gpu
    kv_cache = (context or DEFAULT_CONTEXT) * model.kv_bytes / sku.gpus
    reserve = BASE_RESERVE + kv_cache
    if usable <= reserve:
        raise EstimateError(
            f"GPU memory {per_gpu} bytes is too small, needs at least {reserve / GIB:.1f} GB "
            f"overhead (base: 2.3GB + Advanced KV Cache: {kv_cache / GIB:.1f} GB)"
        )
    for_weights = (usable - reserve) / ACTIVATIONS
    gpus = int(VLLM_GROWTH * model.weights_bytes / for_weights) + 1
    return math.ceil(gpus / sku.gpus)
