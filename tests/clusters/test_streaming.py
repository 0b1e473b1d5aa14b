from __future__ import annotations

import asyncio

import httpx
import pytest

from clusters.credentials import seal
from clusters.streaming import open_client, pod_log_path, service_proxy_path, with_beats
from tests.clusters.certificates import Authority, server_context
from tests.clusters.scripted import answers, scripted, streams

OK = answers(200, {"ok": True})


async def fetched(cluster, path="/version"):
    async with open_client(cluster) as client:
        return await client.get(path)


@pytest.mark.asyncio
async def test_client_says_who_asks_and_wants_no_compression(server):
    server.script("list", OK)

    await fetched(server.cluster())

    sent = server.asked[0].headers
    assert (sent["authorization"], sent["user-agent"], sent["accept-encoding"]) == (
        "Bearer s3cret",
        "kaitoweb/0.1.0",
        "identity",
    )


@pytest.mark.asyncio
async def test_client_keeps_the_path_of_the_address(server):
    server.script("list", OK)

    await fetched(server.cluster(endpoint=server.url + "/k8s/c-1"))

    assert server.asked[0].path == "/k8s/c-1/version"


@pytest.mark.asyncio
async def test_client_takes_no_proxy_and_follows_no_redirect(server, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.script("list", answers(302, b"", headers=["Location: /elsewhere"]), OK)

    reply = await fetched(server.cluster())

    assert (reply.status_code, len(server.asked)) == (302, 1)


@pytest.mark.asyncio
async def test_client_gives_chunks_as_they_come(server):
    server.script("list", streams(b"one", b"two", every_s=0.05))

    async with open_client(server.cluster()) as client, client.stream("GET", "/x") as reply:
        assert [chunk async for chunk in reply.aiter_raw()] == [b"one", b"two"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "works"), [("", True), ("server", True), ("another", False)])
async def test_client_checks_the_certificate_and_shows_its_own(tmp_path, name, works):
    authority = Authority()
    certificate, key = authority.issue("kaitoweb")
    secrets = seal({"client_certificate_pem": certificate, "client_key_pem": key})
    with scripted(server_context(authority, tmp_path, demand_client=True)) as server:
        server.script("list", OK)
        cluster = server.cluster(
            ca_pem=authority.pem, sealed_credentials=secrets, tls_server_name=name
        )
        if works:
            assert (await fetched(cluster)).json() == {"ok": True}
        else:
            with pytest.raises(httpx.ConnectError):
                await fetched(cluster)


def test_service_proxy_path_names_one_port_of_one_service():
    assert service_proxy_path("team-a", "phi-4", "http", "/v1/chat/completions") == (
        "/api/v1/namespaces/team-a/services/phi-4:http/proxy/v1/chat/completions"
    )
    assert service_proxy_path("a", "b", 80, "/") == "/api/v1/namespaces/a/services/b:80/proxy/"


@pytest.mark.parametrize(
    "given",
    [
        ("a", "b:81", "http", "/chat"),
        ("a", "https:b", "http", "/chat"),
        ("a", "../b", "http", "/chat"),
        ("a/b", "b", "http", "/chat"),
        ("a", "b", "80/proxy/x", "/chat"),
        ("a", "b", "http", "chat"),
        ("a", "b", "http", "/../../secrets"),
        ("a", "b", "http", "/chat?dryRun=All"),
        ("a", "b", "http", "/%2e%2e/x"),
        ("a", "b\n", "http", "/chat"),
        ("a", "b", "http", "/chat\r\nHost: x"),
        ("", "b", "http", "/chat"),
    ],
)
def test_service_proxy_path_refuses_what_reaches_elsewhere(given):
    with pytest.raises(ValueError, match="^not a "):
        service_proxy_path(*given)


def test_pod_log_path_takes_names_only():
    assert pod_log_path("team-a", "phi-4-0.x") == "/api/v1/namespaces/team-a/pods/phi-4-0.x/log"
    with pytest.raises(ValueError, match="^not a Kubernetes name"):
        pod_log_path("team-a", "x/../../secrets")


class Source:
    """A generator that says when it was closed."""

    def __init__(self, *pauses_s):
        self.pauses_s = pauses_s
        self.is_closed = False

    async def __call__(self):
        try:
            for pause_s in self.pauses_s:
                await asyncio.sleep(pause_s)
                yield pause_s
        finally:
            self.is_closed = True


@pytest.mark.asyncio
async def test_beats_fill_the_silence_and_lose_nothing():
    events = with_beats(Source(0, 0.25, 0)(), 0.1)

    assert [e async for e in events] == [0, None, None, 0.25, 0]


@pytest.mark.asyncio
async def test_beats_close_their_source_while_it_is_silent():
    source = Source(0, 30)
    events = with_beats(source(), 0.01)

    assert [await anext(events), await anext(events)] == [0, None]
    await events.aclose()

    assert source.is_closed


@pytest.mark.asyncio
async def test_beats_close_their_source_between_two_events():
    source = Source(0, 30)
    events = with_beats(source(), 10)

    assert await anext(events) == 0
    await events.aclose()

    assert source.is_closed


@pytest.mark.asyncio
async def test_beats_close_their_source_when_cancelled():
    source = Source(30)
    task = asyncio.ensure_future(anext(with_beats(source(), 10)))
    await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert source.is_closed
