"""The knobs' own paths, for the administrator only."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox import status
from sandbox.answers import json_answer
from sandbox.auth import MASTERS, Attributes, Identity
from sandbox.calls import JSON_TYPE, decode
from sandbox.cluster import Cluster
from sandbox.knobs.board import Board
from sandbox.knobs.rules import Bookmarks, Break, Delay, Failure, Pace, Trick, parse

PREFIX = "/_sandbox/"

# Path: what its body is, and what is done with it.
KNOBS: dict[str, tuple[type, Callable[[Board, Any], Any]]] = {
    "fail": (Failure, Board.fail),
    "freeze": (Break, Board.freeze),
    "cut": (Break, Board.cut),
    "delay": (Delay, Board.delay),
    "bookmarks": (Bookmarks, Board.set_bookmarks),
    "watch": (Trick, Board.watch),
    "speed": (Pace, Board.set_pace),
}


async def answer(request: web.Request, board: Board) -> web.Response:
    _check_administrator(request, board.cluster)
    return json_answer(await _done(request, board))


async def _done(request: web.Request, board: Board) -> dict[str, Any]:
    asked = request.method, request.path.removeprefix(PREFIX)
    match asked:
        case ("GET", "requests"):
            return {"requests": board.recorder.records}
        case ("DELETE", "requests"):
            board.recorder.clear()
        case ("POST", "compact"):
            board.cluster.store.compact()
        case ("POST", "reset"):
            board.reset()
        case ("POST", name) if name in KNOBS:
            kind, turn = KNOBS[name]
            met = turn(board, parse(kind, decode(await request.read() or b"{}", JSON_TYPE)))
            return {"met": await met if inspect.isawaitable(met) else met}
        case _:
            raise status.no_such_path()
    return {}


def caller(request: web.Request, cluster: Cluster) -> str:
    """The name of who asks; empty for nobody known."""
    identity = _identity(request, cluster)
    return identity.user if identity else ""


def _identity(request: web.Request, cluster: Cluster) -> Identity | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return cluster.identify(token.strip()) if scheme.lower() == "bearer" else None


def _check_administrator(request: web.Request, cluster: Cluster) -> None:
    identity = _identity(request, cluster)
    if identity is None:
        raise status.unauthorized()
    if MASTERS not in identity.groups:
        asked = Attributes(verb=request.method.lower(), path=request.path)
        raise status.forbidden_to(identity.user, asked)
