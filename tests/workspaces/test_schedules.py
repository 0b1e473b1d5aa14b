"""Many wishes under seeded chaos: doubled and late messages, workers that die or are thought dead, answers that are lost."""

import random
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from django.db import connection

from accounts.people import Caller
from audit.models import Entry
from audit.services import verify
from clusters.errors import Denied, Unreachable
from tests.workspaces import builders, memory
from tests.workspaces.builders import SPEC
from workspaces import operations, services
from workspaces.models import Operation
from workspaces.operations import carrying, sweeping
from workspaces.operations.states import UNSURE
from workspaces.types import FINAL_STATUSES

WISHES = 12
WORKERS = 4
DEATH = SystemExit("killed")  # nobody in the worker's code can catch it, like SIGKILL
LOST_ANSWER = Unreachable("Timeout", "The cluster did not answer in time.", outcome_unknown=True)
FATES = (None, None, LOST_ANSWER, (LOST_ANSWER, "after"), DEATH, (DEATH, "after"))
WORDS = {
    "succeeded": "",
    "refused": "kaitoweb may not create workspaces.",
    "failed": "3 workers were lost while carrying this out",
}


class ChaoticGateway(memory.MemoryGateway):
    """One request at a time, as a cluster decides on one object; what becomes of it, the seed says."""

    def __init__(self, seed):
        super().__init__()
        self.random, self.lock, self.effects = random.Random(seed), threading.Lock(), Counter()

    def create(self, target, obj, *, dry_run=False):
        self._dawdle()
        with self.lock:
            self.script = [self._fate()]
            before = set(self.objects)
            try:
                return super().create(target, obj)
            finally:
                for made in set(self.objects) - before:
                    self.effects[made] += 1

    def get(self, target, namespace, name):
        self._dawdle()
        return super().get(target, namespace, name)

    def _fate(self):
        if self.random.random() < 0.05:
            return Denied("Forbidden", "kaitoweb may not create workspaces.", 403)
        return self.random.choice(FATES)

    def _dawdle(self):
        time.sleep(self.random.choice((0, 0, 0.005, 0.06)))


class Broker:
    """Takes ids and gives them to workers, sometimes twice, in no order, until all wishes have ended."""

    def __init__(self, seed):
        self.random, self.ids, self.done = random.Random(seed), [], threading.Event()

    def dispatch(self, *ids):
        self.ids += [i for i in ids for _ in range(self.random.choice((1, 1, 2, 3)))]
        return True

    def work(self):
        try:
            while not self.done.is_set():
                try:
                    taken = self.ids.pop(self.random.randrange(len(self.ids)))
                except (ValueError, IndexError):
                    time.sleep(0.005)
                    continue
                try:
                    operations.carry_out(taken)
                except SystemExit:
                    continue  # another worker has taken this one's place
        finally:
            connection.close()


@pytest.fixture
def hasty(monkeypatch, settings):
    """Workers are thought dead after 50 ms, which the slow ones are not."""
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(carrying, "FIRST_DELAY_S", 0.01)
    settings.KAITOWEB_OPERATION_STALE_S, settings.KAITOWEB_DISPATCH_AFTER_S = 0.05, 0.05


@pytest.mark.timeout(20)
@pytest.mark.parametrize("seed", range(3))
def test_every_wish_ends_once_and_changes_the_cluster_at_most_once(
    real_database, hasty, monkeypatch, django_user_model, seed
):
    broker, api = Broker(seed), memory.use(monkeypatch, ChaoticGateway(seed))
    monkeypatch.setattr(operations, "dispatch", broker.dispatch)
    monkeypatch.setattr(sweeping, "dispatch", broker.dispatch)
    by = Caller(person=django_user_model.objects.create_user("dora", is_staff=True))
    cluster = builders.make_cluster()
    workers = [threading.Thread(target=broker.work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()

    for number in range(WISHES):
        wanted = replace(SPEC, name=f"wish-{number}")
        services.deploy_workspace(wanted, cluster=cluster, by=by, key=str(number))
    deadline = time.monotonic() + 15
    while Operation.objects.exclude(status__in=FINAL_STATUSES).exists():
        assert time.monotonic() < deadline
        operations.sweep()
        time.sleep(0.02)
    broker.done.set()
    for worker in workers:
        worker.join()

    for wish in Operation.objects.all():
        entries = Entry.objects.filter(operation_id=wish.pk).order_by("seq")
        assert list(entries.values_list("outcome", flat=True)) == ["requested", wish.status]
        assert wish.error.partition(";")[0] == WORDS[wish.status]
        made = api.objects.get((wish.namespace, wish.name), {"metadata": {"uid": ""}})
        assert wish.status != "succeeded" or wish.uid == made["metadata"]["uid"] != ""
        assert wish.status == "succeeded" or not made["metadata"]["uid"] or UNSURE in wish.error
    assert Operation.objects.count() == WISHES
    assert set(api.effects.values()) == {1}
    assert verify() == []
