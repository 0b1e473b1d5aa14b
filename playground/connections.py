"""Open connections to clusters, kept between prompts: a new one costs a handshake, which is time to first token.

One client a cluster and event loop; an edited connection (its revision rises) closes the former one.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import httpx

from playground.routes import Route

_Clients = dict[int, tuple[int, httpx.AsyncClient]]
_kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = weakref.WeakKeyDictionary()


async def client_for(route: Route) -> httpx.AsyncClient:
    clients = _kept.setdefault(asyncio.get_running_loop(), {})
    cluster = route.cluster
    revision, client = clients.get(cluster.pk, (0, None))
    if client is not None and revision == cluster.revision:
        return client
    clients[cluster.pk] = (cluster.revision, route.open_client())
    if client is not None:
        await client.aclose()
    return clients[cluster.pk][1]


def chunks_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """As they come. It is a generator, which httpx's types do not say, and wants to be closed as one."""
    return cast(AsyncGenerator[bytes, None], response.aiter_raw())


async def read(response: httpx.Response, most: int) -> bytes:
    """The beginning of a body whose length nobody vouches for."""
    body = bytearray()
    async with aclosing(chunks_of(response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > most:
                break
    return bytes(body[:most])


async def close_all() -> None:
    """Of this event loop."""
    for _, client in _kept.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()
