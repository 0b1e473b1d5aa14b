"""`manage.py up` itself: stopping, a second one, a taken port, a child that dies, the password."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from tests.e2e import stack as stacks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
LIMIT_S = 5


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def up(env):
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=stacks.ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def family(stack):
    parent = psutil.Process(stack.process.pid)
    return [parent, *parent.children(recursive=True)]


def test_stops_whole_on_each_signal_and_keeps_its_password(state):
    passwords = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        stack = stacks.wait_until_ready(
            stacks.launch(stacks.environment(state, stacks.free_port()))
        )
        processes = family(stack)
        passwords.add(stack.password)

        took = stack.stop(number)

        _, alive = psutil.wait_procs(processes, timeout=1)
        assert alive == []
        assert took < LIMIT_S
        assert stack.process.returncode == 0, stack.text()
        assert list(state.rglob("*.sock")) == []
    assert len(processes) >= 7
    assert len(passwords) == 1
    assert (state / "admin-password").stat().st_mode & 0o777 == 0o600


def test_a_killed_supervisor_leaves_no_process(state):
    stack = stacks.wait_until_ready(stacks.launch(stacks.environment(state, stacks.free_port())))
    processes = family(stack)

    stack.stop(signal.SIGKILL)

    _, alive = psutil.wait_procs(processes, timeout=LIMIT_S)
    assert alive == []


def test_a_second_one_says_that_the_first_runs(stack):
    result = up(stacks.environment(stack.state, stacks.free_port()))

    assert result.returncode == 1
    assert result.stderr == (
        f"CommandError: kaitoweb is already running from {stack.state} (process {stack.process.pid}, {stack.url}). "
        "Stop it first, or set KAITOWEB_STATE and KAITOWEB_PORT to start a second one.\n"
    )


def test_a_taken_port_is_named(state):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = up(stacks.environment(state, port))

    assert result.returncode == 1
    assert result.stderr.startswith(f"CommandError: Port {port} is taken by another program.")


@pytest.mark.parametrize("given", ["http", "0", "70000"])
def test_a_port_that_is_none_is_refused(state, given):
    result = up(stacks.environment(state, 1) | {"KAITOWEB_PORT": given})

    assert result.stderr == (
        f"CommandError: KAITOWEB_PORT is {given!r}: it must be a number from 1 to 65535.\n"
    )


def test_a_child_that_dies_is_named_and_started_again(state):
    stack = stacks.wait_until_ready(stacks.launch(stacks.environment(state, stacks.free_port())))
    try:
        web = next(p for p in family(stack) if "uvicorn" in p.cmdline())

        os.kill(web.pid, signal.SIGKILL)

        assert _comes(lambda: "web was ended by SIGKILL; starting it again." in stack.lines)
        assert _comes(lambda: _is_alive(stack.url))
    finally:
        stack.stop()


def test_it_listens_on_loopback_only(stack):
    listening = {
        connection.laddr.ip
        for process in family(stack)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


def test_every_line_of_a_child_is_prefixed(stack):
    names = {"valkey", "sandbox", "model", "worker", "beat", "web", "prepare", "connect"}
    children = {line.split("│")[0].strip() for line in stack.lines if "│" in line}

    assert children <= names
    assert {"sandbox", "model", "connect"} <= children


def test_probes_answer(stack):
    assert httpx.get(f"{stack.url}readyz").json() == {
        "ready": True,
        "parts": {"database": "ok", "migrations": "ok", "broker": "ok", "watcher": "ok"},
    }


def test_nobody_writes_an_address_of_his_choice_into_the_audit(stack):
    with httpx.Client(base_url=stack.url) as client:
        client.get("/sign-in/")
        token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
        wrong = token | {"username": "admin", "password": "wrong"}
        client.post("/sign-in/", data=wrong, headers={"X-Forwarded-For": "6.6.6.6"})

    with contextlib.closing(sqlite3.connect(stack.state / "kaitoweb.sqlite3")) as database:
        asked = "SELECT DISTINCT source_ip FROM audit_entry WHERE action = 'sign-in'"
        assert database.execute(asked).fetchall() == [("127.0.0.1",)]


def test_a_body_that_no_page_sends_is_refused_before_it_is_read(stack):
    answer = httpx.post(f"{stack.url}sign-in/", content=bytes(2_000_000))

    assert (answer.status_code, answer.text) == (
        413,
        "kaitoweb takes at most 1024 KiB at once.\n",
    )


def _is_alive(url):
    try:
        return httpx.get(f"{url}healthz").status_code == 200
    except httpx.HTTPError:
        return False


def _comes(condition, limit_s=20):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
