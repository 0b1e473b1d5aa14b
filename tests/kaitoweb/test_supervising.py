from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from kaitoweb import supervising
from kaitoweb.supervising import Child, ChildFailed, Supervisor

pytestmark = [pytest.mark.asyncio, pytest.mark.process]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(supervising, "STOP_S", 0.6)
    monkeypatch.setattr(supervising.Supervisor, "RESTART_PAUSE_S", 0.01)


def child(code, name="child"):
    return Child(name, [sys.executable, "-S", "-c", code])


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def until(condition, limit_s=3):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.02)


async def test_lines_are_prefixed_with_the_childs_name():
    lines = []
    supervisor = Supervisor(write=lines.append)

    await supervisor.run_once(child("print('one\\ntwo', end='')", "worker"))

    assert lines == ["  worker │ one", "  worker │ two"]


async def test_run_once_names_the_child_and_its_last_lines():
    supervisor = Supervisor(write=lambda line: None)

    with pytest.raises(ChildFailed) as caught:
        await supervisor.run_once(child("print('no such table'); raise SystemExit(3)", "migrate"))

    assert str(caught.value) == (
        "migrate ended with exit code 3. Its last lines:\n    no such table"
    )


async def test_a_child_that_dies_is_started_again():
    lines = []
    supervisor = Supervisor(write=lines.append)
    sleeper = child("import time; print('up', flush=True); time.sleep(60)")
    await supervisor.start(sleeper)
    await until(lambda: len(lines) == 1)

    os.kill(sleeper.process.pid, signal.SIGKILL)

    await until(lambda: len(lines) == 3)
    assert lines == [
        "   child │ up",
        "child was ended by SIGKILL; starting it again.",
        "   child │ up",
    ]
    await supervisor.stop()


async def test_a_child_that_keeps_dying_ends_the_whole_with_its_last_lines():
    supervisor = Supervisor(write=lambda line: None)
    await supervisor.start(child("print('bad port'); raise SystemExit(1)", "web"))

    with pytest.raises(ChildFailed, match="web ended with exit code 1(.|\n)*bad port"):
        await asyncio.wait_for(supervisor.failure(), 4)

    await supervisor.stop()


async def test_stop_kills_a_child_that_will_not_go_and_what_it_left_behind():
    lines = []
    supervisor = Supervisor(write=lines.append)
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "os.fork(); os.write(1, f'{os.getpid()}\\n'.encode()); time.sleep(60)"
    )
    await supervisor.start(child(code))
    await until(lambda: len(lines) == 2)
    pids = [int(line.split("│")[1]) for line in lines]
    begun = time.monotonic()

    await supervisor.stop()

    await until(lambda: not any(is_alive(pid) for pid in pids))
    assert time.monotonic() - begun < 30  # it would sleep for 60


async def test_stop_does_not_start_children_again():
    lines = []
    supervisor = Supervisor(write=lines.append)
    sleeper = child("import time; time.sleep(60)")
    await supervisor.start(sleeper)

    await supervisor.stop()

    assert sleeper.process.returncode == -signal.SIGTERM
    assert lines == []


async def test_stop_ends_the_last_child_after_the_others():
    lines = []
    supervisor = Supervisor(write=lines.append)
    code = (
        "import signal, sys, time; end = lambda *_: (time.sleep({0}), print('gone', flush=True), sys.exit());"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)"
    )
    broker = child(code.format(0), "broker")
    broker.is_last = True
    await supervisor.start(broker)
    await supervisor.start(child(code.format(0.2), "web"))
    await until(lambda: len(lines) == 2)

    await supervisor.stop()

    assert lines[2:] == ["     web │ gone", "  broker │ gone"]


async def test_hidden_lines_are_not_shown():
    lines = []
    noisy = child("print('noise about memory'); print('real')")
    noisy.hides = ("about memory",)

    await Supervisor(write=lines.append).run_once(noisy)

    assert lines == ["   child │ real"]
