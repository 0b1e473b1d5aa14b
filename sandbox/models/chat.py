"""The older dialect: `POST /chat` of image tag 0.0.8, as in the original document's CPU workspace.

https://github.com/kaito-project/kaito/blob/v0.2.0/presets/workspace/inference/text-generation/inference_api.py
No streaming, no batching: one answer at a time. `/chat008/{name}` runs the text-generation pipeline,
`/chat008-conversational/{name}` the conversational one. Three things differ on purpose: the prompt
is put into the model's chat template, since a small instruct model left to continue raw text
rambles; beam search and n-gram rules are accepted without effect; and a caller who leaves frees the
model, while the real server would finish for nobody.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from aiohttp import web

from sandbox.models import host
from sandbox.models.answers import detail, json_answer, openapi, server_error, whole
from sandbox.models.chat_requests import (
    GenerationError,
    MissingParameter,
    Wish,
    read_body,
    read_wish,
)
from sandbox.models.engines import EngineFailed, Message
from sandbox.models.fields import Invalid, read_object
from sandbox.models.serving import REGISTRY, Served

PATHS = {"/": "get", "/health": "get", "/chat": "post", "/metrics": "get"}
TEXT_GENERATION = "/chat008"
CONVERSATIONAL = "/chat008-conversational"

logger = logging.getLogger(__name__)


def routes() -> list[web.RouteDef]:
    return [
        *_routes(TEXT_GENERATION, _complete_text),
        *_routes(CONVERSATIONAL, _continue_conversation),
    ]


def _routes(
    prefix: str, chat: Callable[[web.Request, Served], Awaitable[str]]
) -> list[web.RouteDef]:
    async def post_chat(request: web.Request) -> web.Response:
        served = request.app[REGISTRY].get(prefix, request.match_info["name"])
        try:
            return json_answer({"Result": await chat(request, served)})
        except Invalid as error:
            return detail(error.problems, 422)
        except MissingParameter as error:
            return detail(str(error), 400)
        except (GenerationError, EngineFailed) as error:
            logger.warning("generate() failed: %s", error)
            return server_error()

    root = prefix + "/{name}"
    return [
        web.get(root + "/", _home),
        web.get(root + "/health", _health),
        web.get(root + "/metrics", _metrics),
        web.get(root + "/openapi.json", _openapi),
        web.post(root + "/chat", post_chat),
    ]


async def _home(request: web.Request) -> web.Response:
    return json_answer({"message": "Server is running"})


async def _health(request: web.Request) -> web.Response:
    return json_answer({"status": "Healthy"})


async def _metrics(request: web.Request) -> web.Response:
    return json_answer(host.metrics())


async def _openapi(request: web.Request) -> web.Response:
    return openapi("FastAPI", "0.1.0", PATHS)


async def _complete_text(request: web.Request, served: Served) -> str:
    body = read_body(await read_object(request))
    prompt = body["prompt"]
    if not prompt:
        raise MissingParameter("Text generation parameter prompt required")
    wish = read_wish(body, served.engine)
    async with served.turn:
        tokens = await _prompt_tokens((body["prefix"] or "") + prompt, wish, served)
        answers = [await _generate(tokens, wish, served) for _ in range(wish.sequences)]
    # The echo is of the whole prompt, though the model saw it cut, and without the prefix.
    echo = prompt if body["return_full_text"] else ""
    return "".join(echo + answer for answer in answers)


async def _continue_conversation(request: web.Request, served: Served) -> str:
    """The answer is Python's str() of a dict: clients need `ast.literal_eval`, not JSON."""
    body = read_body(await read_object(request))
    messages: list[Message] = body["messages"]
    if not messages:
        raise MissingParameter("Conversational parameter messages required")
    wish = read_wish(body, served.engine)
    async with served.turn:
        answer = await _generate(await served.prompt_for(messages), wish, served)
    return str({"generated_text": [*messages, {"role": "assistant", "content": answer}]})


async def _prompt_tokens(text: str, wish: Wish, served: Served) -> list[int]:
    """The tokenizer gets `max_length` too and silently drops what lies beyond it."""
    tokens = (await served.engine.tokenize(text))[: wish.max_length]
    if wish.hole:
        empty = await served.prompt_for([{"role": "user", "content": ""}])
        keep = served.engine.max_model_len - wish.max_new_tokens - len(empty)
        if keep <= 0:
            raise GenerationError("We cannot use `hole` to handle this generation")
        tokens = tokens[-keep:]
    seen = await served.engine.detokenize(tokens)
    return await served.prompt_for([{"role": "user", "content": seen}])


async def _generate(tokens: Sequence[int], wish: Wish, served: Served) -> str:
    room = served.engine.max_model_len - len(tokens)
    if room < 1:
        raise GenerationError(f"{len(tokens)} tokens are more than the model can see")
    sampling = replace(wish.sampling, max_tokens=min(wish.sampling.max_tokens, room))
    text, _ = await whole(served.generate(tokens, sampling))
    return text
