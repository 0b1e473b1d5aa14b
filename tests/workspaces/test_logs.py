from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from clusters.models import Cluster
from workspaces import logs
from workspaces.diagnosis import Progress
from workspaces.logs.lines import Bookmark, LogLine, Splitter, log_line

T = "2026-11-24T12:00:0{}Z"


def test_splitter_joins_chunks_and_keeps_the_unfinished_line():
    splitter = Splitter()

    first = splitter.feed(b"2026-11-24T12:00:01Z one\n2026-11-24T12:0")
    second = splitter.feed(b"0:02.5Z two\n\nthree")

    assert first == [LogLine("2026-11-24T12:00:01Z", "one")]
    assert second == [LogLine("2026-11-24T12:00:02.5Z", "two")]
    assert splitter.end() == [LogLine("", "three")]
    assert splitter.end() == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xff\xfe broken \xe2\x82", "\ufffd\ufffd broken \ufffd"),
        (b" 10%|#   |\r 50%|##  |\r100%|####|", "100%|####|"),
        (b"done\r", "done"),
        (b"\r\r", ""),
        (b"\x1b[32mINFO\x1b[0m ready", "INFO ready"),
        (b"\x1b]0;title\x07\x1b]8;;javascript:x\x1b\\link\x1b]8;;\x1b\\\x1b[2K\x1b[1;1H", "link"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("U+0085 \u0085 and U+2028 \u2028 stay".encode(), "U+0085 \u0085 and U+2028 \u2028 stay"),
        (b"x" * 20_000, "x" * 16_384),
    ],
)
def test_lines_survive_whatever_logs_hold(raw, text):
    assert log_line(raw) == LogLine("", text)


def test_character_cut_by_a_chunk_is_whole_again():
    splitter = Splitter()

    assert splitter.feed("ü".encode()[:1]) == []
    assert splitter.feed("ü\n".encode()[1:]) == [LogLine("", "ü")]


def test_bookmark_drops_what_comes_again_and_nothing_else():
    bookmark = Bookmark()
    shown = [LogLine(T.format(1), "a"), LogLine(T.format(2), "b"), LogLine(T.format(2), "c")]
    assert bookmark.take(shown) == shown

    bookmark.resume()

    again = [*shown, LogLine(T.format(2), "d"), LogLine("2026-11-24T12:00:02.1Z", "e")]
    assert [line.text for line in bookmark.take(again)] == ["d", "e"]


def test_bookmark_compares_times_and_not_their_spelling():
    bookmark = Bookmark()
    bookmark.take([LogLine("2026-11-24T12:00:01.5Z", "a")])
    bookmark.resume()

    fresh = bookmark.take(
        [LogLine("2026-11-24T12:00:01.50Z", "a"), LogLine("2026-11-24T12:00:01.51Z", "b")]
    )

    assert [line.text for line in fresh] == ["b"]


VLLM = [
    "INFO inference_api.py:561] Downloading x to /workspace/weights: 2 files, 7.15 GiB",
    "INFO inference_api.py:583] model-00001.safetensors: done (3.58/7.15 GiB, 50%)",
    "INFO inference_api.py:590] KAITO: download finished, starting the engine",
    "Loading safetensors checkpoint shards:  50% Completed | 1/2",
    "INFO:     Application startup complete.",
    "KAITO_BENCHMARK_CONFIG {}",
]


@pytest.mark.parametrize(
    ("count", "stage", "percent", "note"),
    [
        (0, "", None, ""),
        (1, "weights", None, ""),
        (2, "weights", 50, "3.58 of 7.15 GiB"),
        (3, "load", None, ""),
        (4, "load", 50, ""),
        (5, "benchmark", None, ""),
        (6, "benchmark", None, ""),
    ],
)
def test_start_is_read_from_the_log(count, stage, percent, note):
    found = logs.start_progress([LogLine(T.format(i), VLLM[i]) for i in range(count)])

    assert (found.stage, found.percent, found.note) == (stage, percent, note)


def test_start_tells_when_each_stage_began():
    found = logs.start_progress([LogLine(T.format(i), text) for i, text in enumerate(VLLM)])

    assert found.loading_at == datetime(2026, 11, 24, 12, 0, 2, tzinfo=UTC)
    assert found.benchmark_at == datetime(2026, 11, 24, 12, 0, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "huggingface_hub.errors.GatedRepoError: 401 Client Error.",
        "Cannot access gated repo for url https://huggingface.co/x",
        "requests.exceptions.HTTPError: 403 Client Error: Forbidden",
    ],
)
def test_refusal_of_hugging_face_is_quoted(line):
    assert logs.start_progress([LogLine("", "Traceback"), LogLine("", line)]).refusal == line


