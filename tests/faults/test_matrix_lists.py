"""The failure matrix of the watch, rows about lists: expired versions, broken pages, and what is gone meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from clusters.gateway import Gateway
from clusters.targets import WORKSPACES
from clusters.watching import Listed, Seen, watch
from tests.faults import matrix
from tests.faults.matrix import QUICK, follow, settled, wait_for
from tests.knobs import WORKSPACE_LISTS, WORKSPACE_WATCHES

SECOND_PAGE = {"path": r"/workspaces\?.*continue="}
IN_PAGES = replace(QUICK, page=2)


pytestmark = matrix.MARKS


@pytest.mark.parametrize("how", ["in the stream", "on connect"])
def test_row04_version_expired(ground, how):
    """A relist, whose sweep removes what was deleted meanwhile; the list never looks empty."""
    ground.create("a", "b", "c")
    with follow(ground) as follower:
        settled(ground, follower)
        with ground.away():
            ground.delete("a")
            ground.create("d")
            if how == "in the stream":
                ground.knobs.compact()
            else:
                ground.knobs.fail(410, reason="Expired", match=WORKSPACE_WATCHES, times=1)
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert ground.lists() == 2
    assert follower.fewest >= 2


def test_row05_second_page_expired(ground):
    """The list begins again; what the broken one had not reached is not swept."""
    ground.create(*"abcde")
    known = ground.objects()
    ground.knobs.fail(410, reason="Expired", match=SECOND_PAGE, times=1)
    with follow(ground, timing=IN_PAGES, known=known) as follower:
        settled(ground, follower)
    assert len(follower.listed) == 1
    assert (follower.fewest, follower.stale) == (5, [])


@pytest.mark.parametrize("page", [2, 3])
def test_row06_a_page_fails(ground, page):
    ground.create(*"abcde")
    known = ground.objects()
    ground.knobs.fail(500, match=SECOND_PAGE, every=page - 1, times=1)
    with follow(ground, timing=IN_PAGES, known=known) as follower:
        settled(ground, follower)
    assert [s.error.status for s in follower.stale] == [500]
    assert (len(follower.listed), follower.fewest) == (1, 5)


def test_row06_process_ends_in_the_middle_of_a_list(ground):
    """Nothing is swept by half a list, and the next run converges."""
    ground.create(*"abcde")
    told, gateway = [], Gateway(ground.cluster())
    with follow(ground) as follower:
        for event in watch(gateway, WORKSPACES, stop=threading.Event(), timing=IN_PAGES):
            told.append(event)
            if isinstance(event, Seen):
                break
        gateway.close()
        assert not [event for event in told if isinstance(event, Listed)]
        ground.delete("b")
        follower.wait_for(lambda: follower.rows == ground.objects())


def test_row07_deleted_and_made_again_while_away(ground):
    ground.create("a")
    old = ground.uid("a")
    with follow(ground) as follower:
        settled(ground, follower)
        with ground.away():
            ground.delete("a")
            ground.create("a")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert ground.uid("a") != old
    assert list(follower.rows) == [ground.uid("a")]


def test_row14_server_with_smaller_versions(ground):
    """Restored from a backup: a watch from the old version stays silent there, without so much as a bookmark, but the
    comparison gives it away. Then a list is taken at its word, and events go on from it."""
    timing = replace(QUICK, watch_s=(1, 1), check_s=(0, 0), idle_s=5)
    ground.create("a", "b")
    backup = ground.backup()
    ground.sandbox.call(lambda cluster: cluster.store.resume(cluster.store.version + 1000))
    ground.change("a", newer="yes")
    ground.create("c")
    with follow(ground, timing=timing) as follower:
        settled(ground, follower)
        high = follower.rows[ground.uid("a")]
        with ground.away():
            ground.restore(backup)
        follower.wait_for(lambda: follower.rows == ground.objects())
        assert int(follower.rows[ground.uid("a")]) < int(high)
        ground.change("a", restored="yes")
        follower.wait_for(lambda: follower.rows == ground.objects())
    assert (ground.lists(), follower.fewest) == (2, 2)


def test_lists_are_counted_by_what_they_ask_for(ground):
    """The matrix counts full lists: so this must tell them from watches and comparisons."""
    ground.create("a")
    ground.knobs.fail(500, match=WORKSPACE_LISTS, times=2)
    timing = replace(QUICK, watch_s=(1, 1), check_s=(0, 0), idle_s=5)
    with follow(ground, timing=timing) as follower:
        settled(ground, follower)
        wait_for(lambda: ground.checks() >= 1)
    assert (ground.lists(), len(follower.stale)) == (3, 2)
