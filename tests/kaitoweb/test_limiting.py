"""A body that is too large never reaches the program behind."""

from __future__ import annotations

import asyncio

import pytest

from kaitoweb.limiting import limited

SAID = b"kaitoweb takes at most 1 KiB at once.\n"


async def reads_all(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def answer(*pieces, headers=()):
    """Status and body of what comes back for a body in these pieces, and how many of them were read."""
    sent, waiting = [], list(pieces)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": list(headers)}
    asyncio.run(limited(reads_all, 1024)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], len(pieces) - len(waiting)


@pytest.mark.parametrize("sizes", [(0,), (1024,), (512, 512)])
def test_limited_lets_pass_what_is_small(sizes):
    assert answer(*map(bytes, sizes)) == (200, b"%d" % sum(sizes), len(sizes))


def test_limited_refuses_a_body_by_its_stated_length():
    assert answer(b"x", headers=[(b"content-length", b"1025")]) == (413, SAID, 0)


@pytest.mark.parametrize("headers", [(), [(b"content-length", b"1")], [(b"content-length", b"x")]])
def test_limited_refuses_a_body_that_grows(headers):
    assert answer(bytes(512), bytes(513), bytes(9999), headers=headers) == (413, SAID, 2)


def test_limited_leaves_alone_what_is_not_http():
    seen = []

    async def application(scope, receive, send):
        seen.append(scope)

    asyncio.run(limited(application, 1)({"type": "lifespan"}, None, None))

    assert seen == [{"type": "lifespan"}]