class Kubelet:
    """A log endpoint that answers each request with the next of `answers`: (status, chunks)."""

    def __init__(self, *answers, delay_s=0.0):
        self.answers = list(answers)
        self.delay_s = delay_s
        self.queries = []

    def respond(self, handler):
        url = urlsplit(handler.path)
        assert url.path == "/api/v1/namespaces/team-a/pods/phi-4-0/log"
        self.queries.append(dict(parse_qsl(url.query)))
        time.sleep(self.delay_s)
        status, chunks = self.answers.pop(0) if self.answers else (404, "")
        if status == 204:
            chunks = []
        elif status != 200:
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
            chunks = [json.dumps(body | {"message": chunks}).encode()]
        handler.send_response(status)
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()


@contextmanager
def serving(kubelet):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(BrokenPipeError, ConnectionResetError):
                kubelet.respond(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    cluster = Cluster(name="x", kind="sandbox", endpoint=f"http://127.0.0.1:{server.server_port}")
    try:
        yield logs.Source(cluster=cluster, namespace="team-a", pod="phi-4-0", container="phi-4")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def followed(kubelet, *, previous=False):
    """Everything until the last notice; the texts of lines and notices in order."""
    with serving(kubelet) as source:
        source = replace(source, previous=previous)
        items = [item async for item in logs.follow(source, first_pause_s=0.01)]
    return [i.text if isinstance(i, logs.Notice) else [line.text for line in i] for i in items]


@pytest.mark.asyncio
async def test_follow_goes_on_where_the_stream_broke_off():
    kubelet = Kubelet(
        (200, [b"2026-11-24T12:00:01Z one\n", b"2026-11-24T12:00:02Z two\n"]),
        (200, [b"2026-11-24T12:00:02Z two\n2026-11-24T12:00:02Z three\n"]),
    )

    said = await followed(kubelet)

    assert [text for part in said[:-1] for text in part] == ["one", "two", "three"]
    assert said[-1] == "The pod phi-4-0 is gone, and its log with it."
    first, second, _ = kubelet.queries
    assert (first["tailLines"], first["follow"], first["timestamps"]) == ("500", "true", "true")
    assert (second["sinceTime"], "tailLines" in second) == ("2026-11-24T12:00:02Z", False)


@pytest.mark.asyncio
async def test_container_that_waits_to_start_is_a_sentence_said_once():
    waiting = 'container "phi-4" in pod "phi-4-0" is waiting to start: PodInitializing'
    kubelet = Kubelet((400, waiting), (400, waiting), (200, [b"2026-11-24T12:00:01Z up\n"]))

    said = await followed(kubelet)

    assert said == [
        "The container has not started yet (PodInitializing). Its log follows.",
        ["up"],
        "The pod phi-4-0 is gone, and its log with it.",
    ]


@pytest.mark.asyncio
async def test_pod_without_a_node_is_a_sentence_said_once():
    kubelet = Kubelet((204, ""), (204, ""), (200, [b"2026-11-24T12:00:01Z up\n"]))

    said = await followed(kubelet)

    assert said == [
        "The pod has no node yet, so nothing runs in it. Its log follows.",
        ["up"],
        "The pod phi-4-0 is gone, and its log with it.",
    ]


@pytest.mark.asyncio
async def test_previous_run_ends_with_a_sentence():
    kubelet = Kubelet((200, [b"2026-11-24T12:00:01Z boom\n"]))

    said = await followed(kubelet, previous=True)

    assert said == [["boom"], "This is the end of the previous run's log."]
    assert kubelet.queries[0]["previous"] == "true"
    assert "follow" not in kubelet.queries[0]


@pytest.mark.asyncio
async def test_forbidden_log_names_the_missing_right():
    words = (
        'pods "phi-4-0" is forbidden: User "viewer" cannot get resource "pods/log" in API group ""'
        ' in the namespace "team-a"'
    )

    (said,) = await followed(Kubelet((403, words)))

    assert said.endswith("kaitoweb needs the right to get pods/log here.")


@pytest.mark.asyncio
async def test_last_lines_do_not_wait_for_a_cluster_that_is_silent(monkeypatch):
    monkeypatch.setattr(logs.reading, "LOOK_S", 0.05)

    with serving(Kubelet(delay_s=0.3)) as source:
        started = asyncio.get_running_loop().time()
        assert await logs.last_lines(source) == []
        assert asyncio.get_running_loop().time() - started < 0.25


def test_start_of_an_unreachable_cluster_is_unknown():
    cluster = Cluster(name="x", kind="sandbox", endpoint="http://127.0.0.1:9")
    source = logs.Source(cluster=cluster, namespace="a", pod="b", container="c")

    assert logs.read_start(source) == Progress()


@pytest.mark.asyncio
async def test_whole_log_is_handed_on_as_it_is():
    raw = b"2026-11-24T12:00:01Z \xff\r\n"
    with serving(Kubelet((200, [raw]))) as source:
        assert b"".join([chunk async for chunk in logs.whole(source)]) == raw


@pytest.mark.asyncio
async def test_whole_log_of_a_gone_pod_is_a_sentence():
    with serving(Kubelet()) as source:
        said = b"".join([chunk async for chunk in logs.whole(source)])

    assert said == b"The pod phi-4-0 is gone, and its log with it.\n"
