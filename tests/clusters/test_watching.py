from __future__ import annotations

import json
import random
import threading
import time

import pytest

from clusters.gateway import Gateway
from clusters.payloads import identity
from clusters.targets import PODS
from clusters.watching import Alive, Gone, Listed, Seen, Stale, Timing, watch
from tests.clusters.scripted import (
    answers,
    bookmark,
    event,
    page,
    pod,
    refuses,
    scripted,
    silence,
    status,
    streams,
)

QUICK = Timing(
    watch_s=(7, 7),
    idle_s=0.2,
    backoff_s=0.01,
    longest_unheard_s=0.05,
    longest_s=0.05,
    denied_s=0.05,
    unauthorized_s=0.15,
    not_served_s=0.05,
    brief_s=0.05,
)
EMPTY = answers(200, page([], version="10"))
HOLD = streams(then="hold")


def collect(gateway, until, *, known=None, timing=QUICK):
    """Consume a watch until `until(events)`; Alive apart. Fails by its short list if that does not come in 3 s."""
    stop, events = threading.Event(), []
    guard = threading.Timer(3, stop.set)
    guard.start()
    for told in watch(gateway, PODS, stop=stop, known=known, timing=timing):
        if not isinstance(told, Alive):
            events.append(told)
        if until(events):
            stop.set()
    guard.cancel()
    return events


def last_is(kind):
    return lambda events: bool(events) and isinstance(events[-1], kind)


def after(count):
    return lambda events: len(events) >= count


def told(events):
    """Events in short: ("Seen", uid, version), ("Listed", uids), ("Stale", reason) …"""
    return [_short(e) for e in events]


def _short(e):
    if isinstance(e, Seen):
        return ("Seen", e.raw["metadata"]["uid"], e.raw["metadata"]["resourceVersion"])
    if isinstance(e, Gone):
        return ("Gone", e.uid)
    if isinstance(e, Listed):
        return ("Listed", sorted(e.uids), e.resource_version)
    return ("Stale", e.error.reason)


def test_watch_lists_in_pages_then_follows(server, gateway):
    server.script(
        "list",
        answers(200, page([pod(1)], version="10", cont="more")),
        answers(200, page([pod(2)], version="10")),
    )
    server.script(
        "watch", streams(event("MODIFIED", pod(1, 11)), event("DELETED", pod(2, 12)), then="hold")
    )

    events = collect(gateway, last_is(Gone))

    assert told(events) == [
        ("Seen", "uid-1", "1"),
        ("Seen", "uid-2", "2"),
        ("Listed", ["uid-1", "uid-2"], "10"),
        ("Seen", "uid-1", "11"),
        ("Gone", "uid-2"),
    ]
    assert [e.listed for e in events if isinstance(e, Seen)] == [True, True, False]
    assert [a.query for a in server.asked] == [
        {"labelSelector": "kaito.sh/workspace", "limit": "500"},
        {"labelSelector": "kaito.sh/workspace", "limit": "500", "continue": "more"},
        {
            "labelSelector": "kaito.sh/workspace",
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": "10",
            "timeoutSeconds": "7",
        },
    ]


def test_watch_names_the_kind_of_listed_objects(server, gateway):
    server.script("list", answers(200, page([pod(1)], version="10")))

    first = collect(gateway, after(1))[0]

    assert (first.raw["apiVersion"], first.raw["kind"]) == ("v1", "Pod")


def test_watch_does_not_tell_what_is_known(server, gateway):
    server.script("list", answers(200, page([pod(1), pod(2, 7)], version="10")))
    server.script("watch", HOLD)

    events = collect(gateway, last_is(Listed), known={"uid-1": "1", "uid-2": "2"})

    assert told(events) == [("Seen", "uid-2", "7"), ("Listed", ["uid-1", "uid-2"], "10")]


@pytest.mark.parametrize("answer", [{}, {"items": []}, {"metadata": [], "items": {}}])
def test_watch_takes_no_other_answer_for_an_empty_list(server, gateway, answer):
    server.script("list", answers(200, answer))

    events = collect(gateway, after(1), known={"uid-1": "1"})

    assert told(events)[0] == ("Stale", "NotAList")


def test_watch_passes_over_what_is_no_object(server, gateway):
    odd = [None, "x", [], {"metadata": "x"}, {"metadata": {"uid": 5}}]
    bottomless = {"x": json.loads("[" * 300 + "]" * 300)}
    server.script("list", answers(200, page([*odd, pod(1)], version="10")))
    server.script(
        "watch",
        streams(
            *(event("ADDED", {"metadata": {}}), event("ADDED", {}), b"[]\n", b"5\n", b"nonsense\n"),
            b'{"type": 5, "object": []}\n',
            event("ADDED", pod(2, 11, annotations=bottomless)),
            b'{"type": "ADDED", "object": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
            event("ADDED", pod(3, 12)),
            then="hold",
        ),
    )

    events = collect(gateway, lambda events: "uid-3" in uids(events))

    assert [uid for uid in uids(events) if uid.startswith("uid-")] == ["uid-1", "uid-2", "uid-3"]
    assert not [e for e in events if isinstance(e, Stale)]


