"""The dialect of vLLM with KAITO's middleware: what a preset's pod serves by default.

https://docs.vllm.ai/en/stable/serving/openai_compatible_server/ and
https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/inference_api.py
Left out: `/v1/responses`, and several answers to one prompt (`n`), logprobs and structured output,
which are refused by name.
"""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.models.answers import json_answer, openapi, prometheus
from sandbox.models.engines import EngineFailed
from sandbox.models.fields import Field, Invalid, read_fields, read_object
from sandbox.models.serving import REGISTRY, Served
from sandbox.models.vllm_generation import Generation, respond
from sandbox.models.vllm_requests import (
    CHAT,
    COMPLETION,
    Refused,
    check_length,
    check_model,
    read_messages,
    read_output_limit,
    read_request,
    read_sampling,
)

VERSION = "0.25.1"  # the vLLM in KAITO 0.12's base image
_COMPLETION_TOKENS = 16  # the default of /v1/completions, as at OpenAI
_TOKENIZE = {
    "model": Field(kind="str"),
    "prompt": Field(kind="str"),
    "messages": Field(kind="list"),
    "return_token_strs": Field(kind="bool", default=False),
}
_DETOKENIZE = {
    "model": Field(kind="str"),
    "tokens": Field(kind="list", required=True, nullable=False),
}

Handler = Callable[[web.Request, Served], Awaitable[web.StreamResponse]]


def error_answer(message: str, status: int, kind: str, param: object = None) -> web.Response:
    error = {"message": message, "type": kind, "param": param, "code": status}
    return json_answer({"error": error}, status)


def http_error(status: int) -> web.Response:
    phrase = HTTPStatus(status).phrase
    return error_answer(phrase, status, phrase)


def routes() -> list[web.RouteDef]:
    return [
        _route("GET", "/health", _health),
        _route("GET", "/version", _version),
        _route("GET", "/openapi.json", _openapi),
        _route("GET", "/metrics", _metrics),
        _route("GET", "/v1/models", _models),
        _route("POST", "/v1/chat/completions", _limited(_chat_completions)),
        _route("POST", "/v1/completions", _limited(_completions)),
        _route("POST", "/tokenize", _limited(_tokenize)),
        _route("POST", "/detokenize", _detokenize),
    ]


def _route(method: str, path: str, handler: Handler) -> web.RouteDef:
    async def handle(request: web.Request) -> web.StreamResponse:
        served = request.app[REGISTRY].get("vllm", request.match_info["name"])
        try:
            return await handler(request, served)
        except Refused as error:
            return error_answer(str(error), error.status, error.kind, error.param)
        except Invalid as error:
            return error_answer(_validation_text(error), 400, "Bad Request")
        except EngineFailed as error:
            return error_answer(str(error), 500, "InternalServerError")

    return web.route(method, "/vllm/{name}" + path, handle)


def _limited(handler: Handler) -> Handler:
    """KAITO's guard against a long queue.

    https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/rate_limit.py
    """

    async def guarded(request: web.Request, served: Served) -> web.StreamResponse:
        limit = served.engine.slots
        waiting = max(served.metrics.waiting_now(), served.in_flight - limit)
        if waiting > limit:
            served.metrics.rejected.inc()
            return _too_many(waiting, limit)
        served.in_flight += 1
        try:
            return await handler(request, served)
        finally:
            served.in_flight -= 1

    return guarded


