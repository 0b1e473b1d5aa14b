"""Processes that a test starts, signals and reads; each dies with the test run, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
SLOWEST = 4.0  # times, so that what fails does not take for ever
# Becomes another user where one is given (its number and group), asks for SIGKILL at the parent's death, then becomes the
# command: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_MORTAL = """
import ctypes, os, sys
if sys.argv[1]:
    user, group = map(int, sys.argv[1].split(":"))
    os.setgroups([]), os.setgid(group), os.setuid(user)
ctypes.CDLL(None).prctl(1, 9)
os.execvp(sys.argv[2], sys.argv[2:])
"""

Found = TypeVar("Found")


def slowness() -> float:
    """How many times slower than an idle machine this one may be, since others use it too."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), SLOWEST)


def wait_until(claim: Callable[[], Found], *, limit_s: float = LIMIT_S, what: str = "") -> Found:
    """The first true answer of `claim`. `limit_s` is that of an idle machine."""
    deadline = time.monotonic() + limit_s * slowness()
    while not (answer := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {limit_s} s: {what or claim.__qualname__}")
        time.sleep(0.05)
    return answer


class Process:
    """`log` collects what it says, over all its lives."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        user: str = "",
    ) -> None:
        self.name, self.command, self.log = name, list(command), folder / f"{name}.log"
        self.environment, self._user, self._folder = dict(environment), user, folder
        self._child: subprocess.Popen[bytes] | None = None
        self.is_leaving = False  # it was asked to end

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def lives(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> Process:
        self.is_leaving = False
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _MORTAL, self._user, *self.command],
                cwd=self._folder if self._user else ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def run(self, *, limit_s: float = LIMIT_S) -> None:
        """To its end, which must be a good one."""
        self.start()
        assert self._child is not None
        assert self._child.wait(limit_s) == 0, self.text()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal and wait for its end."""
        if self.lives and self._child is not None:
            self._child.send_signal(number)
            self.go_on()  # one that was stopped hears of it
            self._child.wait(LIMIT_S)

    def ask_to_end(self) -> None:
        """As at a release; it may take its time."""
        if self.lives and self._child is not None:
            self._child.terminate()
            self.is_leaving = True

    def stop(self) -> None:
        """It lives on, and knows nothing of the time that passes; go_on() wakes it."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def said(self, words: str, *, since: int = 0) -> bool:
        return words in self.text()[since:]
