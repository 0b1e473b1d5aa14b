"""Wishes, routes, and the answers of a model's server as bytes."""

from __future__ import annotations

import asyncio
import json

from playground import connections, inference
from playground.routes import Route
from playground.types import Reasoning, Role, Token, Turn, Wish

CARD = {"data": [{"id": "phi-4", "object": "model", "owned_by": "vllm", "max_model_len": 4096}]}


def wish(prompt="Hello", *, said=(), **more):
    """`said`: earlier turns, alternating from the person's."""
    roles = (Role.USER, Role.ASSISTANT) * len(said)
    turns = [
        Turn(role=role, content=text) for role, text in zip(roles[: len(said)], said, strict=True)
    ]
    prompted = (*turns, Turn(role=Role.USER, content=prompt))
    return Wish(turns=prompted, **{"max_tokens": 64, **more})


def route(cluster, name="phi-4", namespace="team-a"):
    return Route(cluster=cluster, namespace=namespace, service=name, serving=("uid-1", "uid-pod-1"))


def event(data):
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def delta(finish=None, **said):
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def answer(*words, finish="stop", usage=None, done=True):
    """The whole stream of a well-behaved vLLM."""
    chunks = [delta(role="assistant", content="")]
    chunks += [delta(content=word) for word in words]
    chunks += [delta(finish, content="")] if finish else []
    chunks += [{"choices": [], "usage": usage}] if usage else []
    return b"".join(map(event, chunks)) + (event(b"[DONE]") if done else b"")


def sse(*pieces: bytes, then="end", kind="text/event-stream; charset=utf-8", every_s=0.0):
    """A step for the scripted server: each piece a chunk; then "end" properly, "cut" without, or "hold" in silence."""

    async def step(writer) -> bool:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(every_s)
        if then == "hold":
            await asyncio.sleep(30)
        if then == "cut":
            writer.transport.abort()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    return step


def run(there, dialect, wanted=None, *, tally=None):
    """All events of one prompt, in a loop of its own."""
    tally = tally or inference.Tally()

    async def collect():
        try:
            return [e async for e in inference.run(there, dialect, wanted or wish(), tally)]
        finally:
            await connections.close_all()

    return asyncio.run(collect())


def text_of(events, kind=Token):
    return "".join(e.text for e in events if isinstance(e, kind))


def thought_of(events):
    return text_of(events, Reasoning)
