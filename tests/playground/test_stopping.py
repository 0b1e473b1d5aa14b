"""Over real sockets: a browser, the web process, the API server's proxy, the model's server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time

import httpx
import pytest
import uvicorn
from django.db import connections as database
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import Client

from audit.models import Entry
from kaitoweb.asgi import application
from playground import connections
from tests.modelservers import run_models
from tests.playground.test_views import PRESET
from tests.workspaces.conftest import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(20)]
SLOW = 1.0  # 50 tokens a second
LIMIT_S = 0.25


@pytest.fixture(scope="module")
def models():
    with run_models(speed=SLOW) as running:
        yield running


@contextlib.contextmanager
def serving():
    config = uvicorn.Config(application, port=0, lifespan="off", log_level="error")
    server = uvicorn.Server(config)

    async def serve():
        await server.serve()
        await connections.close_all()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="web")
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


@pytest.fixture
def web():
    with serving() as url:
        yield url


@contextlib.contextmanager
def browser(url, person):
    """Signed in, with the token of the page's form."""
    session = Client()
    session.force_login(person)
    cookies = {"sessionid": session.cookies["sessionid"].value}
    with httpx.Client(base_url=url, cookies=cookies, timeout=5) as client:
        page = client.get(f"/playground/?workspace={PRESET}").text
        client.headers["x-csrftoken"] = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1]
        yield client


def asking(client, prompt):
    body = json.dumps({"workspace": PRESET, "prompt": prompt, "max_tokens": 2000})
    headers = {"content-type": "application/json", "referer": str(client.base_url)}
    return client.stream("POST", "/playground/reply/", content=body, headers=headers)


def running(models):
    metrics = httpx.get(f"{models.url}/vllm/qwen2.5-coder-7b-instruct/metrics").text
    return float(re.search(r"^vllm:num_requests_running\{.*\} (\S+)$", metrics, re.MULTILINE)[1])


def entry():
    return Entry.objects.filter(action="prompt.run").first()


def read_tokens(parts, count):
    """`parts` stays with the caller: an iterator that is dropped closes its connection."""
    text = ""
    while text.count("event: token") < count:
        text += next(parts)


def test_leaving_stops_the_model_at_once(cluster, models, web, bob):
    with browser(web, bob) as client:
        with asking(client, "repeat 1500 word") as answer:
            parts = answer.iter_text()
            read_tokens(parts, 3)
            assert running(models) == 1
        left = time.monotonic()
        wait_until(lambda: running(models) == 0)
        took_s = time.monotonic() - left

    assert took_s < LIMIT_S
    found = wait_until(entry)
    assert (found.outcome, found.detail["finish"]) == ("succeeded", "stopped")
    assert 3 <= found.detail["tokens"] < 40


def test_tokens_come_one_by_one(cluster, models, web, bob):
    text, times = "", []
    with browser(web, bob) as client, asking(client, "repeat 60 word") as answer:
        for part in answer.iter_text():
            text += part  # a part may end in the middle of an event
            times += [time.monotonic()] * (text.count("event: token") - len(times))

    assert len(times) == 60
    assert times[-1] - times[0] > 0.3  # 1.2 s on an idle machine; 0 if they were gathered


@pytest.fixture
def open_connections(monkeypatch):
    """Those to the database that are opened from now on and not closed yet, where they persist as with PostgreSQL."""
    opened = []
    connect, close = DatabaseWrapper.connect, DatabaseWrapper.close

    def connecting(wrapper):
        opened.append(id(wrapper))
        connect(wrapper)

    def closing(wrapper):
        close(wrapper)
        if id(wrapper) in opened:
            opened.remove(id(wrapper))

    monkeypatch.setattr(DatabaseWrapper, "connect", connecting)
    monkeypatch.setattr(DatabaseWrapper, "close", closing)
    monkeypatch.setitem(database.settings["default"], "CONN_MAX_AGE", 60)
    return opened


def test_a_stream_holds_no_connection_to_the_database(cluster, models, web, bob, open_connections):
    with browser(web, bob) as client:
        open_connections.clear()
        with asking(client, "repeat 100 word") as answer:
            parts = answer.iter_text()
            read_tokens(parts, 3)
            during = list(open_connections)

    assert during == []
    wait_until(entry)
    wait_until(lambda: open_connections == [])
