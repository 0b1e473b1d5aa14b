"""Starts child processes, prefixes their output, restarts the ones that die, and stops them all.

Knows nothing of what the children are. POSIX only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

LAST_LINES = 12
STOP_S = 3.0  # then SIGKILL; with what follows it stays under the 5 s that a person is promised
STOP_LAST_S = 0.7
RESTARTS = 4  # within RESTART_WINDOW_S, then the whole stops
RESTART_WINDOW_S = 60.0
_PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)


class ChildFailed(Exception):
    """A child cannot be kept running; the text is for a person."""


@dataclass(slots=True)
class Child:
    """One process. `name` is the prefix of its lines; lines that contain one of `hides` are kept to ourselves.

    A child that `is_last` ends after the others, which need it until then.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    is_last: bool = False
    process: asyncio.subprocess.Process | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None


def _die_with_parent() -> None:
    """In the child: a supervisor that is killed outright takes its children along (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Owns the children. `write` gets finished lines, without their end."""

    RESTART_PAUSE_S = 0.5  # doubles with each death

    def __init__(self, *, write: Callable[[str], None], colour: bool = False) -> None:
        self._write = write
        self._colour = colour
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, child: Child) -> None:
        """Start `child` and keep it running from now on."""
        self._children.append(child)
        await self._spawn(child)
        self._tasks.append(asyncio.create_task(self._keep(child)))

    async def run_once(self, child: Child) -> None:
        """Run `child` to its end. Raises ChildFailed when it ends with an error."""
        self._children.append(child)
        await self._spawn(child)
        code = await self._ended(child)
        self._children.remove(child)
        if code and not self._stopping:
            raise ChildFailed(_obituary(child, code))

    async def failure(self) -> None:
        """Waits until a child cannot be kept, then raises ChildFailed."""
        await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """End all children, politely for STOP_S seconds. Idempotent."""
        self._stopping = True
        await self._ask_to_end([c for c in self._children if not c.is_last], STOP_S)
        await self._ask_to_end([c for c in self._children if c.is_last], STOP_LAST_S)
        for child in self._children:
            _signal_group(child, signal.SIGKILL)  # also what a child left behind in its group
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _all_ended(self._children, STOP_LAST_S)

    async def _ask_to_end(self, children: list[Child], limit_s: float) -> None:
        running = [child for child in children if child.is_running]
        for child in running:
            _signal_group(child, signal.SIGTERM)
        await _all_ended(running, limit_s)

    async def _spawn(self, child: Child) -> None:
        child.process = await asyncio.create_subprocess_exec(
            *child.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **child.environment},
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then ends the children in order
            preexec_fn=_die_with_parent,
        )

    async def _ended(self, child: Child) -> int:
        """Relays output until it ends; the exit code."""
        process = child.process
        if process is None or process.stdout is None:
            return 0
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._relay(child, line)
        if rest:
            self._relay(child, rest)
        return await process.wait()

    def _relay(self, child: Child, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        if not line.strip() or any(text in line for text in child.hides):
            return
        child.last_lines.append(line)
        self._write(f"{self._prefix(child)} {line}")

    def _prefix(self, child: Child) -> str:
        text = f"{child.name:>8} │"
        if not self._colour:
            return text
        return f"\033[{_COLOURS[sum(child.name.encode()) % len(_COLOURS)]}m{text}\033[0m"

    async def _keep(self, child: Child) -> None:
        while True:
            code = await self._ended(child)
            if self._stopping:
                return
            child.deaths.append(time.monotonic())
            if _dies_too_often(child):
                self._failed.set_exception(ChildFailed(_obituary(child, code)))
                return
            self._write(f"{_how(child, code)}; starting it again.")
            await asyncio.sleep(self.RESTART_PAUSE_S * 2 ** (len(child.deaths) - 1))
            if self._stopping:
                return
            await self._spawn(child)


def _dies_too_often(child: Child) -> bool:
    return len(child.deaths) == RESTARTS and child.deaths[-1] - child.deaths[0] < RESTART_WINDOW_S


def _how(child: Child, code: int) -> str:
    if code < 0:
        return f"{child.name} was ended by {signal.Signals(-code).name}"
    return f"{child.name} ended with exit code {code}"


def _obituary(child: Child, code: int) -> str:
    last = "\n".join(f"    {line}" for line in child.last_lines) or "    (it said nothing)"
    return f"{_how(child, code)}. Its last lines:\n{last}"


async def _all_ended(children: list[Child], limit_s: float) -> None:
    waits = [asyncio.create_task(c.process.wait()) for c in children if c.process is not None]
    if waits:
        await asyncio.wait(waits, timeout=limit_s)


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, number)
