"""Random schedules of wishes, outside changes and faults, drawn by hypothesis and judged by the checker of every case.

A seed draws the same schedule each time: KAITOWEB_SEED=7 draws that of seed 7 again. Nothing is shrunk, since a step
takes seconds; hypothesis prints the steps of a schedule that fails.
"""

from __future__ import annotations

import contextlib
import itertools
import time

import httpx
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import seed as drawn_from
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.faults import seeds
from tests.faults.judging import assert_invariants, settle
from tests.faults.stack import PROGRAM
from tests.knobs import WORKSPACE_WATCHES

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

SCHEDULES = 5 if seeds.is_soak() else 2
STEPS = 25 if seeds.is_soak() else 12
NAMES = 4  # few, so that wishes meet
WRITES = {"method": "POST|DELETE", "path": "/workspaces"}
WATCHES = WORKSPACE_WATCHES

names = st.integers(0, NAMES - 1)
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
        self.person = self.stack.sign_in()
        self.person.deploy_form("x")  # read once, while the page surely comes

    # Wishes

    @rule(number=names)
    def deploy(self, number):
        self._ask(lambda name: self.person.deploy(name), number)

    @rule(number=names)
    def deploy_with_one_form_twice(self, number):
        form = self.person.deploy_form(self._name(number))
        for _ in range(2):
            self._ask(lambda name: self.person.deploy(name, form), number)

    @rule(number=names)
    def delete(self, number):
        def ask(name):
            if self.person.client.get(self.person.delete_url(name)).status_code == 200:
                self.person.delete(name)

        self._ask(ask, number)

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

    @rule(name=processes, server=servers)
    def freeze_a_connection(self, name, server):
        self._break()
        self.stack.wires[name][server].freeze()

    @rule(name=processes, server=servers)
    def cut_a_connection(self, name, server):
        self._break()
        self.stack.wires[name][server].cut()

    @rule(how=st.sampled_from(("freeze", "cut", "refuse")))
    def part_from_the_cluster(self, how):
        self._break()
        getattr(self.stack.api_wire, how)()

    @rule(status=st.sampled_from((429, 500, 503, 504)), when=st.sampled_from(("before", "after")))
    def cluster_fails_writes(self, status, when):
        self._break()
        headers = {"Retry-After": "1"} if status in (429, 503) else {}
        self.stack.knobs.fail(status, match=WRITES, times=2, when=when, headers=headers)

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
        with contextlib.suppress(OSError):
            if self.stack.valkey.process.lives:
                self.stack.valkey.client.flushall()

    @rule()
    def stop_the_broker(self):
        self._break()
        self.stack.valkey.stop()

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

    def _ask(self, ask, number):
        """A person whose request fails knows nothing; what was answered is kept by `Person`."""
        try:
            ask(self._name(number))
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
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
