"""Carries one prompt to a model and its answer back, as events while it comes.

Nothing is tried twice: a prompt that may have been heard is not said again. Whoever closes the generator, or is
cancelled while waiting for it, closes the connection to the model with it, and with that the generation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import httpx
from django.conf import settings

from playground import cards, connections, dialects, failures, reading
from playground.routes import Route
from playground.types import (
    Ended,
    Event,
    Failed,
    Finished,
    InferenceError,
    ModelCard,
    Numbers,
    Piece,
    Reasoning,
    Started,
    Token,
    Usage,
    Wish,
)
from workspaces.types import Dialect

MOST_ANSWER = 2 * 1024 * 1024  # characters
MOST_REPLY = 4 * 1024 * 1024  # bytes of an answer in one piece
MOST_REFUSAL = 64 * 1024  # bytes
_LAST_BYTES_S = 0.25  # after [DONE] the connection is read to its end, so that it can be used again


class Tally:
    """What is known of an answer so far; also when nobody waits for the rest of it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: float | None = None
        self._pieces = 0
        self._usage = Usage(None, None)
        self._characters = 0
        self.finish = ""

    @property
    def has_begun(self) -> bool:
        return self._first is not None

    def add(self, piece: Piece) -> None:
        if isinstance(piece, Usage):
            self._usage = piece
        elif isinstance(piece, Ended):
            self.finish = piece.reason
        else:
            self._said(piece.text)

    def _said(self, text: str) -> None:
        self._first = self._first or time.monotonic()
        self._pieces += 1
        self._characters += len(text)
        if self._characters > MOST_ANSWER:
            raise failures.unreadable()

    def numbers(self, *, streamed: bool = True) -> Numbers:
        """Of an answer in one piece there is no first token, and no piece that could be counted."""
        counted = self._usage.tokens
        pieces = self._pieces if streamed and self._pieces else None
        first = self._first if streamed else None
        return Numbers(
            total_ms=_ms(time.monotonic() - self._began),
            first_token_ms=None if first is None else _ms(first - self._began),
            prompt_tokens=self._usage.prompt_tokens,
            tokens=pieces if counted is None else counted,
            is_counted=counted is not None,
            finish=self.finish,
        )


async def run(
    route: Route, dialect: Dialect, wish: Wish, tally: Tally
) -> AsyncGenerator[Event, None]:
    """Started, then Token and Reasoning, at the end one Finished or Failed."""
    streamed = dialects.streams(dialect)
    try:
        card = await cards.model_card(route, dialect)
        _check_length(wish, card)
        yield Started(card)
        request = await _request(route, dialect, wish, card)
        async with aclosing(_answer(route, request, tally, streamed=streamed)) as pieces:
            async for piece in pieces:
                yield piece
    except InferenceError as error:
        yield Failed(error, tally.numbers(streamed=streamed))
    except httpx.HTTPError as error:
        found = failures.from_exception(error, has_begun=tally.has_begun, idle_s=_idle_s())
        yield Failed(found, tally.numbers(streamed=streamed))
    else:
        yield Finished(tally.numbers(streamed=streamed))


def _check_length(wish: Wish, card: ModelCard) -> None:
    if card.context_tokens and wish.max_tokens > card.context_tokens:
        raise InferenceError(
            "too-long", f"This model can see {card.context_tokens:,} tokens in all; ask for fewer."
        )


async def _request(
    route: Route, dialect: Dialect, wish: Wish, card: ModelCard
) -> tuple[httpx.AsyncClient, httpx.Request]:
    client = await connections.client_for(route)
    body: dict[str, Any] = dialects.request_body(dialect, wish, card.name)
    timeout = httpx.Timeout(connect=5, read=_idle_s(), write=30, pool=5)
    path = route.path(dialects.PATHS[dialect])
    return client, client.build_request("POST", path, json=body, timeout=timeout)


async def _answer(
    route: Route, request: tuple[httpx.AsyncClient, httpx.Request], tally: Tally, *, streamed: bool
) -> AsyncGenerator[Token | Reasoning, None]:
    client, sent = request
    response = await client.send(sent, stream=True)
    try:
        if response.status_code != httpx.codes.OK:
            await _refuse(route, response)
        pieces = _streamed(response, tally) if streamed else _whole(response, tally)
        async with aclosing(pieces) as said:
            async for piece in said:
                yield piece
    finally:
        await response.aclose()


async def _refuse(route: Route, response: httpx.Response) -> None:
    """What the server said of its model may be out of date, then."""
    cards.forget(route)
    raise failures.from_reply(response.status_code, await connections.read(response, MOST_REFUSAL))


async def _streamed(
    response: httpx.Response, tally: Tally
) -> AsyncGenerator[Token | Reasoning, None]:
    if "text/event-stream" not in response.headers.get("content-type", ""):
        raise failures.from_reply(200, await connections.read(response, MOST_REFUSAL))
    reader, thoughts = reading.StreamReader(), reading.Thoughts()
    async with aclosing(connections.chunks_of(response)) as chunks:
        async for chunk in chunks:
            for said in _sorted(reader.feed(chunk), thoughts, tally):
                yield said
            if reader.is_over:
                await _drain(chunks)
                break
    for said in _sorted(reader.end(), thoughts, tally):
        yield said
    for said in thoughts.end():
        yield said
    if not reader.is_complete:
        raise reader.error or failures.cut_short()


def _sorted(
    pieces: list[Piece], thoughts: reading.Thoughts, tally: Tally
) -> list[Token | Reasoning]:
    """Texts that came together leave together: one event a chunk, however many tokens are in it."""
    found: list[Token | Reasoning] = []
    for piece in pieces:
        tally.add(piece)
        for said in _texts(piece, thoughts):
            if found and type(found[-1]) is type(said):
                found[-1] = type(said)(found[-1].text + said.text)
            else:
                found.append(said)
    return found


def _texts(piece: Piece, thoughts: reading.Thoughts) -> list[Token | Reasoning]:
    if isinstance(piece, Token):
        return thoughts.take(piece.text)
    return [piece] if isinstance(piece, Reasoning) else []


async def _whole(response: httpx.Response, tally: Tally) -> AsyncGenerator[Token | Reasoning, None]:
    text = reading.read_chat_answer(await connections.read(response, MOST_REPLY))
    tally.add(Token(text))
    thoughts = reading.Thoughts()
    for said in [*thoughts.take(text), *thoughts.end()]:
        yield said


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_LAST_BYTES_S):
            async for _ in chunks:
                pass


def _idle_s() -> float:
    idle_s: float = settings.KAITOWEB_PROMPT_IDLE_S
    return idle_s


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
