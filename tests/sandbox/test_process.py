"""`manage.py sandbox` as a process: ready, stopped at once, and the same after a restart."""

import base64
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(30)]


def start(state, *options):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", f"--state={state}", "--speed=20", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("listening on https://127.0.0.1:"), line
    return process, line.split()[-1]


def stop(process):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()
    return time.monotonic() - began


def open_client(state):
    config = orjson.loads((state / "sandbox" / "kubeconfig").read_bytes())
    cluster = config["clusters"][0]["cluster"]
    authority = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    token = config["users"][0]["user"]["token"]
    return httpx.Client(
        base_url=cluster["server"],
        verify=authority,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def test_it_serves_stops_at_once_and_remembers(tmp_path):
    process, url = start(tmp_path, "--no-seed")
    with open_client(tmp_path) as client:
        assert str(client.base_url).rstrip("/") == url
        body = {"metadata": {"name": "kept"}}
        made = client.post("/api/v1/namespaces", json=body).json()
        with client.stream("GET", "/api/v1/namespaces?watch=true&resourceVersion=0") as watch:
            lines = watch.iter_lines()
            next(lines)
            took_s = stop(process)
            assert len(list(lines)) < 20  # the watch came to its end
    assert took_s < 10  # 0.3 s on an idle machine; the watch would last half an hour

    process, _ = start(tmp_path, "--no-seed")
    with open_client(tmp_path) as client:
        again = client.get("/api/v1/namespaces/kept").json()
    stop(process)
    assert again == made


def test_a_taken_port_is_said(tmp_path):
    process, url = start(tmp_path / "one", "--no-seed")
    left_over = tmp_path / "two" / "sandbox" / "kubeconfig"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("of an earlier run")
    port = url.rsplit(":", 1)[1]

    second = subprocess.run(
        [sys.executable, "manage.py", "sandbox", f"--state={tmp_path}/two", f"--port={port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    stop(process)

    assert second.returncode == 1
    assert f"cannot listen on port {port}" in second.stderr
    assert not left_over.exists()
