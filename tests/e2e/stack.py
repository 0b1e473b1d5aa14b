"""The whole program as `make run` starts it, on a state folder and a port of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"kaitoweb is ready at (\S+)  sign in as admin with password (\S+)")
START_LIMIT_S = 90


@dataclass
class Stack:
    process: subprocess.Popen[str]
    state: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""
    password: str = ""
    started_s: float = 0.0

    def text(self) -> str:
        return "\n".join(self.lines)

    def kubectl(
        self, *arguments: str, user: str = "kubeconfig", **options
    ) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("kubectl"))]
        command += ["--kubeconfig", str(self.state / "sandbox" / user), *arguments]
        options = {"capture_output": True, "text": True, "timeout": 30} | options
        return subprocess.run(command, **options)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Ask it to stop; how long it took, s."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - begun


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(
    state: Path, port: int, *, model: str = "echo", speed: float = 20
) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KAITOWEB_", "DJANGO_"))}
    return inherited | {
        "KAITOWEB_STATE": str(state),
        "KAITOWEB_PORT": str(port),
        "KAITOWEB_SANDBOX_MODEL": model,
        "KAITOWEB_SANDBOX_SPEED": str(speed),
    }


def launch(env: dict[str, str]) -> Stack:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack = Stack(process, Path(env["KAITOWEB_STATE"]))
    threading.Thread(target=_read, args=[stack], daemon=True).start()
    return stack


def _read(stack: Stack) -> None:
    with stack.process.stdout as output:
        for line in output:
            stack.lines.append(line.rstrip("\n"))


def wait_until_ready(stack: Stack, limit_s: float = START_LIMIT_S) -> Stack:
    begun = time.monotonic()
    while time.monotonic() - begun < limit_s:
        for line in list(stack.lines):
            if found := READY.search(line):
                stack.url, stack.password = found[1], found[2]
                stack.started_s = time.monotonic() - begun
                return stack
        if stack.process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"kaitoweb did not start:\n{stack.text()}")


@contextlib.contextmanager
def running(*, model: str = "echo", speed: float = 20) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="kaitoweb-e2e-") as folder:
        stack = launch(environment(Path(folder), free_port(), model=model, speed=speed))
        try:
            yield wait_until_ready(stack)
        finally:
            if stack.process.poll() is None:
                stack.stop()
