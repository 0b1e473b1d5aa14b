"""Sends one request of the gateway and reads its answer; all that goes wrong leaves as ClusterError.

Works on API clients that it is given, and knows no kind of object.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import urllib3

from clusters import interrupts
from clusters.errors import ClusterError
from clusters.payloads import loads
from clusters.translating import translate, translate_reply

Query = list[tuple[str, str]]
Timeout = tuple[float, float]  # s: to connect, longest silence
READ: Timeout = (5, 20)
CHUNK_BYTES = 64 * 1024
USER_AGENT = "kaitoweb/0.1.0"  # its first word becomes the field manager where none is given
# A peer that vanished without a word is noticed in 30 s.
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),  # s
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),  # s
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (
        socket.IPPROTO_TCP,
        socket.TCP_USER_TIMEOUT,
        30_000,
    ),  # ms; the same for what was sent and not confirmed
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: dict | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    timeout: Timeout = READ

    @property
    def headers(self) -> dict[str, str]:
        # identity: proxies and servers that compress a stream hold its events back.
        headers = {"Accept": self.accept, "Accept-Encoding": "identity"}
        return headers if self.body is None else {**headers, "Content-Type": self.content_type}


class Client(Protocol):
    def send(self, request: Request) -> urllib3.HTTPResponse:
        """The reply to `request` with its body still unread, whatever its code. Raises ClusterError if none came."""


def call(client: Client, request: Request) -> dict:
    """The object that answers `request`."""
    data = read(client, request)
    try:
        raw = loads(data)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):  # a proxy's page with code 200
        raise translate_reply(502, data)
    return raw


def read(client: Client, request: Request) -> bytes:
    return _body(_open(client, request))


@contextmanager
def lines(client: Client, request: Request) -> Iterator[Iterator[bytes]]:
    """The answer line by line while it comes; clusters.interrupts ends it from another thread."""
    response = _open(client, request)
    try:
        yield _lines(response)
    finally:
        interrupts.request_ended()
        response.close()


def _open(client: Client, request: Request) -> urllib3.HTTPResponse:
    """Send and wait for a happy code; the body is still to be read."""
    try:
        response = client.send(request)
    except ClusterError:
        interrupts.request_ended()
        raise
    if not 200 <= response.status < 300:
        raise translate_reply(response.status, _body(response), response.headers)
    return response


def _body(response: urllib3.HTTPResponse) -> bytes:
    try:
        return response.data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise translate(error) from error
    finally:
        interrupts.request_ended()


def _lines(response: urllib3.HTTPResponse) -> Iterator[bytes]:
    """Whole lines without their end. Split at LF only (texts in events hold other line breaks) and in linear time."""
    pieces: list[bytes] = []
    while chunk := _chunk(response):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            pieces.append(end)
            yield b"".join(pieces)
            pieces.clear()
        if rest:
            pieces.append(rest)


def _chunk(response: urllib3.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise translate(error) from error
