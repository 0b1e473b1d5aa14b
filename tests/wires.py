"""A wire to a server that a test can freeze, cut, slow down or unplug: a TCP forwarder in a thread of its own.

    with Wire(("127.0.0.1", 5432)) as wire:
        connect(*wire.address)
        wire.freeze()

Knows nothing of what it carries: TLS, HTTP, PostgreSQL and Valkey go through alike. All verbs may be called from any
thread and have taken effect when they return.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
CALL_S = 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset, drop what is unsent

Target = tuple[str, int] | str


@dataclass(eq=False)
class _Pair:
    """One connection: the client's end and the target's."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def reset(self) -> None:
        for writer in self.writers:
            if writer.transport.is_closing():
                continue
            sock = writer.get_extra_info("socket")
            if sock.family == socket.AF_INET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class Wire:
    """`target` is (host, port) or the path of a unix socket. `Wire(...)` has an address; `with` makes it listen."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.accepted = 0  # connections so far
        self._pairs: set[_Pair] = set()
        self._delay_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._open = asyncio.Event()  # closed while frozen
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        # Bound and never listening: keeps the port ours while connections to it are refused.
        self._holder = _bound(0)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._holder.getsockname()
        return host, port

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._pairs)

    def __enter__(self) -> Wire:
        self._thread.start()
        self.thaw()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.cut()
        self._do(self._rest)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        self._loop.close()
        self._holder.close()

    def freeze(self) -> None:
        """Carry nothing more, not even a goodbye; connections stay, new ones are taken and get no answer."""
        self._do(self._open.clear)

    def thaw(self) -> None:
        """Carry on, with all that came meanwhile."""
        self._do(self._open.set)

    def strand(self) -> None:
        """Open connections stay and carry nothing any more, whatever is called later but cut(); new ones work."""

        def swap() -> None:
            self._open.clear()
            self._open = asyncio.Event()
            self._open.set()

        self._do(swap)

    def cut(self) -> None:
        """Reset every connection now; what was on its way is lost."""
        self._do(lambda: [pair.reset() for pair in self._pairs])

    def refuse(self) -> None:
        """New connections are refused; open ones live on."""
        self._do(self._stop_listening)

    def accept(self) -> None:
        self._do(self._listen)

    def delay(self, seconds: float) -> None:
        """Each chunk, in either direction, takes so much longer; 0 ends it."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def _do(self, act: Callable[[], Any]) -> None:
        async def run() -> None:
            done = act()
            if isinstance(done, Awaitable):
                await done

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_S)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.address[1])
            self._listener.listen(128)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._take, self._listener)

    def _stop_listening(self) -> None:
        if self._listener:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _take(self, listener: socket.socket) -> None:
        """A server of asyncio's own would lose a connection that comes just when it stops listening."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            near, _ = listener.accept()
            near.setblocking(False)
            self.accepted += 1
            task = self._loop.create_task(self._carry(near))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _rest(self) -> None:
        """End what still carries."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(
            0
        )  # closed transports let go of their sockets in the next turn of the loop
        await asyncio.sleep(0)

    async def _carry(self, near: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=near)
        pair = _Pair([writer])
        self._pairs.add(pair)
        try:
            far_reader, far_writer = await self._reach()
            pair.writers.append(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pair.reset()
        finally:
            self._pairs.discard(pair)
            for each in pair.writers:
                each.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = self._open
        while chunk := await reader.read(CHUNK_BYTES):
            await is_open.wait()
            await asyncio.sleep(self._delay_s)
            writer.write(chunk)
            await writer.drain()
        await is_open.wait()
        with contextlib.suppress(OSError):  # the other side is gone already
            writer.write_eof()


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made
