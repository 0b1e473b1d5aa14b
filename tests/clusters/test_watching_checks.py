"""The reflector where a watch loses events, is not allowed, or cannot be opened; and its pauses."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import replace

import pytest

from clusters.errors import Denied, NotFound, Unreachable
from clusters.targets import EVENTS, PODS
from clusters.watching import Alive, Bell, Listed, Seen, Stale, Timing, poll, watch
from clusters.watching.timing import Backoff
from tests.clusters.scripted import (
    answers,
    bookmark,
    event,
    page,
    pod,
    refuses,
    streams,
)
from tests.clusters.test_watching import EMPTY, HOLD, after, collect, told

CHECKING = Timing(check_s=(0.0, 0.0), brief_s=0.01, backoff_s=0.01, idle_s=5)
BRIEF = streams(bookmark(10), every_s=0.02)


def checks(server):
    return [a for a in server.asked if a.kind == "check"]


def test_check_compares_metadata_at_the_watchs_own_version(server, gateway):
    server.script("list", answers(200, page([pod(1)], version="10")))
    server.script("check", answers(200, page([pod(1)], version="10")))
    server.script("watch", BRIEF, streams(event("ADDED", pod(2, 11)), then="hold"))

    events = collect(gateway, after(3), timing=CHECKING)

    assert told(events)[1:] == [("Listed", ["uid-1"], "10"), ("Seen", "uid-2", "11")]
    assert server.count("list") == 1
    assert checks(server)[0].query == {
        "labelSelector": "kaito.sh/workspace",
        "limit": "500",
        "resourceVersion": "10",
        "resourceVersionMatch": "Exact",
    }


@pytest.mark.parametrize(
    "there",
    [
        [pod(1), pod(2)],
        [],
        [pod(1, 9)],
    ],
    ids=["an object was missed", "a deletion was missed", "a change was missed"],
)
def test_check_lists_anew_when_something_was_missed(server, gateway, there):
    server.script(
        "list", answers(200, page([pod(1)], version="10")), answers(200, page(there, version="10"))
    )
    server.script("check", answers(200, page(there, version="10")))
    server.script("watch", BRIEF, HOLD)

    events = collect(gateway, lambda events: len(listings(events)) == 2, timing=CHECKING)

    assert sorted(events[-1].uids) == sorted(p["metadata"]["uid"] for p in there)
    assert not [e for e in events if isinstance(e, Stale)]


def listings(events):
    return [e for e in events if isinstance(e, Listed)]


def test_check_reads_all_pages(server, gateway):
    server.script("list", answers(200, page([pod(1), pod(2)], version="10")))
    server.script(
        "check",
        answers(200, page([pod(1)], version="10", cont="more")),
        answers(200, page([pod(2)], version="10")),
    )
    server.script("watch", BRIEF, streams(event("ADDED", pod(3, 11)), then="hold"))

    collect(gateway, after(4), timing=CHECKING)

    assert server.count("list") == 1
    assert checks(server)[1].query == {
        "labelSelector": "kaito.sh/workspace",
        "limit": "500",
        "continue": "more",
    }


def test_check_at_a_forgotten_version_becomes_a_list(server, gateway):
    server.script("list", EMPTY)
    server.script("check", refuses(410, "Expired"))
    server.script("watch", BRIEF, HOLD)

    events = collect(gateway, after(2), timing=CHECKING)

    assert told(events) == [("Listed", [], "10")] * 2


def test_check_that_fails_is_told(server, gateway):
    server.script("list", EMPTY)
    server.script("check", refuses(500, "InternalError"))
    server.script("watch", BRIEF)

    events = collect(gateway, after(2), timing=CHECKING)

    assert told(events) == [("Listed", [], "10"), ("Stale", "InternalError")]


def test_check_leaves_events_alone(server, gateway):
    server.script("list", EMPTY)
    told_each = [streams(event("ADDED", pod(n, 10 + n)), every_s=0.02) for n in range(1, 4)]
    server.script("watch", *told_each)
    stop = threading.Event()

    for _ in watch(gateway, EVENTS, stop=stop, timing=CHECKING):
        if server.count("watch") > 2:
            stop.set()

    assert checks(server) == []


def test_watch_polls_where_watching_is_denied_until_it_is_allowed(server, gateway):
    server.script("list", EMPTY, EMPTY, answers(200, page([pod(1)], version="12")))
    server.script(
        "watch", refuses(403, "Forbidden"), streams(event("ADDED", pod(2, 13)), then="hold")
    )
    timing = Timing(poll_s=(0.05, 0.05), rewatch_s=0.2)

    events = collect(gateway, lambda e: told(e)[-1:] == [("Seen", "uid-2", "13")], timing=timing)

    assert not [e for e in events if isinstance(e, Stale)]
    assert told(events)[:3] == [("Listed", [], "10")] * 2 + [("Seen", "uid-1", "1")]
    assert server.count("watch") == 2
    assert 3 <= server.count("list") <= 8


def test_polling_is_told(server, gateway):
    server.script("list", EMPTY)
    server.script("watch", refuses(403, "Forbidden"), HOLD)
    stop, polling = threading.Event(), []
    timing = Timing(poll_s=(0.05, 0.05), rewatch_s=0.2)

    for told_now in watch(gateway, PODS, stop=stop, timing=timing):
        if isinstance(told_now, Alive):
            polling.append(told_now.polling)
            if polling[-3:] == [False, True, False]:
                stop.set()

    assert polling == [False, True, False]


def test_watch_that_cannot_be_opened_is_told_although_it_took_long(server, gateway):
    async def late(writer):
        await asyncio.sleep(0.2)
        return False

    server.script("list", EMPTY)
    server.script("watch", late)

    events = collect(gateway, after(2), timing=Timing(brief_s=0.05, backoff_s=0.01))

    assert told(events) == [("Listed", [], "10"), ("Stale", "Interrupted")]


def test_watch_lists_anew_when_the_kind_is_back(server, gateway):
    server.script("list", EMPTY, answers(200, page([pod(1)], version="3")))
    server.script("watch", answers(404, b"404 page not found\n"), HOLD)

    events = collect(gateway, after(4))

    assert told(events) == [
        ("Listed", [], "10"),
        ("Stale", "NotServed"),
        ("Seen", "uid-1", "1"),
        ("Listed", ["uid-1"], "3"),
    ]


@pytest.mark.parametrize(
    ("refusal", "wakes"),
    [
        (refuses(403, "Forbidden"), True),
        (refuses(500, "InternalError"), True),
        (refuses(503, "ServiceUnavailable", headers=["Retry-After: 60"]), False),
    ],
)
def test_bell_ends_a_pause_unless_the_server_asked_for_it(server, gateway, refusal, wakes):
    server.script("list", refusal, EMPTY)
    server.script("watch", HOLD)
    bell, stop = Bell(), threading.Event()
    timing = Timing(denied_s=60, backoff_s=60, longest_s=60)
    guard = threading.Timer(3 if wakes else 0.6, stop.set)
    guard.start()
    events = []

    for told_now in watch(gateway, PODS, stop=stop, timing=timing, bell=bell):
        if isinstance(told_now, Stale):
            threading.Timer(0.05, bell.ring).start()
        if isinstance(told_now, Listed):
            stop.set()
        events.append(told_now)
    guard.cancel()

    assert any(isinstance(e, Listed) for e in events) == wakes


def test_poll_lists_each_target_in_turn(server, gateway):
    server.script("list", EMPTY)
    targets = [replaced(name) for name in "abc"]
    stop, seen = threading.Event(), []

    for told_now in poll(gateway, targets, stop=stop, timing=Timing(turn_s=0.06)):
        if isinstance(told_now, Listed):
            seen.append(told_now.namespace)
            if len(seen) == 6:
                stop.set()

    assert seen == ["a", "b", "c"] * 2
    assert server.count("watch") == 0


def replaced(namespace):
    return replace(PODS, namespace=namespace)


def test_poll_goes_on_when_one_is_denied(server, gateway):
    server.script("list", refuses(403, "Forbidden"), answers(200, page([pod(1)], version="10")))
    targets = [replaced("a"), replaced("b")]
    stop, events = threading.Event(), []

    for told_now in poll(gateway, targets, stop=stop, timing=Timing(turn_s=0.06)):
        events.append(told_now)
        if isinstance(told_now, Listed):
            stop.set()

    kinds = [type(e) for e in events if not isinstance(e, Alive)]
    assert kinds == [Stale, Seen, Listed]


@pytest.mark.parametrize("asked", [0.5, 2, 30])
def test_delay_is_what_the_server_asks_for(asked):
    error = Unreachable("TooManyRequests", "Slow down.", 429, retry_after_s=asked)
    delays = [Backoff(Timing(backoff_s=0.1)).delay(error) for _ in range(50)]
    assert asked <= min(delays) <= max(delays) <= asked * 1.1


def test_delay_never_exceeds_its_cap():
    backoff = Backoff(Timing())
    unheard = [backoff.delay(Unreachable("Refused", "No.")) for _ in range(30)]
    assert max(unheard) <= 5
    assert unheard[0] <= 1.6


@pytest.mark.parametrize(
    ("error", "delays"),
    [
        (Denied("Forbidden", "No.", 403), [30, 30]),
        (NotFound("NotServed", "No.", 404), [60, 60]),
    ],
)
def test_delay_is_even_where_only_a_person_can_help(error, delays):
    backoff = Backoff(Timing())
    assert [backoff.delay(error), backoff.delay(error)] == delays


def test_delay_after_a_second_rejection_is_long(monkeypatch):
    monkeypatch.setattr(random, "random", lambda: 0.0)
    backoff, error = Backoff(Timing()), Denied("Unauthorized", "No.", 401)
    first, second = backoff.delay(error), backoff.delay(error)
    backoff.accepted()
    assert (first, second, backoff.delay(error)) == (0.8, 60, 0.8 * 4)


def test_silent_watch_is_noticed_within_35_seconds():
    """The server ends a watch before the limit of silence, so a quiet one is never taken for a dead one."""
    timing = Timing()
    assert timing.watch_s[1] + 4 <= timing.idle_s <= 35


def test_missed_event_is_noticed_within_a_minute():
    timing = Timing()
    assert timing.check_s[1] + timing.watch_s[1] < 60


def test_bookmark_of_the_past_means_a_restored_cluster(server, gateway):
    server.script(
        "list", answers(200, page([], version="50")), answers(200, page([pod(1)], version="8"))
    )
    server.script(
        "watch",
        streams(bookmark(7), then="hold"),
        streams(event("MODIFIED", pod(1, 9)), then="hold"),
    )

    events = collect(gateway, after(4))

    assert told(events)[1:] == [
        ("Seen", "uid-1", "1"),
        ("Listed", ["uid-1"], "8"),
        ("Seen", "uid-1", "9"),
    ]


def test_comparison_notices_a_restored_cluster_too(server, gateway):
    server.script("list", EMPTY)
    causes = [{"reason": "ResourceVersionTooLarge"}]
    server.script("check", refuses(504, "Timeout", causes=causes))
    server.script("watch", streams(b"\n", every_s=0.02), HOLD)

    events = collect(gateway, after(2), timing=CHECKING)

    assert told(events) == [("Listed", [], "10")] * 2
