"""Stands before the API server: takes the knobs' own requests, and does to all others what the knobs say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.answers import status_answer
from sandbox.cluster import Cluster
from sandbox.knobs import control
from sandbox.knobs.board import Board
from sandbox.knobs.exchanges import Exchange, Writer
from sandbox.knobs.rules import Failure
from sandbox.status import StatusError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def install(cluster: Cluster) -> Board:
    """Call it before the cluster is served."""
    board = Board(cluster)

    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await _turned(request, board)
        exchange = await board.opened(request, control.caller(request, board.cluster))
        # Where an answer takes its writer from; aiohttp has no other place to put one's own.
        request._payload_writer = Writer(exchange)
        try:
            return await _answered(exchange, handler)
        finally:
            board.closed(exchange)

    cluster.middlewares.append(around)
    return board


async def _turned(request: web.Request, board: Board) -> web.StreamResponse:
    try:
        return await control.answer(request, board)
    except StatusError as error:
        return status_answer(error)


async def _answered(exchange: Exchange, handler: Handler) -> web.StreamResponse:
    board, request = exchange.board, exchange.request
    await exchange.flowing.wait()
    await asyncio.sleep(board.delay_of(exchange))
    failure = board.failure_of(exchange)
    if failure is None:
        answer = await handler(request)
        await _send(answer, request)
        return answer
    if failure.when == "after":
        await handler(request)
    return _failed(failure)


async def _send(answer: web.StreamResponse, request: web.Request) -> None:
    """Here and not later, so that the exchange is open until it is sent."""
    if answer.prepared:
        return
    with contextlib.suppress(
        ConnectionError
    ):  # the client has left, as aiohttp will see for itself
        await answer.prepare(request)
        await answer.write_eof()


def _failed(failure: Failure) -> web.Response:
    if failure.body:
        answer = web.Response(text=failure.body, status=failure.status, content_type="text/html")
    else:
        error = StatusError(failure.status, failure.reason, failure.message, **failure.details)
        answer = status_answer(error)
    answer.headers.update(failure.headers)
    return answer