def uids(events):
    return [identity(e.raw)[0] for e in events if isinstance(e, Seen)]


def test_watch_goes_on_where_it_was_after_a_clean_end(server, gateway):
    server.script("list", EMPTY)
    server.script(
        "watch",
        streams(event("ADDED", pod(1, 11)), bookmark(15), every_s=0.05),
        streams(event("ADDED", pod(2, 16)), then="hold"),
    )

    events = collect(gateway, after(3))

    assert told(events) == [("Listed", [], "10"), ("Seen", "uid-1", "11"), ("Seen", "uid-2", "16")]
    assert [a.query.get("resourceVersion") for a in server.asked] == [None, "10", "15"]


def test_watch_backs_off_when_each_watch_ends_at_once(server, gateway):
    server.script("list", EMPTY)
    server.script("watch", streams())

    events = collect(gateway, after(6))

    assert told(events)[1:] == [("Stale", "ClosedAtOnce")] * 5
    assert [server.count("list"), server.count("watch")] == [1, 5]
    assert all(e.retry_in_s >= 0.01 for e in events[1:])


def test_watch_drops_half_a_line_and_resumes_after_a_cut(server, gateway):
    server.script("list", EMPTY)
    server.script(
        "watch",
        streams(event("ADDED", pod(1, 11)), every_s=0.06, then="cut"),
        streams(event("ADDED", pod(2, 12)), then="hold"),
    )

    events = collect(gateway, after(3))

    assert told(events) == [("Listed", [], "10"), ("Seen", "uid-1", "11"), ("Seen", "uid-2", "12")]
    assert server.asked[-1].query["resourceVersion"] == "11"


def test_watch_notices_silence_and_resumes(server, gateway):
    server.script("list", EMPTY)
    server.script(
        "watch",
        streams(bookmark(14), then="hold"),
        streams(event("ADDED", pod(1, 15)), then="hold"),
    )

    events = collect(gateway, after(2))

    assert told(events) == [("Listed", [], "10"), ("Seen", "uid-1", "15")]
    assert [a.query.get("resourceVersion") for a in server.asked] == [None, "10", "14"]


@pytest.mark.parametrize(
    "expired",
    [
        streams(event("ERROR", status(410, "Expired", "too old resource version: 10 (20)"))),
        refuses(410, "Expired", message="too old resource version"),
        streams(
            event(
                "ERROR",
                status(
                    504,
                    "Timeout",
                    "Too large resource version",
                    causes=[{"reason": "ResourceVersionTooLarge"}],
                ),
            )
        ),
    ],
    ids=["in the stream", "on connect", "too large"],
)
def test_watch_lists_anew_when_its_version_is_no_use(server, gateway, expired):
    server.script(
        "list",
        answers(200, page([pod(1), pod(2)], version="10")),
        answers(200, page([pod(2)], version="20")),
    )
    server.script("watch", expired, HOLD)

    events = collect(gateway, after(4))

    assert told(events)[2:] == [("Listed", ["uid-1", "uid-2"], "10"), ("Listed", ["uid-2"], "20")]
    assert [a.query.get("resourceVersion") for a in server.asked][:3] == [None, "10", None]


def test_watch_does_not_spin_when_fresh_versions_expire_too(server, gateway):
    server.script("list", EMPTY)
    server.script("watch", refuses(410, "Expired"))

    events = collect(gateway, after(5))

    assert told(events) == [("Listed", [], "10")] * 2 + [
        ("Stale", "Expired"),
        ("Listed", [], "10"),
        ("Stale", "Expired"),
    ]


def test_watch_begins_the_list_again_when_a_page_expires(server, gateway):
    server.script(
        "list",
        answers(200, page([pod(1)], version="10", cont="old")),
        refuses(410, "Expired"),
        answers(200, page([pod(2)], version="20")),
    )
    server.script("watch", HOLD)

    events = collect(gateway, last_is(Listed))

    assert told(events)[-1] == ("Listed", ["uid-2"], "20")


def test_watch_gives_up_pages_when_they_expire_again_and_again(server, gateway):
    first = answers(200, page([pod(1)], version="10", cont="old"))
    server.script(
        "list", *[first, refuses(410, "Expired")] * 3, answers(200, page([pod(1)], version="20"))
    )
    server.script("watch", HOLD)

    events = collect(gateway, last_is(Listed))

    assert told(events)[-1] == ("Listed", ["uid-1"], "20")
    assert [a.query.get("limit") for a in server.asked if a.kind == "list"][-1] is None


