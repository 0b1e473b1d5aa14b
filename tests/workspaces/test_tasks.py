"""The entry points for messages, while the database is away."""

import uuid

import pytest
from django.db import OperationalError

from workspaces import operations, tasks

AWAY = OperationalError("connection refused")


@pytest.fixture
def calls(monkeypatch):
    """What the operations are called with; `calls.failures` is how often that fails first."""

    class Calls(list):
        failures = 0

        def __call__(self, *arguments):
            self.append(arguments)
            if len(self) <= self.failures:
                raise AWAY

    made = Calls()
    monkeypatch.setattr(operations, "carry_out", made)
    monkeypatch.setattr(operations, "sweep", made)
    monkeypatch.setattr(tasks, "PAUSE_S", 0.01)
    return made


@pytest.mark.django_db
def test_message_is_kept_in_hand_while_the_database_is_away(calls):
    calls.failures, operation = 2, uuid.uuid4()

    tasks.carry_out(str(operation))

    assert calls == [(operation,)] * 3


@pytest.mark.django_db
def test_sweep_waits_for_the_database(calls):
    calls.failures = 1

    tasks.sweep_operations()

    assert calls == [()] * 2


@pytest.mark.django_db
def test_message_is_dropped_when_the_database_stays_away(calls, caplog):
    calls.failures = 99

    tasks.sweep_operations()

    assert len(calls) == tasks.TRIES
    assert "this message is dropped" in caplog.text


@pytest.mark.django_db
def test_mistake_of_ours_is_not_tried_again(monkeypatch):
    def stumble():
        raise ValueError("ours")

    monkeypatch.setattr(operations, "sweep", stumble)

    with pytest.raises(ValueError, match="ours"):
        tasks.sweep_operations()
