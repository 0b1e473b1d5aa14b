"""An aiohttp application on a free loopback port, in a thread of its own: what a Service leads to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future

from aiohttp import web

START_S = 10


@contextlib.contextmanager
def serving_app(app: web.Application) -> Iterator[str]:
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=_run, args=(app, started), name="backend")
    thread.start()
    url, loop, stopped = started.result(START_S)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(START_S)


def _run(app: web.Application, started: Future) -> None:
    asyncio.run(_serve(app, started))


async def _serve(app: web.Application, started: Future) -> None:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    stopped = asyncio.Event()
    started.set_result((f"http://{host}:{port}", asyncio.get_running_loop(), stopped))
    await stopped.wait()
    await runner.cleanup()
