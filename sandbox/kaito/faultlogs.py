"""What servers write when they fail: lines like those of vLLM, torch and huggingface_hub. Pure."""

from __future__ import annotations

from sandbox.kaito.logs import Line, spread
from sandbox.kaito.presets import Sku
from sandbox.kaito.serving import VLLM, Serving

HUB_ERROR = "huggingface_hub.errors.GatedRepoError: 401 Client Error."


def gated_crash(serving: Serving) -> list[Line]:
    """How a download without a token ends, in both servers."""
    url = f"https://huggingface.co/{serving.model_id}/resolve/main/config.json"
    texts = [
        f"INFO {{t}} inference_api.py:561] Downloading {serving.model_id}",
        "Traceback (most recent call last):",
        '  File "/usr/local/lib/python3.12/site-packages/huggingface_hub/utils/_http.py", line 402, '
        "in hf_raise_for_status",
        "    response.raise_for_status()",
        f"requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: {url}",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        f"{HUB_ERROR}",
        "",
        f"Cannot access gated repo for url {url}.",
        f"Access to model {serving.model_id} is restricted. You must have access to it and be "
        "authenticated to access it. Please log in.",
    ]
    return spread(texts, end=0.9)


def gpu_memory_crash(serving: Serving, sku: Sku) -> list[Line]:
    """A Python traceback and exit code 1: the kernel has no part in it."""
    total = sku.gpu_memory_gib / max(sku.gpus, 1)
    needed = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has a total "
        f"capacity of {total:.2f} GiB of which 1.06 GiB is free. Including non-PyTorch memory, this "
        f"process has {total - 1.06:.2f} GiB memory in use."
    )
    prefix = "ERROR {t} [core.py:708] " if serving.dialect == VLLM else ""
    texts = [
        f"INFO {{t}} [gpu_model_runner.py:3021] Starting to load model {serving.model_id}...",
        f"{prefix}Traceback (most recent call last):",
        f'{prefix}  File "/usr/local/lib/python3.12/site-packages/torch/utils/_device.py", line 103, '
        "in __torch_function__",
        f"{prefix}    return func(*args, **kwargs)",
        f"{prefix}{needed}",
    ]
    if serving.dialect == VLLM:
        texts.append(
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core "
            "proc(s): {}"
        )
    return spread(texts, end=0.9)


def engine_crash(serving: Serving) -> list[Line]:
    """A server that dies while it serves."""
    if serving.dialect != VLLM:
        return spread(["CUDA error: an illegal memory access was encountered"], end=0.5)
    texts = [
        "ERROR {t} [async_llm.py:480] AsyncLLM output_handler failed.",
        "Traceback (most recent call last):",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack "
        "trace (above) for the root cause.",
        "INFO:     Shutting down",
    ]
    return spread(texts, end=0.9)


def stalled_download(length_s: float) -> list[Line]:
    """A warning every ten seconds; then nothing comes of it."""
    count = max(1, int(length_s / 10))
    text = (
        "WARNING {t} inference_api.py:571] no bytes received for 60 s from "
        "https://cas-bridge.xethub.hf.co, trying again"
    )
    return spread([text] * count, end=0.98)


def killed(serving: Serving) -> list[Line]:
    """By the kubelet, after a probe's patience ended."""
    texts = ["INFO:     Shutting down", "INFO:     Finished server process [1]"]
    if serving.dialect == VLLM:
        texts.insert(0, "INFO {t} [launcher.py:98] Shutting down FastAPI HTTP server.")
    return spread(texts, end=0.5)
