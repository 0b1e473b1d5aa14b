"""The health checks of containers, as their processes run them."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time

import pytest
from celery import signals
from django.conf import settings

from kaitoweb import alive


@pytest.fixture
def web(monkeypatch):
    """A server that answers /healthz with the status that it is told."""

    class Answer(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self):
            self.send_response(self.status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("KAITOWEB_PORT", str(server.server_port))
        yield Answer
        server.shutdown()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KAITOWEB_ALIVE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("status", "said"), [(200, ""), (503, "/healthz answers 503")])
def test_web_is_alive_when_it_answers_well(web, status, said):
    web.status = status
    assert alive.check_web() == said


def test_web_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("KAITOWEB_PORT", "1")
    assert alive.check_web().startswith("/healthz does not answer: ")


def test_worker_is_alive_once_it_has_carried_out_a_task(folder):
    assert alive.check_sign("worker") == "worker has not done any work yet"

    signals.task_postrun.send(sender=None)

    assert alive.check_sign("worker") == ""
    assert alive.check_sign("beat") == "beat has not done any work yet"


def test_beat_is_alive_once_it_has_sent_a_task_and_others_leave_no_sign_of_it(folder):
    signals.after_task_publish.send(sender="x")
    assert alive.check_sign("beat") == "beat has not done any work yet"

    before = list(signals.after_task_publish.receivers)
    try:
        signals.beat_init.send(sender=None)
        signals.after_task_publish.send(sender="x")
        assert alive.check_sign("beat") == ""
    finally:
        signals.after_task_publish.receivers = before


def test_sign_grows_old(folder):
    alive.leave_sign("worker")
    old = time.time() - alive.SIGN_S - 5
    os.utime(folder / "alive-worker", (old, old))
    assert alive.check_sign("worker") == "worker did its last work 65 s ago"


def test_no_sign_is_left_outside_containers(monkeypatch, tmp_path):
    monkeypatch.delenv("KAITOWEB_ALIVE", raising=False)
    monkeypatch.chdir(tmp_path)
    alive.leave_sign("worker")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["worker"], 1, "worker has not done any work yet\n"),
        (["nobody"], 1, "usage: python -m kaitoweb.alive web|worker|beat\n"),
    ],
)
def test_check_ends_with_a_code_and_a_sentence(folder, words, code, said):
    result = subprocess.run(
        [sys.executable, "-m", "kaitoweb.alive", *words],
        cwd=settings.BASE_DIR,
        env=os.environ | {"KAITOWEB_ALIVE": str(folder)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (code, said)
