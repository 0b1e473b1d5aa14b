"""PostgreSQL crashed, failed over, cut off, read-only or full: nothing is accepted that is not kept."""

import threading
import time

import httpx
import pytest

from tests.faults.building import WORKERS
from tests.faults.processes import wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

RECOVERED_S = 15.0  # on an idle machine 5
FULL = """
CREATE OR REPLACE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER disk_is_full BEFORE INSERT ON audit_entry EXECUTE FUNCTION disk_is_full();
"""
NOT_FULL = "DROP TRIGGER disk_is_full ON audit_entry"


class Asking:
    """A person who asks for one workspace after another, from another thread; `answers` are (name, status)."""

    def __init__(self, person, prefix):
        self.person, self.prefix, self.answers = person, prefix, []
        self.person.deploy_form(prefix)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(60)

    def _ask(self):
        while not self._stopping.is_set():
            name = f"{self.prefix}-{len(self.answers)}"
            try:
                status = self.person.deploy(name).status_code
            except httpx.HTTPError:
                status = 0
            self.answers.append((name, status))
            self._stopping.wait(0.05)


def kept(stack, prefix):
    return {wish["name"] for wish in stack.wishes("name LIKE %s", f"{prefix}-%")}


def told(asking):
    return {name for name, status in asking.answers if status == 302}


def answers_again(person):
    def asks():
        try:
            return person.client.get("/workspaces/").status_code == 200
        except httpx.HTTPError:
            return False

    return asks


def test_crashed_database_keeps_every_wish_that_was_accepted(stack, dora, clock, seed):
    prefix = f"crashed-{seed.number}"
    with stack.fault(), Asking(dora, prefix) as asking:
        wait_until(lambda: len(told(asking)) >= 2)
        time.sleep(seed.random.random() / 2)
        stack.postgres.crash()
        time.sleep(1)
        stack.postgres.start()
        with clock("PostgreSQL crashed: the web from its return"):
            wait_until(answers_again(dora), limit_s=RECOVERED_S)
        before = len(told(asking))
        wait_until(lambda: len(told(asking)) > before)

    assert told(asking) <= kept(stack, prefix)
    assert {status for _, status in asking.answers} <= {302, 503}


def test_failover_to_an_asynchronous_replica_leaves_a_whole_chain(stack, dora, clock, seed):
    """What the replica had not got is lost with the old primary, and only that."""
    prefix = f"promoted-{seed.number}"
    with stack.fault(), stack.second_postgres() as (replica, link):
        assert dora.deploy(f"{prefix}-0").status_code == 302
        stack.wait_ended(*dora.accepted)
        wait_until(lambda: replica.has_all_of(stack.postgres))
        link.freeze()
        assert dora.deploy(f"{prefix}-1").status_code == 302
        lost = dora.accepted.pop()
        stack.postgres.crash()
        stack.observe().forget()  # the mirror steps back too, until the cluster is listed again
        link.cut()
        replica.promote()
        stack.use(replica)
        with clock("PostgreSQL failed over to a replica: the web from its promotion"):
            wait_until(answers_again(dora), limit_s=RECOVERED_S)
        assert dora.deploy(f"{prefix}-2").status_code == 302
        stack.wait_ended(*dora.accepted)

    assert kept(stack, prefix) == {f"{prefix}-0", f"{prefix}-2"}
    assert stack.wishes("id::text = %s", lost) == []


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_nothing_is_changed_while_nothing_can_be_recorded(stack, dora, clock, seed, fault):
    prefix = f"{fault}-{seed.number}"
    on, off = {
        "full": (FULL, NOT_FULL),
        "read-only": (
            "ALTER DATABASE kaitoweb SET default_transaction_read_only = on",
            "SET transaction_read_only = off; ALTER DATABASE kaitoweb RESET default_transaction_read_only",
        ),
    }[fault]
    form = dora.deploy_form(f"{prefix}-1")
    with stack.fault():
        with stack.workers_asleep():
            assert dora.deploy(f"{prefix}-0").status_code == 302
            stack.postgres.do(on)
        refused = dora.deploy(form["name"], form)
        reads = [dora.client.get(page) for page in ("/workspaces/", "/clusters/")]
        time.sleep(4)  # the first wish is carried out, and its end cannot be written
        unwritten = stack.wish(dora.accepted[0])
        stack.postgres.do(off)
        with clock(f"a database that was {fault}: a wish that waited for its end"):
            done = stack.wait_ended(*dora.accepted)

    assert refused.status_code == 503
    assert {page.status_code for page in reads} == {200}
    assert unwritten["status"] in ("queued", "running")
    assert kept(stack, prefix) == {f"{prefix}-0"}
    assert (done[0]["status"], done[0]["error"]) == ("succeeded", "")


def test_web_cut_off_from_the_database_says_so_and_recovers(stack, dora, clock, seed):
    wire = stack.wires["web"]["postgres"]
    form = dora.deploy_form(f"apart-{seed.number}")
    with stack.fault():
        wire.refuse()
        wire.cut()
        refused, page = dora.deploy(form["name"], form), dora.client.get("/workspaces/")
        wire.accept()
        with clock("the web cut off from PostgreSQL: from its return"):
            wait_until(answers_again(dora), limit_s=RECOVERED_S)

    assert (refused.status_code, page.status_code) == (503, 503)
    assert dora.deploy(form["name"], form).status_code == 302


def test_worker_cut_off_from_the_database_leaves_the_watch_to_another(stack, dora, clock, seed):
    leader = stack.leader()
    other = next(name for name in WORKERS if name != leader)
    wire = stack.wires[leader]["postgres"]
    with stack.fault():
        wire.refuse()
        wire.cut()
        with clock("the watching worker cut off from PostgreSQL: the other watches"):
            wait_until(lambda: stack.leader() == other)
        assert dora.deploy(f"watched-{seed.number}").status_code == 302
        stack.wait_ended(*dora.accepted)