def _too_many(waiting: int, limit: int) -> web.Response:
    message = f"Too many requests: waiting queue ({waiting}) exceeds max-num-seqs ({limit})."
    error = {
        "message": message,
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    return json_answer({"error": error}, 429)


async def _health(request: web.Request, served: Served) -> web.Response:
    return web.Response()


async def _version(request: web.Request, served: Served) -> web.Response:
    return json_answer({"version": VERSION})


async def _openapi(request: web.Request, served: Served) -> web.Response:
    paths = {
        "/health": "get",
        "/version": "get",
        "/v1/models": "get",
        "/v1/chat/completions": "post",
        "/v1/completions": "post",
        "/tokenize": "post",
        "/detokenize": "post",
    }
    return openapi("FastAPI", "0.1.0", paths)


async def _metrics(request: web.Request, served: Served) -> web.Response:
    return prometheus(served.metrics.text())


async def _models(request: web.Request, served: Served) -> web.Response:
    cards = [_card(served, name) for name in served.names]
    return json_answer({"object": "list", "data": cards})


def _card(served: Served, name: str) -> dict[str, Any]:
    """An adapter names its folder as root and the model as its parent."""
    is_adapter = name in served.adapters
    return {
        "id": name,
        "object": "model",
        "created": served.created,
        "owned_by": "vllm",
        "root": f"/mnt/adapter/{name}" if is_adapter else name,
        "parent": served.name if is_adapter else None,
        "max_model_len": None if is_adapter else served.engine.max_model_len,
        "permission": [],
    }


async def _chat_completions(request: web.Request, served: Served) -> web.StreamResponse:
    body = read_request(await read_object(request), CHAT, served.names)
    messages = read_messages(body["messages"], served.name)
    prompt = await served.prompt_for(messages)
    return await respond(request, _generation(request, served, body, prompt, is_chat=True))


async def _completions(request: web.Request, served: Served) -> web.StreamResponse:
    raw = await read_object(request)
    if raw.get("suffix"):
        raise Refused("suffix is not currently supported", param="suffix")
    body = read_request(raw, COMPLETION, served.names)
    prompt = await _prompt_tokens(body["prompt"], served)
    return await respond(request, _generation(request, served, body, prompt, is_chat=False))


async def _prompt_tokens(prompt: object, served: Served) -> list[int]:
    if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return await served.engine.tokenize(prompt)
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return prompt
    raise Refused("The sandbox's model server takes one prompt in a request.", param="prompt")


def _generation(
    request: web.Request, served: Served, body: dict[str, Any], prompt: list[int], *, is_chat: bool
) -> Generation:
    wanted = read_output_limit(body)
    if wanted is None and not is_chat:
        wanted = _COMPLETION_TOKENS
    room = check_length(len(prompt), wanted, served.engine.max_model_len)
    given_id = request.headers.get("X-Request-Id") or uuid.uuid4().hex
    return Generation(
        id=f"{'chatcmpl' if is_chat else 'cmpl'}-{given_id}",
        served=served,
        model=body["model"] or served.name,
        prompt=prompt,
        sampling=read_sampling(body, room),
        is_chat=is_chat,
        is_stream=bool(body["stream"]),
        include_usage=bool((body["stream_options"] or {}).get("include_usage")),
    )


async def _tokenize(request: web.Request, served: Served) -> web.Response:
    body = read_fields(await read_object(request), _TOKENIZE)
    check_model(body["model"], served.names)
    if body["messages"] is not None:
        tokens = await served.prompt_for(read_messages(body["messages"], served.name))
    elif body["prompt"] is not None:
        tokens = await served.engine.tokenize(body["prompt"])
    else:
        raise Refused("Either `prompt` or `messages` must be given.")
    return json_answer(
        {
            "count": len(tokens),
            "max_model_len": served.engine.max_model_len,
            "tokens": tokens,
            "token_strs": await _token_texts(served, tokens) if body["return_token_strs"] else None,
        }
    )


async def _token_texts(served: Served, tokens: list[int]) -> list[str]:
    return [await served.engine.detokenize([token]) for token in tokens]


async def _detokenize(request: web.Request, served: Served) -> web.Response:
    body = read_fields(await read_object(request), _DETOKENIZE)
    check_model(body["model"], served.names)
    if not all(isinstance(token, int) for token in body["tokens"]):
        raise Refused("tokens must be integers.", param="tokens")
    return json_answer({"prompt": await served.engine.detokenize(body["tokens"])})


def _validation_text(error: Invalid) -> str:
    many = "error" if len(error.problems) == 1 else "errors"
    lines = [f"  {problem | {'loc': tuple(problem['loc'])}}" for problem in error.problems]
    return "\n".join([f"{len(error.problems)} validation {many}:", *lines])
