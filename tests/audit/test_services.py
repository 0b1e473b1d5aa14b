from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import services, triggers
from audit.chain import Break
from audit.models import Entry, Head
from audit.types import Actor, Outcome, Target

pytestmark = pytest.mark.django_db

ALICE = Actor(key="u1", name="alice", source_ip="127.0.0.1", request_id="r1")


def record(**changes):
    values = {"actor": ALICE, "action": "workspace.create", "outcome": Outcome.REQUESTED} | changes
    return services.record(**values)


@transaction.atomic
def record_then_fail():
    record()
    raise ZeroDivisionError


def rewrite(sql, *params):
    """What somebody with the database's own password can do."""
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
    triggers.install(connection)


def test_record_keeps_who_what_and_how_it_ended():
    entry = record(
        target=Target(kind="Workspace", cluster="c", namespace="n", name="w", uid="u"),
        reason="demo",
        duration_ms=12,
    )

    found = Entry.objects.get()
    assert (found.actor_key, found.actor_name, found.source_ip, found.request_id) == (
        "u1",
        "alice",
        "127.0.0.1",
        "r1",
    )
    assert (found.action, found.outcome, found.reason, found.duration_ms) == (
        "workspace.create",
        "requested",
        "demo",
        12,
    )
    assert (found.kind, found.cluster, found.namespace, found.name, found.uid) == (
        "Workspace",
        "c",
        "n",
        "w",
        "u",
    )
    assert found.uuid == entry.uuid
    assert found.uuid.version == 7


def test_record_chains_each_entry_to_the_one_before():
    first, second = record(), record()

    assert (first.seq, second.seq) == (1, 2)
    assert first.previous_hash == "0" * 64
    assert second.previous_hash == first.hash
    assert Head.objects.get().hash == second.hash
    assert services.verify() == []


@pytest.mark.django_db(transaction=True)
def test_record_refuses_to_run_outside_a_transaction():
    with pytest.raises(RuntimeError, match="inside the transaction"):
        record()

    assert Entry.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_record_vanishes_with_its_transaction():
    with pytest.raises(ZeroDivisionError):
        record_then_fail()

    assert Entry.objects.count() == 0
    assert services.verify() == []


def test_record_redacts_secrets():
    entry = record(
        before={"env": [{"name": "HF_TOKEN", "value": "hf_abcdefghijklmnopqrst"}]},
        after={"kind": "Secret", "data": {"x": "eA=="}, "metadata": {"name": "hf"}},
        detail={"token": "t0p", "note": "saw hf_abcdefghijklmnopqrst", "modelAccessSecret": "hf"},
        reason="it is hf_abcdefghijklmnopqrst",
    )

    assert entry.reason == "it is [redacted]"
    assert entry.before == {"env": [{"name": "HF_TOKEN", "value": "[redacted]"}]}
    assert entry.after == {"kind": "Secret", "data": "[redacted]", "metadata": {"name": "hf"}}
    assert entry.detail == {
        "token": "[redacted]",
        "note": "saw [redacted]",
        "modelAccessSecret": "hf",
    }


@pytest.mark.parametrize(
    "change",
    [lambda: Entry.objects.update(actor_name="mallory"), lambda: Entry.objects.all().delete()],
    ids=["update", "delete"],
)
def test_entries_refuse_to_be_changed_or_removed(change):
    record()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert Entry.objects.get().actor_name == "alice"


def test_verify_names_a_changed_entry():
    record()
    record()
    record()

    rewrite("UPDATE audit_entry SET actor_name = 'mallory' WHERE seq = 2")

    assert services.verify() == [Break(2, "was changed after it was written")]


def test_verify_names_a_removed_entry():
    record()
    record()
    record()

    rewrite("DELETE FROM audit_entry WHERE seq = 2")

    assert services.verify() == [
        Break(2, "entries 2 to 2 are missing"),
        Break(3, "does not follow the entry before it"),
    ]


def test_verify_names_a_cut_end():
    record()
    record()

    rewrite("DELETE FROM audit_entry WHERE seq = 2")

    assert services.verify() == [Break(1, "the chain ends here, but its head says #2")]


def test_verify_audit_tells_and_exits_with_an_error_when_broken(capsys):
    record()
    call_command("verify_audit")
    assert capsys.readouterr().out == "The audit chain holds: 1 entries.\n"

    rewrite("UPDATE audit_entry SET reason = 'x' WHERE seq = 1")

    with pytest.raises(CommandError, match=re.escape("broken in 1 place(s)")):
        call_command("verify_audit")
