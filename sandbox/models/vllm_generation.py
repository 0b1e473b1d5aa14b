"""One generation in vLLM's words: as a whole answer, or as a stream of chunks.

https://docs.vllm.ai/en/stable/serving/openai_compatible_server/
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.models.answers import event, json_answer, stream_events, usage, whole
from sandbox.models.engines import EngineFailed, Piece, Sampling
from sandbox.models.serving import Served

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One accepted request, ready to run."""

    id: str
    served: Served
    model: str  # its name, or that of an adapter
    prompt: list[int]
    sampling: Sampling
    is_chat: bool
    is_stream: bool
    include_usage: bool

    def pieces(self) -> AsyncGenerator[Piece, None]:
        return self.served.generate(self.prompt, self.sampling)

    def envelope(self, chat_object: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": chat_object if self.is_chat else "text_completion",
            "created": int(time.time()),
            "model": self.model,
        }


async def respond(request: web.Request, generation: Generation) -> web.StreamResponse:
    if generation.is_stream:
        return await stream_events(request, _events(generation))
    text, last = await whole(generation.pieces())
    return json_answer(
        {
            **generation.envelope("chat.completion"),
            "choices": [_choice(generation, text, last)],
            "usage": usage(len(generation.prompt), last.tokens),
        }
    )


def _choice(generation: Generation, text: str, last: Piece) -> dict[str, Any]:
    said: dict[str, Any] = {"text": text}
    if generation.is_chat:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text,
            "tool_calls": [],
            "reasoning": None,
        }
        said = {"message": message}
    return {
        "index": 0,
        **said,
        "logprobs": None,
        "finish_reason": last.finish,
        "stop_reason": last.stop_reason,
    }


async def _events(generation: Generation) -> AsyncGenerator[bytes, None]:
    tokens = 0
    first = generation.is_chat
    try:
        async with aclosing(generation.pieces()) as pieces:
            async for piece in pieces:
                if first:
                    yield _chunk(generation, [_delta({"role": "assistant", "content": ""})])
                    first = False
                tokens = piece.tokens
                yield _chunk(generation, [_part(generation, piece)])
        if generation.include_usage:
            yield _chunk(generation, [], usage(len(generation.prompt), tokens))
    except EngineFailed as failure:
        logger.warning("generation failed: %s", failure)
        error = {"message": str(failure), "type": "InternalServerError", "param": None, "code": 500}
        yield event({"error": error})
    yield b"data: [DONE]\n\n"


def _part(generation: Generation, piece: Piece) -> dict[str, Any]:
    if generation.is_chat:
        return _delta({"content": piece.text}, piece)
    return {
        "index": 0,
        "text": piece.text,
        "logprobs": None,
        "finish_reason": piece.finish,
        "stop_reason": piece.stop_reason,
    }


def _delta(delta: dict[str, str], piece: Piece | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    if piece and piece.finish:
        choice |= {"finish_reason": piece.finish, "stop_reason": piece.stop_reason}
    return choice


def _chunk(
    generation: Generation, choices: list[dict[str, Any]], counted: dict[str, Any] | None = None
) -> bytes:
    chunk = {**generation.envelope("chat.completion.chunk"), "choices": choices}
    return event(chunk if counted is None else {**chunk, "usage": counted})
