import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(20)]


def command(*options):
    return [sys.executable, "manage.py", "sandbox_model", "--model", "echo", *options]


@contextmanager
def process(*options):
    child = subprocess.Popen(command(*options), stdout=subprocess.PIPE, text=True)
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_announces_itself_when_ready_and_only_on_loopback():
    with process() as (_, line):
        url = line.removeprefix("listening on ")

        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/healthz").json()["model"] == "echo"


def test_stops_at_once_even_while_streaming():
    with process() as (child, line):
        url = line.removeprefix("listening on ") + "/vllm/m/v1/completions"
        body = {"prompt": "repeat 3000 w", "max_tokens": 3000, "stream": True}
        with httpx.stream("POST", url, json=body) as response:
            lines = response.iter_lines()  # kept: a lost iterator would hang up
            next(lines)
            started = time.monotonic()
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
            took = time.monotonic() - started

    assert took < 10  # 0.25 s on an idle machine; the answer would last 75


def test_taken_port_is_said_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(command("--port", port), capture_output=True, text=True, timeout=15)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"CommandError: Port {port} cannot be used: ")
    assert "Traceback" not in ended.stderr
