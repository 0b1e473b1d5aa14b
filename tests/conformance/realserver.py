"""The real kube-apiserver of tests/conformance/apiserver/, as a process of its own."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

READY_S = 120  # 3 s on an idle machine
STOP_S = 15
BINARY = "KAITOWEB_APISERVER"  # the variable in which `make conformance` says where it is


@dataclass
class ApiServer:
    """Keeps its folder and its port over restarts, so clients and kubeconfigs stay valid."""

    binary: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Comes back when it is ready. It ends by itself when our end of its input is closed,
        which also happens when this process is killed."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--folder", str(self.folder), "--port", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_S
        while not self.kubeconfig.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = self.log.read_text()[-4000:]
                self.stop()
                raise RuntimeError(f"kube-apiserver did not start:\n{words}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As when its machine fails: connections are reset, nobody says goodbye."""
        self._end(signal.SIGKILL)
        self.kubeconfig.unlink()

    def restart(self) -> None:
        self.kill()
        self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Connections stay open and nothing answers."""
        self._running.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running.send_signal(signal.SIGCONT)

    def compact(self) -> None:
        """Make etcd forget its history. The API server's own caches still know it."""
        transport = httpx.HTTPTransport(uds=str(self.folder / "control"))
        with httpx.Client(transport=transport, base_url="http://control", timeout=30) as client:
            client.post("/compact").raise_for_status()

    def stop(self) -> None:
        """For good: it removes its folder."""
        process = self._running
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        self._end(signal.SIGKILL)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError("kube-apiserver was not started")
        return self.process

    def _end(self, number: signal.Signals) -> None:
        process = self._running
        process.send_signal(number)
        process.wait()
        if process.stdin:
            process.stdin.close()


@contextlib.contextmanager
def running_apiserver() -> Iterator[ApiServer]:
    binary = os.environ.get(BINARY)
    if not binary:
        raise RuntimeError(f"{BINARY} is not set: run `make conformance`")
    # A short name, since a unix socket's path may have 107 characters. The server removes it too.
    with tempfile.TemporaryDirectory(prefix="kaitoweb-api-", ignore_cleanup_errors=True) as folder:
        server = ApiServer(binary, Path(folder), _free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def admin_of(kubeconfig: Path) -> tuple[str, str, str]:
    """URL, authority (PEM) and token."""
    config = orjson.loads(kubeconfig.read_bytes())
    cluster = config["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return cluster["server"], authority, config["users"][0]["user"]["token"]
