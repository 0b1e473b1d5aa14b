"""One served model: the name in the path, its queue, its counters. All share one engine's slots.

`generate` is the only way to the engine: it waits for a slot, counts what truly happened, and gives
the slot back however the reader leaves (close the generator: `contextlib.aclosing`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from aiohttp import web

from sandbox.models.engines import Engine, Message, Piece, Sampling
from sandbox.models.metrics import Metrics


class Served:
    """`adapters` answer to names of their own, with the words of the one engine."""

    def __init__(
        self, name: str, engine: Engine, slots: asyncio.Semaphore, adapters: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.adapters = tuple(adapters)
        self.engine = engine
        self.metrics = Metrics(name)
        self.created = int(time.time())
        self.turn = asyncio.Lock()  # for the dialect that answers one request at a time
        self.in_flight = 0
        self._slots = slots

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.adapters)

    async def prompt_for(self, messages: Sequence[Message]) -> list[int]:
        return await self.engine.tokenize(await self.engine.render(messages))

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        arrived = time.monotonic()
        produced = 0
        async with self._slot(), aclosing(self.engine.generate(prompt, sampling)) as pieces:
            self.metrics.prompt_tokens.inc(len(prompt))
            async for piece in pieces:
                if produced == 0:
                    self.metrics.first_token_s.observe(time.monotonic() - arrived)
                self.metrics.generation_tokens.inc(piece.tokens - produced)
                produced = piece.tokens
                if piece.finish:
                    self.metrics.finished(piece.finish, time.monotonic() - arrived)
                yield piece

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        with self.metrics.waiting.track_inprogress():
            await self._slots.acquire()
        try:
            with self.metrics.running.track_inprogress():
                yield
        finally:
            self._slots.release()


class Registry:
    """Every served model that was ever asked for, by dialect and name."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._slots = asyncio.Semaphore(engine.slots)
        self._served: dict[tuple[str, str], Served] = {}

    def get(self, dialect: str, name: str) -> Served:
        """Names of adapters follow that of the model, each after a semicolon."""
        key = (dialect, name)
        if key not in self._served:
            own, *adapters = name.split(";")
            self._served[key] = Served(own, self.engine, self._slots, adapters)
        return self._served[key]


REGISTRY = web.AppKey("registry", Registry)
