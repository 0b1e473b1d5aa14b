"""Lets a stop flag end a request that another thread is blocked in.

A read on a silent socket returns only when its timeout passes, and closing the response elsewhere does not
wake it; shutting the socket down does, for TLS too. Threads that want this enter `interruptible`.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3.connection
import urllib3.connectionpool

PERIOD_S = 0.2

_lock = threading.Lock()
_stops: dict[int, threading.Event] = {}  # by thread
_sockets: dict[int, socket.socket] = {}  # what each of these threads now waits on
_poller: threading.Thread | None = None


@contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """Within it, a set `stop` ends this thread's current request (with an error) in a fraction of a second."""
    thread = threading.get_ident()
    with _lock:
        _stops[thread] = stop
        _start_poller()
    try:
        yield
    finally:
        with _lock:
            _stops.pop(thread, None)
            _sockets.pop(thread, None)


def request_ended() -> None:
    """This thread waits no longer: its socket may go to another thread now."""
    with _lock:
        _sockets.pop(threading.get_ident(), None)


def _request_began(waiting_on: socket.socket | None) -> None:
    with _lock:
        if waiting_on is not None and threading.get_ident() in _stops:
            _sockets[threading.get_ident()] = waiting_on


def _start_poller() -> None:
    global _poller
    if _poller is None or not _poller.is_alive():
        _poller = threading.Thread(target=_poll, name="interrupts", daemon=True)
        _poller.start()


def _poll() -> None:
    global _poller
    while True:
        with _lock:
            if not _stops:
                _poller = None
                return
            for thread, stop in _stops.items():
                if stop.is_set() and thread in _sockets:
                    _shut(_sockets[thread])
        time.sleep(PERIOD_S)


def _shut(waiting_on: socket.socket) -> None:
    with suppress(OSError):  # closed by its own thread meanwhile
        # Below TLS on purpose: SSLSocket.shutdown drops the session that the other thread is reading from.
        socket.socket.shutdown(waiting_on, socket.SHUT_RDWR)


class _PlainConnection(urllib3.connection.HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed through
        super().request(*args, **kwargs)
        _request_began(self.sock)


class _SecureConnection(urllib3.connection.HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed through
        super().request(*args, **kwargs)
        _request_began(self.sock)


class _PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS = {"http": _PlainPool, "https": _SecurePool}  # for PoolManager.pool_classes_by_scheme
