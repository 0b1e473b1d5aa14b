"""The real server as a process: whoever started it may die in any way, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conformance.realserver import running_apiserver
from tests.conformance.targets import wait_until

pytestmark = pytest.mark.timeout(120)

STARTS = """
import signal
from tests.conformance.realserver import running_apiserver
with running_apiserver() as server:
    print(server.process.pid, server.folder, flush=True)
    signal.pause()
"""


def is_running(pid):
    return Path(f"/proc/{pid}").exists()


def test_server_ends_with_whoever_started_it():
    with subprocess.Popen(
        [sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True
    ) as starter:
        pid, folder = starter.stdout.readline().split()
        was_running = is_running(pid)
        starter.send_signal(signal.SIGKILL)

    wait_until(lambda: not is_running(pid))
    wait_until(lambda: not Path(folder).exists())
    assert was_running


def test_server_leaves_nothing_at_its_end():
    with running_apiserver() as server:
        pid, folder = server.process.pid, server.folder
        assert folder.parent == Path(tempfile.gettempdir())

    assert (is_running(pid), folder.exists()) == (False, False)


def test_server_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setenv("KAITOWEB_APISERVER", "/bin/false")

    with pytest.raises(RuntimeError, match="kube-apiserver did not start"), running_apiserver():
        pass


def test_server_keeps_objects_port_and_token_over_a_restart():
    with running_apiserver() as server:
        before = server.kubeconfig.read_text()
        first = server.process.pid

        server.restart()

        assert (server.kubeconfig.read_text(), server.process.pid == first) == (before, False)
        assert os.listdir(server.folder / "etcd") == ["member"]