def test_watch_tells_no_listing_when_a_page_fails(server, gateway):
    server.script(
        "list",
        answers(200, page([pod(1)], version="10", cont="more")),
        refuses(500, "InternalError"),
        answers(200, page([pod(1)], version="12")),
    )
    server.script("watch", HOLD)

    events = collect(gateway, last_is(Listed))

    assert told(events) == [
        ("Seen", "uid-1", "1"),
        ("Stale", "InternalError"),
        ("Seen", "uid-1", "1"),
        ("Listed", ["uid-1"], "12"),
    ]


def test_watch_tells_a_recreated_object_as_another(server, gateway):
    again = {**pod(2, 12)}
    again["metadata"]["name"] = "pod-1"
    server.script("list", answers(200, page([pod(1)], version="10")))
    server.script(
        "watch", streams(event("DELETED", pod(1, 11)), event("ADDED", again), then="hold")
    )

    events = collect(gateway, after(4))

    assert told(events)[2:] == [("Gone", "uid-1"), ("Seen", "uid-2", "12")]


def test_watch_drops_replays_and_late_events(server, gateway):
    lines = [
        event("MODIFIED", pod(1, 12)),
        event("MODIFIED", pod(1, 11)),
        event("MODIFIED", pod(1, 12)),
        event("DELETED", pod(1, 13)),
        event("MODIFIED", pod(1, 12)),
        event("DELETED", pod(1, 13)),
        event("ADDED", pod(1, 100)),
    ]
    server.script("list", answers(200, page([pod(1, 9)], version="10")))
    server.script("watch", streams(*lines, then="hold"))

    events = collect(gateway, after(5))

    assert told(events)[2:] == [
        ("Seen", "uid-1", "12"),
        ("Gone", "uid-1"),
        ("Seen", "uid-1", "100"),
    ]


def test_watch_accepts_lower_versions_from_a_list(server, gateway):
    """A cluster restored from a backup counts from where the backup was."""
    server.script(
        "list",
        answers(200, page([pod(1, 50)], version="50")),
        answers(200, page([pod(1, 7)], version="8")),
    )
    server.script(
        "watch", refuses(410, "Expired"), streams(event("MODIFIED", pod(1, 9)), then="hold")
    )

    events = collect(gateway, after(5))

    assert told(events)[2:] == [
        ("Seen", "uid-1", "7"),
        ("Listed", ["uid-1"], "8"),
        ("Seen", "uid-1", "9"),
    ]


def test_watch_survives_lines_and_kinds_that_it_does_not_know(server, gateway):
    odd = [
        b"not json\n",
        b"\n",
        b"[]\n",
        b'{"type":"ADDED","object":7}\n',
        event("PING", pod(3, 11)),
        event("ADDED", {"metadata": {}}),
    ]
    server.script("list", EMPTY)
    server.script("watch", streams(*odd, event("ADDED", pod(1, 12)), then="hold"))

    events = collect(gateway, after(2))

    assert told(events)[1:] == [("Seen", "uid-1", "12")]


def test_watch_reads_odd_text_and_bad_utf8(server, gateway):
    odd = event("ADDED", pod(1, 11, labels={"a": "x\u0085y\u2028z"}))
    bad = event("ADDED", pod(2, 12, labels={"a": "BAD"})).replace(b"BAD", b"\xff\xfe")
    whole = odd + bad
    split = [whole[:70], whole[70:71], whole[71:]]
    server.script("list", EMPTY)
    server.script("watch", streams(*split, then="hold"))

    events = collect(gateway, after(3))

    assert [e.raw["metadata"]["labels"]["a"] for e in events[1:]] == [
        "x\u0085y\u2028z",
        "\ufffd\ufffd",
    ]


def test_watch_reads_a_huge_chunk_in_linear_time(server, gateway):
    count = 3000
    lines = b"".join(
        event("ADDED", pod(n, 100 + n, annotations={"x": "y" * 1000})) for n in range(count)
    )
    server.script("list", EMPTY)
    server.script("watch", streams(lines, then="hold"))
    began = time.process_time()

    events = collect(gateway, after(count + 1))

    assert len(events) == count + 1
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    ("answer", "reason", "floor"),
    [
        (refuses(429, "TooManyRequests", headers=["Retry-After: 0.2"]), "TooManyRequests", 0.2),
        (refuses(503, "ServiceUnavailable", retryAfterSeconds=0.2), "ServiceUnavailable", 0.2),
        (refuses(500, "InternalError"), "InternalError", 0.01),
        (answers(502, b"<html><h1>Bad gateway</h1></html>"), "HTTP502", 0.01),
        (refuses(403, "Forbidden"), "Forbidden", 0.05),
        (answers(404, b"404 page not found\n"), "NotServed", 0.05),
        (refuses(401, "Unauthorized"), "Unauthorized", 0.01),
        (answers(302, b"", headers=["Location: /login"]), "Redirected", 0.01),
        (answers(200, b"<html>Sign in</html>"), "HTTP502", 0.01),
    ],
)
def test_watch_tells_why_it_cannot_list_and_recovers(server, gateway, answer, reason, floor):
    server.script("list", answer, EMPTY)
    server.script("watch", HOLD)

    events = collect(gateway, last_is(Listed))

    assert told(events) == [("Stale", reason), ("Listed", [], "10")]
    assert floor <= events[0].retry_in_s < 0.5


