"""The dialect of KAITO 0.12's transformers runtime (annotation `kaito.sh/runtime: transformers`).

`transformers serve` behind KAITO's wrapper:
https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/text-generation/inference_api.py
https://github.com/huggingface/transformers/tree/main/src/transformers/cli/serving
Left out: `/v1/responses`, tools.
"""

import logging
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from sandbox.models import host
from sandbox.models.answers import (
    detail,
    event,
    json_answer,
    openapi,
    server_error,
    stream_events,
    usage,
    whole,
)
from sandbox.models.engines import EngineFailed, Message, Sampling
from sandbox.models.fields import Invalid, read_object
from sandbox.models.serving import REGISTRY, Served

PATHS = {
    "/health": "get",
    "/metrics": "get",
    "/v1/models": "get",
    "/v1/chat/completions": "post",
}
REVISION = "main"
_WEIGHTS = "/workspace/tfs/weights"  # where KAITO's images keep a preset's model
_DEFAULT_NEW_TOKENS = 1024
# https://github.com/openai/openai-python/blob/main/src/openai/types/chat/completion_create_params.py
_KNOWN = frozenset(
    {
        "audio", "chat_template_kwargs", "frequency_penalty", "function_call", "functions",
        "generation_config", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens",
        "messages", "metadata", "modalities", "model", "n", "parallel_tool_calls", "prediction",
        "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format",
        "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
        "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
        "web_search_options",
    }
)  # fmt: skip

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    id: str
    served: Served
    prompt: list[int]
    sampling: Sampling

    def envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": int(time.time()),
            "model": internal_id(self.served.name),
        }


def internal_id(name: str) -> str:
    """Replies name the model by path (a repository, when the name is one) and revision."""
    return f"{name if '/' in name else _WEIGHTS}@{REVISION}"


def routes() -> list[web.RouteDef]:
    root = "/tfs/{name}"
    return [
        web.get(root + "/health", _health),
        web.get(root + "/metrics", _metrics),
        web.get(root + "/openapi.json", _openapi),
        web.get(root + "/v1/models", _models),
        web.post(root + "/v1/chat/completions", _chat_completions),
    ]


async def _health(request: web.Request) -> web.Response:
    return json_answer({"status": "Healthy"})


async def _metrics(request: web.Request) -> web.Response:
    return json_answer(host.metrics())


async def _openapi(request: web.Request) -> web.Response:
    return openapi("FastAPI", "0.1.0", PATHS)


async def _models(request: web.Request) -> web.Response:
    served = _served(request)
    card = {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "kaito",
    }
    return json_answer({"object": "list", "data": [card]})


async def _chat_completions(request: web.Request) -> web.StreamResponse:
    served = _served(request)
    try:
        body = await read_object(request)
        refusal = _refusal(body, served.name)
        if refusal is not None:
            return refusal
        generation = await _generation(request, served, body)
        if body.get("stream"):
            return await stream_events(request, _events(generation))
        return await _whole_answer(generation)
    except Invalid as error:
        return detail(error.problems, 422)
    except (KeyError, TypeError, ValueError, EngineFailed) as error:
        # The real handlers check hardly anything: what does not fit, throws.
        logger.warning("the request could not be carried out: %r", error)
        return server_error()


def _served(request: web.Request) -> Served:
    return request.app[REGISTRY].get("tfs", request.match_info["name"])


def _refusal(body: Mapping[str, Any], name: str) -> web.Response | None:
    unexpected = sorted(set(body) - _KNOWN)
    if unexpected:
        listed = ", ".join(repr(field) for field in unexpected)
        return detail(f"Unexpected fields in the request: {{{listed}}}", 422)
    wanted = body.get("model")
    if wanted and wanted not in (name, internal_id(name)):
        return detail(f"Server is pinned to '{internal_id(name)}', not '{wanted}'", 400)
    return None


async def _generation(request: web.Request, served: Served, body: Mapping[str, Any]) -> Generation:
    prompt = await served.prompt_for([_message(message) for message in body["messages"]])
    room = served.engine.max_model_len - len(prompt)
    if room < 1:
        raise ValueError(f"{len(prompt)} tokens are more than the model can see")
    return Generation(
        id=request.headers.get("x-request-id") or f"chatcmpl-{uuid.uuid4().hex}",
        served=served,
        prompt=prompt,
        sampling=_sampling(body, room),
    )


def _message(raw: Mapping[str, Any]) -> Message:
    content = raw["content"]
    if isinstance(content, list):
        content = " ".join(part["text"] for part in content)
    return {"role": str(raw["role"]), "content": str(content)}


def _sampling(body: Mapping[str, Any], room: int) -> Sampling:
    """Temperature 0 is greedy; a positive one samples only if the configuration says do_sample.

    SmolLM2's own generation_config.json does not, so sampling is asked for in `generation_config`.
    """
    config = orjson.loads(body.get("generation_config") or "{}")
    temperature = _first(body.get("temperature"), config.get("temperature"), 1.0)
    is_greedy = temperature == 0 or not config.get("do_sample", False)
    penalty = _first(config.get("repetition_penalty"), 1.0)
    if body.get("frequency_penalty") is not None:
        penalty = 1 + body["frequency_penalty"]
    limit = _first(body.get("max_tokens"), config.get("max_new_tokens"), _DEFAULT_NEW_TOKENS)
    stop = body.get("stop") or ()
    return Sampling(
        max_tokens=max(1, min(int(limit), room)),
        temperature=0.0 if is_greedy else float(temperature),
        top_p=float(_first(body.get("top_p"), config.get("top_p"), 1.0)),
        top_k=int(_first(config.get("top_k"), 50)),  # transformers' default
        repetition_penalty=float(penalty),
        seed=body.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        logit_bias={int(token): bias for token, bias in (body.get("logit_bias") or {}).items()},
    )


def _first(*values: Any) -> Any:  # noqa: ANN401 - JSON values
    return next(value for value in values if value is not None)


async def _whole_answer(generation: Generation) -> web.Response:
    pieces = generation.served.generate(generation.prompt, generation.sampling)
    text, last = await whole(pieces)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": last.finish,
    }
    return json_answer(
        {
            **generation.envelope("chat.completion"),
            "choices": [choice],
            "usage": usage(len(generation.prompt), last.tokens),
        }
    )


async def _events(generation: Generation) -> AsyncGenerator[bytes, None]:
    """Usage comes with the last chunk, unasked; no `[DONE]` follows."""
    yield _chunk(generation, {"role": "assistant"})
    pieces = generation.served.generate(generation.prompt, generation.sampling)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text:
                    yield _chunk(generation, {"content": piece.text})
                if piece.finish:
                    counted = usage(len(generation.prompt), piece.tokens)
                    yield _chunk(generation, {}, piece.finish, counted)
    except EngineFailed as failure:
        logger.warning("generation failed: %s", failure)
        yield event({"error": str(failure)})


def _chunk(
    generation: Generation,
    delta: dict[str, str],
    finish: str | None = None,
    counted: dict[str, Any] | None = None,
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {**generation.envelope("chat.completion.chunk"), "choices": [choice]}
    return event(chunk if counted is None else {**chunk, "usage": counted})
