from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time

import pytest

from tests.wires import Wire


class _Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@contextlib.contextmanager
def serving(server):
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def echo():
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo)) as address:
        yield address


@pytest.fixture
def wire(echo):
    with Wire(echo) as made:
        yield made


@contextlib.contextmanager
def client(wire, timeout=5):
    with socket.create_connection(wire.address, timeout=timeout) as made:
        yield made


def says(sock, words):
    sock.sendall(words)
    return hears(sock, len(words))


def hears(sock, count):
    found = b""
    while len(found) < count and (more := sock.recv(count - len(found))):
        found += more
    return found


def test_wire_carries_both_ways(wire):
    with client(wire) as sock:
        assert says(sock, b"hello") == b"hello"
        assert (wire.connections, wire.accepted) == (1, 1)


def test_wire_carries_more_than_its_buffers(wire):
    sent = bytes(range(256)) * 8192
    with client(wire) as sock:
        writer = threading.Thread(target=sock.sendall, args=(sent,))
        writer.start()
        assert hears(sock, len(sent)) == sent
        writer.join()


def test_wire_carries_the_goodbye(wire):
    with client(wire) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_frozen_wire_is_silent_and_loses_nothing(wire):
    with client(wire, timeout=0.1) as sock:
        assert says(sock, b"before") == b"before"
        wire.freeze()
        sock.sendall(b"during")
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(5)
        wire.thaw()
        assert hears(sock, 6) == b"during"


def test_frozen_wire_takes_new_connections_and_does_not_answer(wire):
    wire.freeze()
    with client(wire, timeout=0.1) as sock:
        sock.sendall(b"hello")
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_cut_resets_connections_and_takes_new_ones(wire):
    with client(wire) as sock:
        assert says(sock, b"hello") == b"hello"
        wire.cut()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with client(wire) as sock:
        assert says(sock, b"again") == b"again"


def test_cut_reaches_a_frozen_wire(wire):
    with client(wire) as sock:
        assert says(sock, b"hello") == b"hello"
        wire.freeze()
        wire.cut()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_refusing_wire_keeps_its_port_and_its_connections(wire):
    with client(wire) as sock:
        assert says(sock, b"before") == b"before"
        wire.refuse()
        with pytest.raises(ConnectionRefusedError), client(wire):
            pass
        assert says(sock, b"still") == b"still"
    wire.accept()
    with client(wire) as sock:
        assert says(sock, b"back") == b"back"


def test_wire_delays_each_chunk(wire):
    with client(wire) as sock:
        assert says(sock, b"quick") == b"quick"
        wire.delay(0.1)
        began = time.monotonic()
        assert says(sock, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.2  # there and back


def test_wire_to_a_dead_target_resets(echo):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    with Wire(address) as wire, pytest.raises(ConnectionResetError), client(wire) as sock:
        sock.recv(1)


def test_wire_reaches_a_unix_socket(tmp_path):
    path = str(tmp_path / "echo")
    echoing = serving(socketserver.ThreadingUnixStreamServer(path, _Echo))
    with echoing, Wire(path) as wire, client(wire) as sock:
        assert says(sock, b"hello") == b"hello"


def test_closed_wire_leaves_no_thread(echo):
    with Wire(echo) as wire, client(wire) as sock:
        says(sock, b"hello")
    assert not [t for t in threading.enumerate() if t.name == "wire"]


def test_stranded_connection_is_dead_for_good_and_new_ones_work(wire):
    with client(wire, timeout=0.2) as stranded:
        assert says(stranded, b"a") == b"a"
        wire.strand()
        wire.thaw()
        with pytest.raises(TimeoutError):
            says(stranded, b"b")
        with client(wire) as fresh:
            assert says(fresh, b"c") == b"c"
