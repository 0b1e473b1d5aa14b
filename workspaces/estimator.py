"""How many machines KAITO would take for a model, by its own formula. Pure.

KAITO counts for vLLM with the memory that vLLM may use, a reserve for each GPU and the weights spread evenly.
https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/estimator/nodesestimator/estimator.go
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

GIB = 1024**3
DEFAULT_CONTEXT = 2048  # tokens; KAITO's, when no inference config sets max-model-len
VLLM_SHARE = 0.84  # of a GPU's memory
LOADED_PER_STORED = 1.02  # size of the weights in vLLM against their files
RESERVE_BYTES = 2.3 * GIB  # for each GPU: CUDA context, activations, graphs
OVERHEAD_PER_WEIGHT = 0.05

# Transformers on CPU holds the weights in the wanted type, and about a fifth more while it works.
BYTES_PER_PARAMETER = {"float32": 4, "bfloat16": 2, "float16": 2}
CONTAINER_OVERHEAD = 1.2

# As many digits as a 64-bit number has: more is infinite to a float.
_NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,18})?)"
_QUANTITY = re.compile(rf"{_NUMBER}(Ki|Mi|Gi|Ti|k|M|G|T)?")
_CPUS = re.compile(rf"{_NUMBER}(m?)")
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6}
_UNITS |= {"G": 10**9, "T": 10**12}


class Model(Protocol):
    @property
    def weights_bytes(self) -> int: ...
    @property
    def kv_bytes_per_token(self) -> int: ...


class Machine(Protocol):
    @property
    def gpus(self) -> int: ...
    @property
    def gpu_memory_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """KAITO's node count, and the working behind it (over all those nodes)."""

    nodes: int
    gpus: int  # that the weights need; the machines may have more
    needed_bytes: int
    usable_bytes: int
    context_room: int  # tokens of KV cache that fit beside the weights

    @property
    def percent(self) -> int:
        return round(100 * self.needed_bytes / self.usable_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateError:
    """KAITO could not place the model on this machine however many it took."""

    text: str


def estimate_nodes(
    preset: Model, sku: Machine, *, context: int = DEFAULT_CONTEXT
) -> Estimate | EstimateError:
    """The working of KAITO's node estimate for a vLLM preset; resource.count plays no part in it."""
    if sku.gpus < 1:
        return EstimateError(text="This machine has no GPU.")
    per_gpu = sku.gpu_memory_bytes // sku.gpus
    usable = VLLM_SHARE * per_gpu
    reserve = RESERVE_BYTES + context * preset.kv_bytes_per_token / sku.gpus
    if usable <= reserve:
        return EstimateError(
            text=f"Each GPU has {per_gpu / GIB:.0f} GiB; {reserve / GIB:.1f} GiB of it would go"
            f" to the reserve alone, and vLLM may use {usable / GIB:.1f} GiB."
        )
    for_weights = (usable - reserve) / (1 + OVERHEAD_PER_WEIGHT)
    gpus = int(LOADED_PER_STORED * preset.weights_bytes / for_weights) + 1
    return _estimate(preset, sku, gpus=gpus, usable=usable, reserve=reserve)


def _estimate(preset: Model, sku: Machine, *, gpus: int, usable: float, reserve: float) -> Estimate:
    nodes = -(-gpus // sku.gpus)
    taken = nodes * sku.gpus
    weights = LOADED_PER_STORED * preset.weights_bytes * (1 + OVERHEAD_PER_WEIGHT)
    room = taken * (usable - RESERVE_BYTES) - weights
    return Estimate(
        nodes=nodes,
        gpus=gpus,
        needed_bytes=round(weights + taken * reserve),
        usable_bytes=round(taken * usable),
        context_room=max(0, int(room / preset.kv_bytes_per_token)),
    )


def container_bytes(parameters: int, dtype: str) -> int:
    """Memory that a model of so many parameters needs in the CPU container, loaded and at work."""
    return round(parameters * BYTES_PER_PARAMETER[dtype] * CONTAINER_OVERHEAD)


def parse_quantity(text: str) -> int | None:
    """Bytes of a Kubernetes memory quantity ("16Gi"), or None when it is not one.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    found = _QUANTITY.fullmatch(text.strip())
    return round(float(found[1]) * _UNITS.get(found[2], 1)) if found else None


def parse_cpu(text: str) -> float | None:
    """CPUs of a Kubernetes quantity: "2", "0.5" or "500m"."""
    found = _CPUS.fullmatch(text.strip())
    return float(found[1]) / (1000 if found[2] else 1) if found else None
