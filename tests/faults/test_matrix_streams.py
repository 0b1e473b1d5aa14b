"""The failure matrix of the watch, rows about the stream itself: its ends, its silence, and what stands in it."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from tests.faults import matrix
from tests.faults.matrix import QUICK, follow, settled, wait_for
from tests.knobs import WORKSPACE_WATCHES

pytestmark = matrix.MARKS


def test_row01_watch_closed_at_once_a_hundred_times(ground):
    """No hot loop, no list, and the version is kept."""
    ground.create("a")
    timing = replace(QUICK, backoff_s=0.004, longest_unheard_s=0.008)
    ground.knobs.fail(200, body="\n", match=WORKSPACE_WATCHES, times=100)
    began = time.monotonic()
    with follow(ground, timing=timing) as follower:
        follower.wait_for(lambda: len(ground.watches()) > 100)
        elapsed = time.monotonic() - began
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert {s.error.reason for s in follower.stale} == {"ClosedAtOnce"}
    assert len(set(ground.watches()[:100])) == 1
    assert len(follower.stale) <= elapsed / 0.004 + 1
    assert ground.lists() == 1


def test_row02_half_open_socket_is_left_for_another(ground):
    ground.create("a")
    with follow(ground) as follower:
        settled(ground, follower)
        ground.knobs.freeze(match=WORKSPACE_WATCHES)
        ground.create("b")
        follower.wait_for(lambda: len(ground.watches()) > 1)
        ground.knobs.reset()
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert ground.lists() == 1
    assert len(set(ground.watches())) == 1


@pytest.mark.parametrize("mid_chunk", [True, False])
@pytest.mark.parametrize("where", ["in the text", "in a character"])
def test_row03_cut_in_the_middle(ground, mid_chunk, where):
    ground.create("a", word="café")
    line = b'{"type":"ADDED","object":' + ground.encoded("a")
    ground.delete("a")
    sent = line.index("é".encode()) + 1 if where == "in a character" else 100
    with follow(ground) as follower:
        ground.knobs.cut(match=WORKSPACE_WATCHES, after_bytes=sent, mid_chunk=mid_chunk, times=1)
        settled(ground, follower)
        ground.create("a", word="café")
        follower.wait_for(lambda: follower.rows == ground.objects())
        wait_for(lambda: len(ground.watches()) > 1)
    assert ground.lists() == 1
    assert {s.error.status for s in follower.stale} <= {0}
    assert list(follower.raws.values())[0]["metadata"]["labels"] == {"word": "café"}


def test_row08_bookmarks_alone_move_the_version(ground):
    """No relist; and the version is fresh enough to go on with after all others are forgotten."""
    ground.create("a")
    ground.knobs.bookmarks(period_s=0.02)
    with follow(ground) as follower:
        settled(ground, follower)
        first = ground.watches()[0]
        ground.create_others()
        time.sleep(0.4)  # longer than silence may be
        assert len(ground.watches()) == 1
        ground.knobs.compact()
        ground.knobs.cut(match=WORKSPACE_WATCHES)
        wait_for(lambda: len(ground.watches()) > 1)
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert int(ground.watches()[1]) > int(first)
    assert (ground.lists(), follower.stale) == (1, [])


def test_row09_server_without_bookmarks(ground):
    ground.create("a")
    ground.knobs.bookmarks(on=False)
    began = time.monotonic()
    with follow(ground) as follower:
        settled(ground, follower)
        wait_for(lambda: len(ground.watches()) >= 3)
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert len(set(ground.watches()[:3])) == 1
    assert len(ground.watches()) <= (time.monotonic() - began) / QUICK.idle_s + 2
    assert (ground.lists(), follower.stale) == (1, [])


def test_row15_doubled_swapped_and_replayed_events(ground):
    ground.create("a", "b")
    with follow(ground) as follower:
        settled(ground, follower)
        ground.knobs.watch(match=WORKSPACE_WATCHES, duplicate_next=2, reorder_next=1)
        for number in range(4):
            ground.change("a", number=str(number))
        ground.delete("b")
        ground.create("c")
        follower.wait_for(lambda: follower.rows == ground.objects())
        old = {"uid": ground.uid("a"), "resourceVersion": "3"}
        ground.knobs.inject(_line("MODIFIED", old), match=WORKSPACE_WATCHES)
        ground.change("a", number="last")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert follower.steps_back == []


def _line(kind, metadata):
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


def test_row16_huge_line(ground):
    with follow(ground) as follower:
        settled(ground, follower)
        ground.create("a")
        ground.change("a", huge="x" * 2_000_000)
        follower.wait_for(lambda: follower.rows == ground.objects())
        assert len(next(iter(follower.raws.values()))["metadata"]["labels"]["huge"]) == 2_000_000


def test_row16_five_thousand_events_in_one_piece(ground):
    lines = [
        _line("ADDED", {"uid": f"u{n}", "resourceVersion": str(10**6 + n)}) for n in range(5000)
    ]
    with follow(ground) as follower:
        settled(ground, follower)
        began = time.process_time()
        ground.knobs.inject(b"".join(lines), match=WORKSPACE_WATCHES)
        follower.wait_for(lambda: len(follower.rows) == 5000)
        spent = time.process_time() - began
    assert spent < 3


def test_row16_odd_characters(ground):
    words = '"x\u0085y\u2028z BAD"'.encode().replace(b"BAD", b"\xff\xfe")
    metadata = b'{"uid":"u","resourceVersion":"1000000","labels":{"a":%s}}' % words
    with follow(ground) as follower:
        settled(ground, follower)
        ground.knobs.inject(
            b'{"type":"ADDED","object":{"metadata":%s}}\n' % metadata, match=WORKSPACE_WATCHES
        )
        follower.wait_for(lambda: "u" in follower.raws)
    assert follower.raws["u"]["metadata"]["labels"]["a"] == "x\u0085y\u2028z \ufffd\ufffd"


def test_row17_nothing_is_asked_for_compressed(ground):
    with follow(ground) as follower:
        settled(ground, follower)
    encodings = {r["headers"]["accept-encoding"] for r in ground.knobs.requests()[1:]} - {
        "gzip, deflate",  # the knobs' own client
    }
    asked = ground.knobs.requests(user="system:serviceaccount:kaitoweb:kaitoweb")
    assert {r["headers"]["accept-encoding"] for r in asked} == {"identity"}
    assert encodings == {"identity"}


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"PING","object":{"metadata":{"uid":"p","resourceVersion":"9"}}}\n',
        b'{"type":"ERROR","object":{"kind":"Status","message":"odd"}}\n',
        b'{"type":"ERROR"}\n',
        b'{"type":"ADDED"}\n',
        b"nonsense\n\n[]\n7\n",
    ],
)
def test_row23_unknown_events_and_errors_without_code(ground, line):
    ground.create("a")
    with follow(ground) as follower:
        settled(ground, follower)
        for _ in range(5):
            ground.knobs.inject(line, match=WORKSPACE_WATCHES)
            time.sleep(0.02)
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
        assert len(ground.watches()) <= 7
    assert ground.lists() == 1
