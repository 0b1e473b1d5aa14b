"""An HTTP server that answers from a script, byte by byte where a test needs that: faults that no real server makes to order.

    with scripted() as server:
        server.script("list", answers(200, page([pod(1)], version="5")))
        server.script("watch", streams(event("ADDED", pod(2)), then="hold"))

Each request takes the next step of its kind ("list", "watch", "check" for metadata alone, or "call"); the last step
serves all that follow.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from clusters.credentials import seal
from clusters.models import Cluster


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        if self.method != "GET":
            return "call"
        if "PartialObjectMetadata" in self.headers.get("accept", ""):
            return "check"
        return "watch" if self.query.get("watch") else "list"


@dataclass
class Scripted:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    steps: dict[str, list] = field(default_factory=dict)

    def script(self, kind: str, *steps) -> None:
        self.steps[kind] = list(steps)

    def count(self, kind: str) -> int:
        return sum(a.kind == kind for a in self.asked)

    def cluster(self, **values) -> Cluster:
        made = {
            "pk": 1,
            "name": "scripted",
            "endpoint": self.url,
            "sealed_credentials": seal({"token": "s3cret"}),
        }
        return Cluster(**{**made, **values})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = await _read(head, reader)
                self.asked.append(asked)
                steps = self.steps.get(asked.kind) or [answers(404, {})]
                step = steps.pop(0) if len(steps) > 1 else steps[0]
                if not await step(writer):
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


async def _read(head: bytes, reader: asyncio.StreamReader) -> Asked:
    first, *rest = head.decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


def answers(code: int, body, *, headers=()):
    """One whole reply; `body` an object or bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(writer) -> bool:
        lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(data)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        await writer.drain()
        return True

    return step


def streams(*pieces: bytes, then: str = "end", every_s: float = 0.0):
    """A chunked reply, each piece a chunk; then "end" it properly, "cut" it in the middle of a chunk, or "hold" it in silence."""

    async def step(writer) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(every_s)
        if then == "hold":
            await asyncio.sleep(30)
        if then == "cut":
            writer.write(b"ff\r\n" + event("ADDED", pod(99))[:20])
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    return step


def silence():
    """Takes the request and never answers."""

    async def step(writer) -> bool:
        await asyncio.sleep(30)
        return False

    return step


def refuses(code: int, reason: str = "", *, message: str = "", headers=(), **details):
    return answers(code, status(code, reason, message, **details), headers=headers)


def status(code: int, reason: str = "", message: str = "", **details) -> dict:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "message": message,
        "details": details,
    }
    return {**body, "reason": reason} if reason else body


def pod(number: int, version: int | None = None, **metadata) -> dict:
    named = {
        "uid": f"uid-{number}",
        "name": f"pod-{number}",
        "namespace": "default",
        "resourceVersion": str(version or number),
    }
    return {"metadata": {**named, **metadata}}


def page(items: list[dict], *, version: str, cont: str = "") -> dict:
    metadata = {"resourceVersion": version, **({"continue": cont} if cont else {})}
    return {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}


def event(kind: str, obj: dict) -> bytes:
    return json.dumps({"type": kind, "object": obj}, ensure_ascii=False).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


@contextmanager
def scripted(tls: ssl.SSLContext | None = None):
    server = Scripted()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    listening = asyncio.run_coroutine_threadsafe(starting, loop).result(2)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_close(listening), loop).result(2)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(listening: asyncio.Server) -> None:
    listening.close()
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.01)  # transports close in the loop's next turns
