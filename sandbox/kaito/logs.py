"""What the servers write while they start: lines like those of vLLM 0.25 and of KAITO's
transformers server, laid out over the stage they belong to. Pure.

`{t}` in a text becomes the time at which the line is written, in the server's own format, and
`{iso}` the same in RFC 3339.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sandbox.clock import rfc3339
from sandbox.kaito.presets import Preset, Sku, model_of
from sandbox.kaito.serving import Serving

SHARD_GIB = 4.6
BENCHMARK = {"duration_sec": 60, "input_tokens": 2048, "output_tokens": 256}


@dataclass(frozen=True, slots=True)
class Line:
    """`at` is a fraction of the stage, 0 to 1."""

    at: float
    text: str


def stamped(text: str, now: datetime) -> str:
    return text.replace("{t}", now.strftime("%m-%d %H:%M:%S")).replace("{iso}", rfc3339(now))


def spread(texts: list[str], *, start: float = 0.0, end: float = 0.95) -> list[Line]:
    step = (end - start) / max(len(texts), 1)
    return [Line(start + step * index, text) for index, text in enumerate(texts)]


def shards(model: Preset) -> list[tuple[str, float]]:
    """The files that the weights come in, with their size in GiB."""
    count = max(1, round(model.weights_gib / SHARD_GIB))
    size = model.weights_gib / count
    if count == 1:
        return [("model.safetensors", size)]
    return [(f"model-{i + 1:05d}-of-{count:05d}.safetensors", size) for i in range(count)]


def vllm_download(serving: Serving) -> list[Line]:
    model = model_of(serving.model_id)
    files = shards(model)
    texts = [
        "INFO {t} inference_api.py:612] KAITO: starting vLLM " + serving.engine,
        "INFO {t} inference_api.py:540] KAITO: serving /metrics on 0.0.0.0:5000 while weights download",
        f"INFO {{t}} inference_api.py:561] Downloading {serving.model_id} to /workspace/weights: "
        f"{len(files)} files, {model.weights_gib:.2f} GiB",
    ]
    done = 0.0
    for name, size in files:
        done += size
        share = 100 * done / model.weights_gib
        texts.append(
            f"INFO {{t}} inference_api.py:583] {name}: done "
            f"({done:.2f}/{model.weights_gib:.2f} GiB, {share:.0f}%)"
        )
    return spread(texts)


def vllm_load(serving: Serving, sku: Sku) -> list[Line]:
    model = model_of(serving.model_id if serving.is_download else serving.name)
    files = len(shards(model))
    texts = [
        "INFO {t} inference_api.py:590] KAITO: download finished, starting the engine",
        f"INFO {{t}} [api_server.py:1977] vLLM API server version {serving.engine}",
        f"INFO {{t}} [model.py:541] Resolved architecture: {model.architecture or 'unknown'}",
        f"INFO {{t}} [model.py:1561] Using max model len {model.context}",
        f"INFO {{t}} [core.py:93] Initializing a V1 LLM engine (v{serving.engine}) with config: "
        f"model='{serving.model_id}', dtype=torch.{serving.dtype}, max_seq_len={model.context}, "
        f"tensor_parallel_size={max(sku.gpus, 1)}",
        f"INFO {{t}} [gpu_model_runner.py:3021] Starting to load model {serving.model_id}...",
    ]
    texts += [
        f"Loading safetensors checkpoint shards: {100 * i // files:3d}% Completed | {i}/{files}"
        for i in range(1, files + 1)
    ]
    texts += [
        "INFO {t} [gpu_model_runner.py:3112] Model loading took "
        f"{model.weights_gib * 1.02:.2f} GiB memory",
        "INFO {t} [backends.py:548] Using cache directory for vLLM's torch.compile",
        f"INFO {{t}} [kv_cache_utils.py:1229] GPU KV cache size: {kv_tokens(model, sku):,} tokens",
        "INFO {t} [gpu_model_runner.py:4033] Graph capturing finished, took 0.61 GiB",
    ]
    return spread(texts)


def kv_tokens(model: Preset, sku: Sku) -> int:
    """What is left of the GPUs' memory after the weights, in tokens."""
    left = max(sku.gpu_memory_gib * 0.84 - model.weights_gib * 1.02, 0.5)
    return int(left * 1024**3 / model.kv_bytes) // 16 * 16


def vllm_serve() -> list[str]:
    return [
        "INFO {t} [api_server.py:1692] Starting vLLM API server 0 on http://0.0.0.0:5000",
        "INFO:     Started server process [1]",
        "INFO:     Waiting for application startup.",
        "INFO:     Application startup complete.",
    ]


def benchmark_config(model: Preset, sku: Sku) -> dict[str, int]:
    per_request = BENCHMARK["input_tokens"] + BENCHMARK["output_tokens"]
    return BENCHMARK | {"max_concurrency": max(1, min(512, kv_tokens(model, sku) // per_request))}


def benchmark_result(model: Preset, sku: Sku) -> dict[str, float]:
    """Believable figures: memory bandwidth over weights, and a good deal of batching."""
    concurrency = benchmark_config(model, sku)["max_concurrency"]
    speed = 1900 * max(sku.gpus, 1) / model.weights_gib * min(concurrency, 96) * 22
    return {
        "vllm_total_tpm": round(speed, 2),
        "ttft_avg_ms": round(180 + 42.5 * concurrency, 2),
        "tpot_avg_ms": round(9 + 1.02 * concurrency, 2),
    }


def vllm_benchmark(serving: Serving, sku: Sku, *, fails: bool = False) -> list[Line]:
    """A failed one is told by figures of -1, and does not keep the pod from becoming ready."""
    model = model_of(serving.model_id)
    figures = benchmark_result(model, sku)
    if fails:
        figures = dict.fromkeys(figures, -1.0)
    config = json.dumps(benchmark_config(model, sku), separators=(",", ":"))
    result = json.dumps(figures, separators=(",", ":"))
    started = [f"KAITO_BENCHMARK_CONFIG {{iso}} {config}", "KAITO_BENCHMARK {iso} benchmark_start"]
    ended = ["KAITO_BENCHMARK {iso} benchmark_done", f"KAITO_BENCHMARK_RESULT {{iso}} {result}"]
    lines = [Line(0.0, text) for text in vllm_serve()]
    return lines + spread(started, start=0.05, end=0.2) + spread(ended, start=0.9, end=0.98)


def transformers_load(serving: Serving) -> list[Line]:
    """tfs/inference_api.py under `accelerate launch`."""
    files = shards(model_of(serving.model_id))
    texts = [
        "The following values were not passed to `accelerate launch` and had defaults used instead:",
        "\t`--dynamo_backend` was set to a value of `'no'`",
        "To avoid this warning pass in values for each of the problematic parameters or run "
        "`accelerate config`.",
        f"Model args: {{'pretrained_model_name_or_path': '{serving.model_id}', "
        f"'torch_dtype': 'torch.{serving.dtype}'}}",
    ]
    if serving.is_download:
        texts += [f"{name}: 100%|██████████| {size:.2f}G" for name, size in files]
        texts.append("tokenizer.json: 100%|██████████| 14.5M/14.5M [00:00<00:00, 96.1MB/s]")
    texts += [
        f"Loading checkpoint shards: 100%|██████████| {len(files)}/{len(files)}",
        "Model: loaded",
    ]
    return spread(texts)


def transformers_serve() -> list[str]:
    return [
        "INFO:     Started server process [1]",
        "INFO:     Waiting for application startup.",
        "INFO:     Application startup complete.",
        "INFO:     Uvicorn running on http://0.0.0.0:5000 (Press CTRL+C to quit)",
    ]
