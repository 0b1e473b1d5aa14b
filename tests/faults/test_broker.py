"""The broker flushed, stopped, failed over, half-open, cut off: wishes are kept, pages come, and all goes on by itself."""

import time

import pytest

from tests.faults import seeds
from tests.faults.processes import slowness, wait_until
from tests.faults.stack import PROGRAM

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

QUEUED = 500 if seeds.is_soak() else 12
OUTAGE_S = 300 if seeds.is_soak() else 8
PAGES = ("/workspaces/", "/deploy/", "/clusters/", "/playground/", "/admin/audit/entry/")
PATIENCE_S = 3.0  # for one request; on an idle machine the broker costs it at most 1
DRAINED_S = 30.0  # on an idle machine 10


def wires_to(stack, server):
    return [stack.wires[name][server] for name in PROGRAM]


def asked(stack, person, count, prefix):
    for number in range(count):
        assert person.deploy(f"{prefix}-{number}").status_code == 302


def timed(act):
    begun = time.monotonic()
    return act(), time.monotonic() - begun


def assert_done_once(wishes):
    assert {wish["status"] for wish in wishes} == {"succeeded"}
    assert {wish["lost_workers"] for wish in wishes} == {0}


def test_flushed_broker_loses_no_wish(stack, dora, clock, seed):
    with stack.fault():
        with stack.workers_asleep():
            asked(stack, dora, QUEUED, f"flushed-{seed.number}")
            stack.valkey.client.flushall()
        with clock(f"the broker flushed with {QUEUED} wishes queued"):
            done = stack.wait_ended(*dora.accepted, limit_s=600)

    assert_done_once(done)


def test_pages_come_and_wishes_are_kept_while_the_broker_is_away(stack, dora, clock, seed):
    with stack.fault():
        stack.valkey.stop()
        ends = time.monotonic() + OUTAGE_S
        looks = [timed(lambda page=page: dora.client.get(page)) for page in PAGES]
        kept, seconds = timed(lambda: dora.deploy(f"kept-{seed.number}"))
        while time.monotonic() < ends:
            looks += [timed(lambda page=page: dora.client.get(page)) for page in PAGES]
            time.sleep(0.5)
        assert stack.wish(dora.accepted[0])["status"] == "queued"
        stack.valkey.start()
        with clock("the broker back after an outage: wishes drained"):
            done = stack.wait_ended(*dora.accepted, limit_s=DRAINED_S)

    assert kept.status_code == 302
    assert {answer.status_code for answer, _ in looks} == {200}
    assert max(seconds, *(each for _, each in looks)) < PATIENCE_S * slowness()
    assert_done_once(done)


def test_wish_survives_the_death_of_the_web_between_commit_and_message(stack, dora, clock, seed):
    """The answer never came, so the form is sent again: the same wish."""
    form = dora.deploy_form(f"committed-{seed.number}")
    with stack.fault():
        stack.wires["web"]["valkey"].freeze()
        with stack.sending(dora, form):
            wait_until(lambda: stack.wishes("name = %s", form["name"]))
            stack.kill("web")
        with clock("the web killed between commit and message: to the object"):
            wait_until(lambda: stack.wishes("name = %s AND status = 'succeeded'", form["name"]))

    assert dora.deploy(form["name"], form).status_code == 302
    assert len(stack.wishes("name = %s", form["name"])) == 1


def test_broker_that_lost_its_last_writes_in_a_failover_loses_no_wish(stack, dora, clock, seed):
    with stack.fault(), stack.second_valkey() as (replica, link):
        with stack.workers_asleep():
            link.freeze()
            asked(stack, dora, QUEUED, f"failed-over-{seed.number}")
            stack.valkey.process.kill()
            replica.promote()
            stack.use(replica)
        with clock("the broker failed over, its last writes lost"):
            done = stack.wait_ended(*dora.accepted, limit_s=600)

    assert_done_once(done)


@pytest.mark.parametrize("kind", ["frozen", "stranded"])
def test_half_open_broker_costs_a_request_little_and_is_left(stack, dora, clock, seed, kind):
    """Connections that carry nothing and say nothing: for a while to everybody, or for ever to those that stand."""
    wires = wires_to(stack, "valkey")
    with stack.fault():
        for wire in wires:
            wire.freeze() if kind == "frozen" else wire.strand()
        answer, seconds = timed(lambda: dora.deploy(f"{kind}-{seed.number}"))
        pages = [timed(lambda page=page: dora.client.get(page)) for page in PAGES]
        for wire in wires:
            wire.thaw()
        with clock(f"the broker {kind}: consuming again"):
            done = stack.wait_ended(*dora.accepted, limit_s=60)

    assert answer.status_code == 302
    assert {page.status_code for page, _ in pages} == {200}
    assert max(seconds, *(each for _, each in pages)) < PATIENCE_S * slowness()
    assert done[0]["status"] == "succeeded"


def test_web_cut_off_from_the_broker_serves_and_its_wishes_are_swept_up(stack, dora, clock, seed):
    wire = stack.wires["web"]["valkey"]
    with stack.fault():
        wire.refuse()
        wire.cut()
        answer, seconds = timed(lambda: dora.deploy(f"cut-off-{seed.number}"))
        with clock("the web cut off from the broker: a wish carried out all the same"):
            done = stack.wait_ended(*dora.accepted)

    assert (answer.status_code, seconds < PATIENCE_S * slowness()) == (302, True)
    assert_done_once(done)


def test_messages_that_become_visible_again_too_early_act_once(stack, dora, seed):
    """As with a visibility timeout shorter than the work: what waits in a busy worker comes a second time."""
    with stack.fault():
        stack.api_wire.delay(0.3)
        asked(stack, dora, 6, f"visible-{seed.number}")
        ids = [str(stack.wish(mark)["id"]) for mark in dora.accepted]
        while stack.wishes("status IN ('queued', 'running')"):
            stack.valkey.send(*ids)
            time.sleep(1)
        done = stack.wait_ended(*dora.accepted)

    assert_done_once(done)
    assert {wish["attempts"] for wish in done} == {1}
