"""The sandbox's model server in a thread of the test process, on a free port."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from sandbox.models.echo import Echo
from sandbox.models.engines import Engine
from sandbox.models.server import HOST, make_app, make_engine, make_runner

START_S = 60  # generous: other people's machines stall


@dataclass(frozen=True)
class ModelServer:
    url: str
    engine: Engine


@contextmanager
def run_models(
    engine: str | Engine = "echo", speed: float = 20.0, **echo_options
) -> Iterator[ModelServer]:
    """`echo_options`: slots, max_model_len. At speed 20 echo says a word a millisecond."""
    if engine == "echo":
        engine = Echo(speed=speed, **echo_options)
    elif isinstance(engine, str):
        engine = make_engine(engine)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="models", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_start(engine, speed), loop).result(START_S)
    try:
        yield ModelServer(url=f"http://{HOST}:{runner.addresses[0][1]}", engine=engine)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(START_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)
        loop.close()


async def _start(engine: Engine, speed: float) -> web.AppRunner:
    runner = make_runner(make_app(engine, speed=speed))
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    return runner
