"""What a model's server says of itself: the name to ask for, and how much it can see.

Asked before the first prompt and kept for a minute a serving pod: the name in a request must be the server's own,
which is neither the workspace's nor the preset's.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import orjson

from playground import connections, dialects, failures
from playground.routes import Route
from playground.types import InferenceError, ModelCard
from workspaces.types import Dialect

KEPT_S = 60.0
MOST_KEPT = 1000  # cards
MOST_REPLY = 256 * 1024  # bytes
READ_S = 10.0
TIMEOUT = httpx.Timeout(connect=5, read=READ_S, write=5, pool=5)  # s

_cards: dict[tuple[int, tuple[str, str]], tuple[float, ModelCard]] = {}


async def model_card(route: Route, dialect: Dialect) -> ModelCard:
    """Raises InferenceError, httpx.HTTPError."""
    if dialect == Dialect.CHAT:
        return ModelCard()
    kept_at, card = _cards.get(_key(route), (0.0, None))
    if card is None or time.monotonic() - kept_at > KEPT_S:
        card = await _ask(route)
        if len(_cards) >= MOST_KEPT:
            _cards.clear()
        _cards[_key(route)] = (time.monotonic(), card)
    return card


def forget(route: Route) -> None:
    _cards.pop(_key(route), None)


def _key(route: Route) -> tuple[int, tuple[str, str]]:
    return route.cluster.pk, route.serving


async def _ask(route: Route) -> ModelCard:
    client = await connections.client_for(route)
    path = route.path(dialects.MODELS_PATH)
    async with client.stream("GET", path, timeout=TIMEOUT) as reply:
        body = await connections.read(reply, MOST_REPLY)
    if reply.status_code != httpx.codes.OK:
        raise failures.from_reply(reply.status_code, body)
    return read_card(body)


def read_card(body: bytes) -> ModelCard:
    """The first entry is the model itself; adapters follow it, and name it as their parent.

    https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/inference_api.py
    """
    first = _first_entry(body)
    name, context = first.get("id"), first.get("max_model_len")
    if not isinstance(name, str) or not name:
        raise InferenceError(
            "unreadable", "The model’s server does not say what its model is called."
        )
    is_number = isinstance(context, int) and not isinstance(context, bool) and context > 0
    return ModelCard(name=name, context_tokens=context if is_number else None)


def _first_entry(body: bytes) -> dict[str, Any]:
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    entries = raw.get("data") if isinstance(raw, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else {}
    return first if isinstance(first, dict) else {}
