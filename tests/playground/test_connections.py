from __future__ import annotations

import asyncio

from playground import connections
from tests.playground.builders import route


def kept(*clusters):
    async def take():
        try:
            found = [await connections.client_for(route(c)) for c in clusters]
            return found, [client.is_closed for client in found]
        finally:
            await connections.close_all()

    return asyncio.run(take())


def test_client_is_kept_between_prompts(server):
    found, _ = kept(server.cluster(), server.cluster())

    assert found[0] is found[1]
    assert found[0].is_closed


def test_client_of_an_edited_connection_replaces_the_former(server):
    found, closed = kept(server.cluster(revision=1), server.cluster(revision=2))

    assert found[0] is not found[1]
    assert closed == [True, False]


def test_clients_of_two_clusters_are_two(server):
    found, closed = kept(server.cluster(pk=1), server.cluster(pk=2), server.cluster(pk=1))

    assert found[0] is found[2]
    assert closed == [False, False, False]