def test_watch_slows_down_after_a_second_rejection(server, gateway):
    server.script("list", refuses(401, "Unauthorized"))

    events = collect(gateway, after(3))

    assert events[0].retry_in_s < 0.1
    assert [e.retry_in_s for e in events[1:]] == [0.15, 0.15]


def test_watch_keeps_its_version_over_a_failure(server, gateway):
    server.script("list", EMPTY)
    server.script(
        "watch", refuses(500, "InternalError"), streams(event("ADDED", pod(1, 11)), then="hold")
    )

    events = collect(gateway, after(3))

    assert told(events)[1:] == [("Stale", "InternalError"), ("Seen", "uid-1", "11")]
    assert server.count("list") == 1


def test_watch_reconnects_to_a_server_that_was_away():
    with scripted() as server:
        gateway = Gateway(server.cluster())
    events = collect(gateway, after(2))
    gateway.close()

    assert told(events) == [("Stale", "Refused")] * 2


def test_watch_backs_off_further_while_nobody_answers(server, gateway, monkeypatch):
    monkeypatch.setattr(random, "random", lambda: 0.0)
    server.script("list", refuses(500, "InternalError"))
    timing = Timing(backoff_s=0.01, longest_s=0.04)

    events = collect(gateway, after(5), timing=timing)

    assert [e.retry_in_s for e in events] == [0.01, 0.02, 0.02, 0.02, 0.02]


def test_watch_forgets_failures_after_a_healthy_time(server, gateway, monkeypatch):
    monkeypatch.setattr(random, "random", lambda: 0.0)
    server.script("list", refuses(500, "InternalError"), refuses(500, "InternalError"), EMPTY)
    server.script("watch", streams(bookmark(11), every_s=0.3), refuses(500, "InternalError"))
    timing = Timing(backoff_s=0.01, brief_s=0.05, healthy_s=0.25)

    events = collect(gateway, after(4), timing=timing)

    assert [e.retry_in_s for e in events if isinstance(e, Stale)] == [0.01, 0.02, 0.01]


def test_watch_lists_again_from_time_to_time(server, gateway):
    server.script("list", EMPTY)
    server.script("watch", streams(bookmark(11), every_s=0.08))
    timing = Timing(reconcile_s=(0.1, 0.1), brief_s=0.05)

    events = collect(gateway, after(3), timing=timing)

    assert told(events) == [("Listed", [], "10")] * 3


def test_watch_tells_that_it_is_alive_at_most_once_a_second(server, gateway):
    server.script("list", EMPTY)
    server.script(
        "watch",
        streams(*[bookmark(n) for n in range(11, 40)], event("ADDED", pod(1, 50)), then="hold"),
    )
    stop, alive = threading.Event(), 0

    for told_now in watch(gateway, PODS, stop=stop, timing=QUICK):
        alive += isinstance(told_now, Alive)
        if isinstance(told_now, Seen):
            stop.set()

    assert alive == 1


@pytest.mark.parametrize(
    ("listing", "watching"),
    [(EMPTY, HOLD), (EMPTY, silence()), (silence(), HOLD)],
    ids=["in a stream", "before its head", "in a list"],
)
def test_watch_stops_while_it_waits_for_the_server(server, gateway, listing, watching):
    server.script("list", listing)
    server.script("watch", watching)
    stop = threading.Event()
    events = []
    thread = threading.Thread(target=lambda: events.extend(watch(gateway, PODS, stop=stop)))
    thread.start()
    time.sleep(0.3)

    stop.set()
    thread.join(2)

    assert not thread.is_alive()
    assert not [e for e in events if isinstance(e, Stale)]


def test_watch_stops_in_the_middle_of_a_pause(server, gateway):
    server.script("list", refuses(403, "Forbidden"))
    stop = threading.Event()
    thread = threading.Thread(target=lambda: list(watch(gateway, PODS, stop=stop)))
    thread.start()
    time.sleep(0.2)

    stop.set()
    thread.join(1)

    assert not thread.is_alive()
