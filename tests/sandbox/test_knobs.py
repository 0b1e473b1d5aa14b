"""The sandbox's test knobs, over HTTP."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from sandbox.resources import NAMESPACES
from tests.knobs import Knobs
from tests.servers import run_sandbox

MAPS = "/api/v1/namespaces/default/configmaps"
WATCHES = {"path": "watch=true"}


def furnish(cluster):
    cluster.store.create(NAMESPACES, {"metadata": {"name": "default"}}, manager="test")


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox(kaito=False, knobs=True, prepare=furnish) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox):
    with httpx.Client(
        base_url=sandbox.url, headers=sandbox.headers(), verify=sandbox.ssl_context
    ) as made:
        yield made


@pytest.fixture
def knobs(sandbox, client):
    with Knobs.of(sandbox) as made:
        made.forget_requests()
        yield made
        made.reset()
        for found in client.get(MAPS).json()["items"]:
            client.delete(f"{MAPS}/{found['metadata']['name']}")


def make(client, name, **data):
    return client.post(MAPS, json={"metadata": {"name": name}, "data": data})


class Following:
    """A watch, read in a thread: `lines` so far, `chunks` as they came, `error` it ended with."""

    def __init__(self, client, since=None):
        version = since or client.get(MAPS).json()["metadata"]["resourceVersion"]
        self.raw, self.chunks, self.error, self.is_over = b"", 0, None, threading.Event()
        self._opened = threading.Event()
        self._query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": "30",
        }
        self._client = client
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._opened.wait(3)

    def _read(self):
        try:
            with self._client.stream("GET", MAPS, params=self._query) as answer:
                self._opened.set()
                for chunk in answer.iter_raw():
                    self.raw += chunk
                    self.chunks += 1
        except httpx.HTTPError as error:
            self.error = error
        finally:
            self._opened.set()
            self.is_over.set()

    def names(self, count):
        """Type and name of the first so many events."""
        deadline = time.monotonic() + 3
        while self.raw.count(b"\n") < count and time.monotonic() < deadline:
            time.sleep(0.005)
        found = [json.loads(line) for line in self.raw.split(b"\n")[:-1]]
        return [(e["type"], e["object"]["metadata"].get("name", "")) for e in found]


@pytest.fixture
def follow(client, knobs):
    begun = []

    def start(**how):
        begun.append(Following(client, **how))
        return begun[-1]

    yield start
    knobs.reset()
    knobs.cut(match=WATCHES)
    for each in begun:
        assert each.is_over.wait(3)


def test_knobs_are_not_there_unless_asked_for():
    with (
        run_sandbox(kaito=False) as plain,
        httpx.Client(
            base_url=plain.url, headers=plain.headers(), verify=plain.ssl_context
        ) as admin,
    ):
        unknown, knob = admin.get("/nonsense"), admin.get("/_sandbox/requests")
        assert (knob.status_code, knob.text) == (404, unknown.text)


@pytest.mark.parametrize(("user", "code"), [("kaitoweb", 403), ("viewer", 403), (None, 401)])
def test_knobs_are_the_administrators(sandbox, client, knobs, user, code):
    headers = sandbox.headers(user) if user else {"Authorization": "Bearer wrong"}
    answer = client.post("/_sandbox/reset", headers=headers)
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("fail", {"sttus": 500}, "unknown fields: sttus"),
        ("fail", [], "a knob takes a JSON object"),
        ("fail", {"when": "later"}, 'when must be "before" or "after"'),
        ("fail", {"match": {"verb": "get"}}, "unknown fields: verb"),
        (
            "fail",
            {"match": {"path": "["}},
            "path is no regular expression: unterminated character set at position 0",
        ),
        ("speed", {"speed": 0}, "speed must be greater than 0"),
    ],
)
def test_knob_refuses_what_it_does_not_know(client, knobs, path, body, words):
    answer = client.post(f"/_sandbox/{path}", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, words)


def test_unknown_knob_is_no_path(client, knobs):
    assert client.post("/_sandbox/explode").status_code == 404


def test_fail_answers_so_many_requests_that_match(client, knobs):
    knobs.fail(
        429,
        reason="TooManyRequests",
        message="slow down",
        headers={"Retry-After": "3"},
        details={"retryAfterSeconds": 3},
        match={"method": "POST", "path": "configmaps"},
        times=1,
    )
    assert client.get(MAPS).status_code == 200
    refused = make(client, "a")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert refused.json()["details"] == {"retryAfterSeconds": 3}
    assert make(client, "a").status_code == 201


def test_fail_after_acts_and_answers_so(client, knobs):
    knobs.fail(504, reason="Timeout", match={"method": "POST"}, times=1, when="after")
    assert make(client, "acted").status_code == 504
    assert client.get(f"{MAPS}/acted").status_code == 200


def test_fail_speaks_as_a_proxy(client, knobs):
    knobs.fail(502, body="<html>Bad gateway</html>", match={"path": "configmaps"}, times=1)
    answer = client.get(MAPS)
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (
        502,
        "text/html; charset=utf-8",
        "<html>Bad gateway</html>",
    )


def test_fail_hits_each_so_many_th(client, knobs):
    knobs.fail(500, match={"path": "configmaps"}, every=3)
    assert [client.get(MAPS).status_code for _ in range(6)] == [200, 200, 500] * 2


def test_fail_hits_one_user_only(sandbox, client, knobs):
    knobs.fail(403, match={"user": "sandbox-viewer"})
    viewer = client.get(MAPS, headers=sandbox.headers("viewer")).status_code
    assert (viewer, client.get(MAPS).status_code) == (403, 200)


def test_delay_makes_wait(client, knobs):
    knobs.delay(0.2, match={"path": "configmaps"}, times=1)
    began = time.monotonic()
    client.get(MAPS)
    assert time.monotonic() - began >= 0.2


def test_cut_ends_open_answers(follow, knobs, client):
    watch = follow()
    assert knobs.cut(match=WATCHES) == 1
    assert watch.is_over.wait(3)
    assert isinstance(watch.error, httpx.RemoteProtocolError | httpx.ReadError)
    assert client.get(MAPS).status_code == 200


def test_cut_breaks_an_answer_after_so_many_bytes(client, knobs):
    make(client, "a", text="x" * 100)
    knobs.cut(match={"path": "configmaps"}, after_bytes=50, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(MAPS)
    assert client.get(MAPS).status_code == 200


@pytest.mark.parametrize("mid_chunk", [True, False])
def test_cut_breaks_a_watch_after_so_many_bytes(follow, client, knobs, mid_chunk):
    knobs.cut(match=WATCHES, after_bytes=40, mid_chunk=mid_chunk, times=1)
    watch = follow()
    make(client, "a")
    assert watch.is_over.wait(3)
    assert (len(watch.raw), type(watch.error)) == (40, httpx.RemoteProtocolError)


def test_frozen_watch_is_silent_until_a_reset(follow, client, knobs):
    watch = follow()
    assert knobs.freeze(match=WATCHES) == 1
    make(client, "a")
    time.sleep(0.05)
    assert watch.raw == b""
    knobs.reset()
    assert watch.names(1) == [("ADDED", "a")]


def test_frozen_server_does_not_act(client, knobs):
    knobs.freeze(match={"method": "POST"})
    with pytest.raises(httpx.ReadTimeout):
        client.post(MAPS, json={"metadata": {"name": "late"}}, timeout=0.1)
    knobs.reset()
    assert client.get(f"{MAPS}/late").status_code == 404


def test_freeze_silences_an_answer_after_so_many_bytes(client, knobs):
    make(client, "a", text="x" * 100)
    knobs.freeze(match={"path": "configmaps"}, after_bytes=50, times=1)
    with pytest.raises(httpx.ReadTimeout):
        client.get(MAPS, timeout=0.1)
    assert client.get(MAPS).status_code == 200


def test_compact_makes_old_versions_expire(follow, client, knobs):
    old = client.get(MAPS).json()["metadata"]["resourceVersion"]
    make(client, "a")
    knobs.compact()
    watch = follow(since=old)
    assert watch.is_over.wait(3)
    assert json.loads(watch.raw)["object"]["reason"] == "Expired"


def test_bookmarks_come_as_often_as_wanted(follow, knobs):
    knobs.bookmarks(period_s=0.02)
    watch = follow()
    assert watch.names(2)[:2] == [("BOOKMARK", "")] * 2


def test_bookmarks_can_be_left_out(follow, client, knobs):
    knobs.bookmarks(on=False, period_s=0.01)
    watch = follow()
    time.sleep(0.05)
    make(client, "a")
    assert watch.names(1) == [("ADDED", "a")]


def test_watch_drops_doubles_and_swaps_events(follow, client, knobs):
    watch = follow()
    assert knobs.watch(match=WATCHES, drop_next=1, reorder_next=1, duplicate_next=1) == 1
    for name in ("dropped", "late", "twice", "plain"):
        make(client, name)
    named = [("ADDED", name) for name in ("twice", "twice", "late", "plain")]
    assert watch.names(4) == named


def test_watch_splits_lines_into_chunks(follow, client, knobs):
    watch = follow()
    knobs.watch(split=7)
    make(client, "a")
    assert watch.names(1) == [("ADDED", "a")]
    assert watch.chunks > 1


def test_watch_gathers_lines_in_one_chunk(follow, client, knobs):
    watch = follow()
    knobs.watch(coalesce=3)
    for name in "abc":
        make(client, name)
    assert watch.names(3) == [("ADDED", name) for name in "abc"]
    assert watch.chunks == 1


def test_watch_takes_injected_bytes(follow, knobs):
    watch = follow()
    line = b'{"type":"PING","object":{"metadata":{}}}\n'
    assert knobs.inject(line) == 1
    assert watch.names(1) == [("PING", "")]


def test_speed_changes_the_pace(sandbox, knobs):
    knobs.speed(500)
    assert sandbox.cluster.clock.speed == 500
    knobs.reset()
    assert sandbox.cluster.clock.speed == 20


def test_requests_are_recorded_without_tokens(sandbox, client, knobs):
    client.post(
        f"{MAPS}?fieldManager=me",
        json={"metadata": {"name": "seen"}},
        headers={**sandbox.headers("admin"), "X-Mark": "7"},
    )
    (record,) = knobs.requests(method="POST")
    assert record["path"] == MAPS
    assert record["query"] == {"fieldManager": "me"}
    assert json.loads(record["body"]) == {"metadata": {"name": "seen"}}
    assert (record["user"], record["impersonated"], record["status"]) == ("sandbox-admin", "", 201)
    assert record["headers"]["x-mark"] == "7"
    assert sandbox.tokens["admin"] not in json.dumps(record)


def test_records_keep_no_secrets_and_no_more_than_a_part(client, knobs):
    path = "/api/v1/namespaces/default/secrets"
    client.post(path, json={"metadata": {"name": "s"}, "stringData": {"token": "canary"}})
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    client.post(reviews, json={"spec": {"token": "canary"}}).raise_for_status()
    make(client, "long", text="x" * 100_000)
    bodies = [record["body"] for record in knobs.requests(method="POST")]
    assert bodies[:2] == ["(withheld)"] * 2
    assert len(bodies[2]) == 16 * 1024


def test_recorded_requests_can_be_forgotten(client, knobs):
    client.get(MAPS)
    knobs.forget_requests()
    assert knobs.requests() == []
