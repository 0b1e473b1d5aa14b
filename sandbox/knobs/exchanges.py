"""One request and its answer on the way out, where it can be slowed, bent, silenced and cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import StreamWriter

from sandbox.knobs.recording import Record
from sandbox.knobs.rules import Break, Match
from sandbox.knobs.tricks import Bender
from sandbox.routing import is_true

if TYPE_CHECKING:
    from sandbox.knobs.board import Board

FLUSH_STEP_S = 0.005
FLUSH_STEPS = 200
CANCELLED_WITHIN_S = 5.0


@dataclass(eq=False)
class Exchange:
    request: web.Request
    user: str
    record: Record
    board: Board
    broken: Break | None = None
    flowing: asyncio.Event = field(default_factory=asyncio.Event)  # cleared while frozen
    bender: Bender = field(default_factory=Bender)

    def is_covered_by(self, match: Match) -> bool:
        return match.covers(self.request.method, self.request.path_qs, self.user)

    @property
    def is_watch(self) -> bool:
        return self.request.method == "GET" and is_true(self.request.query, "watch")

    def abort(self) -> None:
        if self.request.transport:
            self.request.transport.abort()

    async def flushed(self) -> None:
        """What was written is on its way, or the client does not take it."""
        for _ in range(FLUSH_STEPS):
            transport = self.request.transport
            if not isinstance(transport, asyncio.WriteTransport):
                return
            if not transport.get_write_buffer_size():
                return
            await asyncio.sleep(FLUSH_STEP_S)


class Writer(StreamWriter):
    """Writes an answer as the knobs want it."""

    def __init__(self, exchange: Exchange) -> None:
        request = exchange.request
        super().__init__(request.protocol, asyncio.get_running_loop())
        self._exchange = exchange
        self._sent = 0  # bytes of the body

    async def write_headers(self, status_line: str, headers: object) -> None:
        self._exchange.record["status"] = int(status_line.split(" ")[1])
        await super().write_headers(status_line, headers)  # type: ignore[arg-type]  # aiohttp's own mapping

    async def write(self, chunk: bytes, *, drain: bool = True, LIMIT: int = 0x10000) -> None:  # type: ignore[override]  # bytes only: no other is sent
        exchange = self._exchange
        chunk = bytes(chunk)
        for piece in exchange.board.bent(exchange, chunk) if exchange.is_watch else [chunk]:
            await exchange.flowing.wait()
            await self._send(piece)
            await asyncio.sleep(0)  # pieces of a line go out one by one

    async def write_eof(self, chunk: bytes = b"") -> None:
        if chunk:
            await self.write(chunk)
        await self._exchange.flowing.wait()
        await super().write_eof()

    async def inject(self, raw: bytes) -> None:
        await super().write(raw)

    async def _send(self, chunk: bytes) -> None:
        fault = self._exchange.broken
        if fault is None or self._sent + len(chunk) < (fault.after_bytes or 0):
            self._sent += len(chunk)
            await super().write(chunk)
            return
        head = chunk[: (fault.after_bytes or 0) - self._sent]
        self.send_headers()
        if fault.mid_chunk and self.chunked:
            self._write(b"%x\r\n%s" % (len(chunk) + 1, head))
        elif head:
            await super().write(head)
        await self._break(fault)

    async def _break(self, fault: Break) -> None:
        await self._exchange.flushed()
        if fault.kind == "freeze":
            self._exchange.flowing.clear()
            await self._exchange.flowing.wait()  # until a reset, and what follows is lost then
        self._exchange.abort()
        await asyncio.sleep(CANCELLED_WITHIN_S)  # the lost connection cancels us
        raise ConnectionResetError("cut by a knob")
