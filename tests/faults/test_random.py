"""Random schedules of wishes, outside changes and faults, drawn by hypothesis and judged by the checker of every case.

A seed draws the same schedule each time: KAITOWEB_SEED=7 draws that of seed 7 again. Nothing is shrunk, since a step
takes seconds; the steps of all are shown where one fails.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import traceback

import httpx
import pytest
import redis
from hypothesis import HealthCheck, Phase, Verbosity, note, settings
from hypothesis import seed as drawn_from
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults import seeds
from tests.faults.building import WORKERS
from tests.faults.judging import assert_invariants, settle
from tests.faults.stack import CAN_SET_CLOCKS, PROGRAM
from tests.knobs import WORKSPACE_WATCHES

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

SCHEDULES = 5 if seeds.is_soak() else 2
STEPS = 25 if seeds.is_soak() else 12
NAMES = 4  # few, so that wishes meet
KAITOWEB = {"user": "system:serviceaccount:kaitoweb:kaitoweb"}  # and nobody else
WATCHES = {**WORKSPACE_WATCHES, **KAITOWEB}
BURST = 10

names = st.integers(0, NAMES - 1)
people = st.sampled_from(("dora", "erin"))
processes = st.sampled_from(PROGRAM)
servers = st.sampled_from(("postgres", "valkey"))
schedules = itertools.count(1)  # names are not used again, since no page may step back


class Schedule(RuleBasedStateMachine):
    """`stack` is set by the test."""

    @initialize()
    def begin(self):
        self.number, self.broken_since = next(schedules), None
        self.stack.begin()
        self.stack.observe()
        self.people = {name: self.stack.sign_in(name) for name in ("dora", "erin")}
        for person in self.people.values():
            person.deploy_form("x")  # read once, while the page surely comes
        self.bursts = itertools.count(1)
        self.cluster_pk = self.stack.postgres.rows("SELECT id FROM clusters_cluster")[0]["id"]

    # Wishes

    @rule(number=names, who=people)
    def deploy(self, number, who):
        self._ask(lambda: self.people[who].deploy(self._name(number)))

    @rule(number=names)
    def deploy_with_one_form_twice(self, number):
        person = self.people["dora"]
        form = person.deploy_form(self._name(number))
        for _ in range(2):
            self._ask(lambda: person.deploy(form["name"], form))

    @rule()
    def deploy_many(self):
        names = [f"{self._name('burst')}-{next(self.bursts)}" for _ in range(BURST)]
        for name in names:
            self._ask(lambda name=name: self.people["dora"].deploy(name))

    @rule(number=names, who=people)
    def delete(self, number, who):
        def ask():
            person, name = self.people[who], self._name(number)
            page = person.client.get(person.delete_url(name))
            if page.status_code == 200:
                person.delete(name, person.delete_form(name, page))

        self._ask(ask)

    @rule(number=names, after_s=st.sampled_from((0, 0.05, 0.2, 0.5)))
    def kill_the_web_while_it_is_asked(self, number, after_s):
        self._break()
        person = self.people["dora"]
        with self.stack.sending(person, person.deploy_form(self._name(number))):
            time.sleep(after_s)
            self.stack.kill("web")

    @rule(who=people)
    def test_the_cluster(self, who):
        self._ask(lambda: self.people[who].test_cluster(self.cluster_pk))

    @rule(who=people)
    def renew_the_cluster(self, who):
        self._ask(lambda: self.people[who].renew_cluster("sandbox", self.stack.kubeconfig))

    # Others

    @rule(number=names)
    def somebody_makes(self, number):
        with contextlib.suppress(httpx.HTTPStatusError):  # there is one
            self.stack.truth.make(self._name(number))

    @rule(number=names)
    def somebody_deletes(self, number):
        self.stack.truth.remove(self._name(number))

    @rule(number=names)
    def somebody_labels(self, number):
        self.stack.truth.label(self._name(number), str(time.monotonic()))

    # Faults

    @rule(name=processes)
    def kill(self, name):
        self._break()
        self.stack.kill(name)

    @rule(name=processes)
    def freeze_a_process(self, name):
        self._break()
        if self.stack.processes[name].lives:
            self.stack.processes[name].stop()

    @rule(name=processes)
    def ask_a_process_to_end(self, name):
        self._break()
        self.stack.processes[name].ask_to_end()

    @precondition(lambda self: CAN_SET_CLOCKS)
    @rule(name=st.sampled_from(WORKERS), offset=st.sampled_from(("-10m", "+10m")))
    def start_a_worker_with_a_wrong_clock(self, name, offset):
        self._break()
        self.stack.set_clock(name, offset)

    @rule(name=processes, server=servers, how=st.sampled_from(("freeze", "cut")))
    def break_a_connection(self, name, server, how):
        self._break()
        getattr(self.stack.wires[name][server], how)()

    @rule(name=processes)
    def strand_a_connection(self, name):
        self._break()
        self.stack.wires[name]["valkey"].strand()

    @rule(name=processes, server=servers)
    def slow_a_connection(self, name, server):
        self._break()
        self.stack.wires[name][server].delay(0.05)

    @rule(how=st.sampled_from(("freeze", "cut", "refuse", "strand")))
    def part_from_the_cluster(self, how):
        self._break()
        getattr(self.stack.api_wire, how)()

    @rule(seconds=st.sampled_from((0.1, 0.5)))
    def slow_the_cluster(self, seconds):
        self._break()
        self.stack.api_wire.delay(seconds)

    @rule(
        method=st.sampled_from(("POST", "DELETE", "GET")),
        status=st.sampled_from((429, 500, 503, 504)),
        when=st.sampled_from(("before", "after")),
    )
    def cluster_fails(self, method, status, when):
        self._break()
        headers = {"Retry-After": "1"} if status in (429, 503) else {}
        match = {**KAITOWEB, "method": method, "path": "/workspaces"}
        self.stack.knobs.fail(status, match=match, times=2, when=when, headers=headers)

    @rule()
    def take_the_rights_away(self):
        self._break()
        self.stack.administrator.revoke()

    @rule()
    def uninstall_kaito(self):
        self._break()
        self.stack.administrator.uninstall()

    @rule()
    def give_back_rights_and_kaito(self):
        self.stack.administrator.restore()

    @rule(how=st.sampled_from(("drop_next", "duplicate_next", "reorder_next")))
    def watch_lies(self, how):
        self._break()
        self.stack.knobs.watch(match=WATCHES, **{how: 1})

    @rule()
    def cluster_forgets_and_cuts(self):
        self._break()
        self.stack.knobs.compact()
        self.stack.knobs.cut(match=WATCHES)

    @rule()
    def flush_the_broker(self):
        self._break()
        with contextlib.suppress(redis.RedisError):  # it is stopped
            self.stack.valkey.client.flushall()

    @rule()
    def stop_the_broker(self):
        self._break()
        self.stack.valkey.stop()

    @rule(server=servers)
    def freeze_a_server(self, server):
        """Of PostgreSQL only what takes new connections."""
        self._break()
        process = getattr(self.stack, server).process
        if process.lives:
            process.stop()

    @rule()
    def crash_the_database(self):
        self._break()
        self.stack.postgres.crash()

    # Time

    @rule(seconds=st.sampled_from((0.05, 0.3, 1.5)))
    def wait(self, seconds):
        time.sleep(seconds)

    @rule()
    def mend(self):
        if self.broken_since is not None:
            self.stack.heal()

    def teardown(self):
        if not hasattr(self, "number"):
            return
        try:
            self._end()
        except BaseException:  # hypothesis runs it again, and may tell of that only
            print(f"Schedule {self.number} failed first: {traceback.format_exc()}")
            raise

    def _end(self):
        self.stack.heal()
        settle(self.stack)
        if self.broken_since is not None:
            self.stack.faults.append((self.broken_since, time.monotonic()))
        try:
            assert_invariants(self.stack)
        finally:
            self.stack.clear()
            settle(self.stack)

    def _name(self, number):
        return f"random-{self.number}-{number}"

    def _ask(self, ask):
        """A person whose request fails knows nothing; what was answered is kept by `Person`."""
        try:
            ask()
        except (httpx.HTTPError, AssertionError) as error:
            if self.broken_since is None:
                raise
            note(f"no answer: {error!r:.200}")

    def _break(self):
        if self.broken_since is None:
            self.broken_since = time.monotonic()


def test_random_schedules_hold_every_invariant(shared_stack, seed):
    @drawn_from(seed.number)
    class Seeded(Schedule):
        stack = shared_stack

    run_state_machine_as_test(
        Seeded,
        settings=settings(
            max_examples=SCHEDULES,
            stateful_step_count=STEPS,
            phases=[Phase.generate],
            verbosity=Verbosity.debug,  # the steps of each, which pytest shows where one fails
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
