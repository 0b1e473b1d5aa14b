"""The model server: every dialect in one aiohttp application, on loopback only.

`make_app` for those who have a loop (tests), `serve` for a process of its own.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from sandbox.models import chat, loading, tfs, vllm
from sandbox.models.answers import detail, json_answer, server_error
from sandbox.models.echo import Echo
from sandbox.models.engines import Engine
from sandbox.models.serving import REGISTRY, Registry
from sandbox.models.smollm2 import SmolLM2, is_installed

HOST = "127.0.0.1"
MODELS = ("auto", "smollm2", "echo")

_MAX_BODY = 16 * 1024**2
_SHUTDOWN_S = 0.1  # then answers under way are cut off

logger = logging.getLogger(__name__)


def make_engine(model: str, *, speed: float = 1.0) -> Engine:
    """`auto`: the real model where it is installed. Raises EngineMissing."""
    if model == "echo" or (model == "auto" and not is_installed()):
        return Echo(speed=speed)
    return SmolLM2()


def make_app(engine: Engine, *, speed: float = 1.0) -> web.Application:
    """Run it by `make_runner`: only so do callers who leave stop their generation."""
    app = web.Application(client_max_size=_MAX_BODY, middlewares=[_errors])
    app[REGISTRY] = Registry(engine)
    app[loading.DOWNLOADS] = loading.Downloads(speed=speed)
    app.cleanup_ctx.append(_engine_life(engine))
    app.add_routes([*vllm.routes(), *loading.routes(), *chat.routes(), *tfs.routes()])
    app.add_routes([web.get("/healthz", _healthz)])
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S
    )


async def serve(
    engine: Engine, *, port: int, announce: Callable[[str], None], speed: float = 1.0
) -> None:
    """Until SIGTERM or SIGINT. Announces the address once requests are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = make_runner(make_app(engine, speed=speed))
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        announce(f"http://{HOST}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


def _engine_life(engine: Engine) -> Callable[[web.Application], AsyncIterator[None]]:
    async def life(app: web.Application) -> AsyncIterator[None]:
        await engine.start()
        yield
        await engine.stop()

    return life


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Unknown paths and broken handlers, each as the dialect in the path would answer."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _refusal(request.path, error.status, error.reason)
    except ConnectionResetError:
        raise  # the caller left; nobody reads an answer
    except Exception:  # the top of a request: log it, answer as the dialect does
        logger.exception("%s %s failed", request.method, request.path)
        return vllm.http_error(500) if _is_vllm(request.path) else server_error()


def _refusal(path: str, status: int, reason: str) -> web.Response:
    return vllm.http_error(status) if _is_vllm(path) else detail(reason, status)


def _is_vllm(path: str) -> bool:
    return path.startswith("/vllm/")


async def _healthz(request: web.Request) -> web.Response:
    return json_answer({"status": "ok", "model": request.app[REGISTRY].engine.name})
