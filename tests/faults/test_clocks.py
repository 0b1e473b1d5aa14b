"""Clocks that are wrong, partitions, and leaders that do not know that they are none any more."""

import time

import pytest

from tests.faults.building import WORKERS
from tests.faults.judging import settle
from tests.faults.processes import wait_until
from tests.faults.stack import CAN_SET_CLOCKS

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

TAKEN_OVER_S = 40.0  # on an idle machine 13: locks of the one that stands still are freed after 10

needs_library = pytest.mark.skipif(not CAN_SET_CLOCKS, reason="libfaketime is not built for this")


def made_leader(stack, name):
    """It watches the cluster, and the other stands by."""
    other = next(worker for worker in WORKERS if worker != name)
    stack.kill(other)
    wait_until(lambda: stack.leader() == name)
    stack.processes[other].start()
    return other


@needs_library
def test_worker_with_a_wrong_clock_neither_doubles_nor_blocks(stack, dora, clock, seed):
    offset = ("+10m", "-10m")[seed.number % 2]
    with stack.fault():
        stack.set_clock("worker-1", offset)
        other = made_leader(stack, "worker-1")
        for number in range(4):
            dora.deploy(f"skewed-{seed.number}-{number}")
        done = stack.wait_ended(*dora.accepted)
        stack.kill("worker-1")
        with clock(f"a watching worker killed whose clock was {offset}"):
            wait_until(lambda: stack.leader() == other)

    assert {(w["status"], w["attempts"], w["lost_workers"]) for w in done} == {("succeeded", 1, 0)}


@needs_library
def test_clock_that_is_put_back_an_hour_stops_nothing(stack, dora, seed):
    with stack.fault():
        stack.set_clock("worker-1", "+0")
        made_leader(stack, "worker-1")
        dora.deploy(f"before-{seed.number}")
        stack.wait_ended(*dora.accepted)
        stack.turn_clock("worker-1", "-1h")
        time.sleep(2)  # the library looks once a second
        dora.deploy(f"after-{seed.number}")
        done = stack.wait_ended(*dora.accepted)
        holder = stack.leader()

    assert {(w["status"], w["lost_workers"]) for w in done} == {("succeeded", 0)}
    assert holder == "worker-1"


def test_workers_cut_off_from_the_cluster_keep_the_wish_and_catch_up(stack, dora, clock, seed):
    with stack.fault():
        stack.api_wire.refuse()
        stack.api_wire.cut()
        assert dora.deploy(f"unreachable-{seed.number}").status_code == 302
        wait_until(lambda: stack.wish(dora.accepted[0])["attempts"] >= 2)
        stack.truth.make(f"outside-{seed.number}")
        stack.api_wire.accept()
        with clock("the cluster cut off: a wish from its return"):
            done = stack.wait_ended(*dora.accepted)
        with clock("the cluster cut off: the page, after that"):
            settle(stack)

    assert (done[0]["status"], done[0]["lost_workers"]) == ("succeeded", 0)


def test_answer_that_says_504_although_it_was_done_is_found_out(stack, dora, seed):
    creation = {"method": "POST", "path": r"/workspaces\?(?!.*dryRun)"}
    with stack.fault():
        stack.knobs.fail(504, match=creation, when="after", times=1)
        assert dora.deploy(f"timed-out-{seed.number}").status_code == 302
        done = stack.wait_ended(*dora.accepted)

    assert (done[0]["status"], done[0]["attempts"]) == ("succeeded", 2)


def test_watcher_that_stood_still_writes_nothing_when_it_wakes(stack, dora, clock, seed):
    leader = stack.leader()
    other = next(name for name in WORKERS if name != leader)
    said = len(stack.processes[leader].text())
    for number in range(4):
        dora.deploy(f"seen-{seed.number}-{number}")
    with stack.fault():
        time.sleep(seed.random.random())
        stack.processes[leader].stop()  # in the middle of what it writes, locks and all
        with clock("the watching worker stopped: the other watches"):
            wait_until(lambda: stack.leader() == other, limit_s=TAKEN_OVER_S)
        stack.wait_ended(*dora.accepted)
        stack.truth.remove_all()
        stack.truth.make(f"meanwhile-{seed.number}")
        wait_until(lambda: f"meanwhile-{seed.number}" in stack.observe().html)
        stack.processes[leader].go_on()
        wait_until(lambda: stack.processes[leader].said("was taken over", since=said))
        settle(stack)
        holder = stack.leader()

    assert holder == other


def test_killed_watcher_is_replaced(stack, clock, seed):
    """What went while nobody watched is gone from the page too, which fault() waits for."""
    stack.truth.make(f"goes-{seed.number}")
    wait_until(lambda: f"goes-{seed.number}" in stack.observe().html)
    leader = stack.leader()
    with stack.fault():
        stack.kill(leader)
        stack.truth.remove(f"goes-{seed.number}")
        stack.truth.make(f"unwatched-{seed.number}")
        with clock("the watching worker killed: its next sight on the page"):
            wait_until(lambda: f"unwatched-{seed.number}" in stack.observe().html)


def test_killed_web_is_back_when_it_is_started(stack, dora, clock, seed):
    with stack.fault():
        stack.kill("web")
        with clock("the web killed: from its start to its first page"):
            stack.processes["web"].start()
            wait_until(stack.answers)

    assert dora.deploy(f"after-the-web-{seed.number}").status_code == 302
