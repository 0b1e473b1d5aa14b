"""The failure matrix of the watch, rows about refusals: what the cluster, or what stands before it, answers instead."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from sandbox.certificates import new_certificate
from tests.faults import matrix
from tests.faults.matrix import QUICK, follow, settled, wait_for
from tests.knobs import WORKSPACE_WATCHES

WORKSPACES = {"path": "/workspaces"}


pytestmark = matrix.MARKS


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ({"status": 429, "reason": "TooManyRequests", "headers": {"Retry-After": "0.3"}}, "TooManyRequests"),
        ({"status": 503, "reason": "ServiceUnavailable", "headers": {"Retry-After": "0.3"}}, "ServiceUnavailable"),
        ({"status": 500, "reason": "InternalError"}, "InternalError"),
        ({"status": 502, "body": "<html><h1>Bad Gateway</h1></html>"}, "HTTP502"),
    ],
)  # fmt: skip
def test_row10_server_answers_with_an_error(ground, failure, reason):
    """The cause is told, no try comes before its time, and then all is level again."""
    ground.create("a")
    ground.knobs.fail(match=WORKSPACES, times=1, **failure)
    with follow(ground) as follower:
        settled(ground, follower)
    (stale,) = follower.stale
    assert stale.error.reason == reason
    asked = float(failure.get("headers", {}).get("Retry-After", 0))
    assert stale.retry_in_s <= 1.1 * asked or not asked
    failed, again = (r["at"] for r in ground.knobs.requests(path="/apis/kaito.sh")[:2])
    assert again - failed >= max(asked, QUICK.backoff_s)


def test_row10_connection_refused(ground):
    ground.create("a")
    with follow(ground) as follower:
        settled(ground, follower)
        with ground.away():
            wait_for(lambda: len(follower.stale) >= 3)
            ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert {s.error.reason for s in follower.stale[1:]} == {"Refused"}
    assert all(QUICK.backoff_s <= s.retry_in_s for s in follower.stale)
    assert (ground.lists(), follower.fewest) == (1, 1)


def test_row10_name_unknown(ground, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with follow(ground) as follower:
        wait_for(lambda: len(follower.stale) >= 2)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        settled(ground, follower)
    assert {s.error.reason for s in follower.stale} == {"NameUnknown"}


def test_row10_certificate_of_another(ground):
    stranger = ground.cluster(ca_pem=new_certificate().authority_pem)
    with follow(ground, cluster=stranger) as follower:
        wait_for(lambda: len(follower.stale) >= 2)
    assert {s.error.reason for s in follower.stale} == {"Certificate"}


def test_row11_rejected_once(ground):
    """A token that was being renewed: the second try comes soon."""
    ground.create("a")
    ground.knobs.fail(401, reason="Unauthorized", match=WORKSPACES, times=1)
    with follow(ground, timing=replace(QUICK, unauthorized_s=60)) as follower:
        settled(ground, follower)
    assert [s.error.reason for s in follower.stale] == ["Unauthorized"]


def test_row11_rejected_for_ever(ground):
    """Then rarely, and what is known stays."""
    ground.create("a")
    with follow(ground, timing=replace(QUICK, unauthorized_s=0.3)) as follower:
        settled(ground, follower)
        ground.knobs.fail(401, reason="Unauthorized", match=WORKSPACES)
        ground.knobs.cut(match=WORKSPACE_WATCHES)
        wait_for(lambda: len(follower.stale) >= 4)
        rejected = [s for s in follower.stale if s.error.reason == "Unauthorized"]
        assert [s.retry_in_s for s in rejected[1:]] == [0.3] * (len(rejected) - 1)
        assert len(follower.rows) == 1
        ground.knobs.reset()
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())


def test_row12_right_taken_away_and_given_back(ground):
    ground.create("a", "b")
    with follow(ground) as follower:
        settled(ground, follower)
        ground.knobs.fail(403, reason="Forbidden", match=WORKSPACES)
        ground.knobs.cut(match=WORKSPACE_WATCHES)
        began = time.monotonic()
        wait_for(lambda: len(follower.stale) >= 3)
        assert {s.error.status for s in follower.stale} <= {0, 403}
        assert len(follower.rows) == 2
        asked = len(ground.knobs.requests(path="/apis/kaito.sh/v1beta1/workspaces"))
        assert asked <= 6 + (time.monotonic() - began) / QUICK.denied_s
        ground.delete("a")
        ground.create("c")
        ground.knobs.reset()
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert follower.fewest >= 1


def test_row12_only_watching_is_denied(ground):
    """It is listed every so often instead, until watching is allowed again."""
    ground.create("a")
    ground.knobs.fail(403, reason="Forbidden", match=WORKSPACE_WATCHES)
    with follow(ground) as follower:
        follower.wait_for(lambda: follower.rows == ground.objects())
        ground.create("b")
        follower.wait_for(lambda: follower.rows == ground.objects())
        ground.knobs.reset()
        wait_for(lambda: ground.knobs.watch(match=WORKSPACE_WATCHES))
        listed = ground.lists()
        ground.create("c")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert ground.lists() == listed
    assert follower.stale == []


def test_row13_kind_missing_then_there_then_removed_then_back(ground):
    """What is known is kept while the kind is away; whatever is gone when it comes back is swept then."""
    gone = {"status": 404, "body": "404 page not found\n", "match": WORKSPACES}
    ground.knobs.fail(**gone)
    with follow(ground) as follower:
        wait_for(lambda: follower.stale)
        assert {s.error.reason for s in follower.stale} == {"NotServed"}
        ground.knobs.reset()
        ground.create("a", "b")
        settled(ground, follower)

        ground.knobs.fail(**gone)
        ground.knobs.cut(match=WORKSPACE_WATCHES)
        follower.wait_for(
            lambda: follower.stale[-1].error.reason == "NotServed" and len(follower.stale) > 3
        )
        ground.delete("a")
        assert len(follower.rows) == 2

        ground.knobs.reset()
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert list(follower.rows) == [ground.uid("b")]
