"""The checker finds what is wrong: each invariant with a world in which it is broken, and a whole one."""

from dataclasses import replace

import pytest

from audit import chain
from audit.models import Entry
from tests.faults.checker import (
    Change,
    ClusterSnapshot,
    DatabaseSnapshot,
    Sighting,
    Sightings,
    Wish,
    check,
)

MADE = Change(at=1.0, type="ADDED", uid="u1", name="phi", version=5, operation_id="w1")
READY = replace(MADE, at=2.0, type="MODIFIED", version=6)
WISH = Wish(id="w1", kind="create", name="phi", status="succeeded", uid="u1")
LOOKS = [
    Sighting(asked_at=0.5, versions={}),
    Sighting(asked_at=2.5, versions={"u1": 5}),
    Sighting(asked_at=9.0, versions={"u1": 6}),
]
DELETION = Wish(id="w2", kind="delete", name="phi", status="succeeded", uid="u1")


def audit_of(*told):
    """A chain of (operation, outcome)."""
    entries, previous = [], chain.GENESIS
    for seq, (operation, outcome) in enumerate(told, start=1):
        entry = Entry(seq=seq, operation_id=operation, outcome=outcome, previous_hash=previous)
        entry.time = None
        entry.hash = previous = chain.entry_hash(entry)
        entries.append(entry)
    return entries


def judged(
    *, changes=(MADE, READY), wishes=(WISH,), looks=LOOKS, audit=None, faults=(), **database
):
    told = [(w.id, outcome) for w in wishes for outcome in ("requested", w.status)]
    entries = audit_of(*told) if audit is None else audit
    head = (entries[-1].seq, entries[-1].hash) if entries else (0, chain.GENESIS)
    found = check(
        cluster=ClusterSnapshot(changes=changes),
        database=DatabaseSnapshot(wishes=wishes, head_seq=head[0], head_hash=head[1], **database),
        seen=Sightings(by_observer={"she": looks}, faults=faults),
        audit=entries,
    )
    return [str(each) for each in found]


def test_whole_world_has_no_violations():
    assert judged(accepted=frozenset(["w1"]), texts={"log": "ok"}, canaries={"key": "s3"}) == []


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (replace(WISH, status="running"), "create of phi is still running"),
        (replace(WISH, is_dated=False), "create of phi has no time of its end"),
    ],
)
def test_i1_finds_a_wish_without_end(wish, words):
    told = [("w1", "requested"), ("w1", "succeeded")][: 1 if wish.status == "running" else 2]

    assert judged(wishes=[wish], audit=audit_of(*told)) == [f"I1: {words}"]


def test_i1_finds_a_lost_wish():
    assert judged(accepted=frozenset(["w1", "w9"])) == ["I1: the accepted wish w9 is lost"]


def test_i2_finds_two_objects_of_one_wish():
    twin = replace(MADE, at=2.0, uid="u2", version=7)
    gone = replace(twin, at=2.1, type="DELETED", version=8)

    assert judged(changes=[MADE, twin, gone], looks=[]) == ["I2: phi was made 2 times"]


def test_i2_finds_a_success_without_an_object():
    assert judged(changes=[], looks=[]) == ["I2: phi succeeded, but its object was never there"]


@pytest.mark.parametrize("status", ["failed", "refused"])
def test_i2_finds_a_failure_that_made_its_object(status):
    wish = replace(WISH, status=status)

    assert judged(wishes=[wish]) == [f"I2: phi {status}, but its object was made"]
    unsure = replace(wish, error="No answer. It may have been carried out all the same.")
    assert judged(wishes=[unsure]) == []


def test_i2_finds_a_deletion_that_was_none():
    deleting = replace(READY, is_deleting=True, generation=2)

    assert judged(wishes=[WISH, DELETION]) == [
        "I2: the deletion of phi succeeded, but it is still there"
    ]
    assert judged(changes=[MADE, deleting], wishes=[WISH, DELETION]) == []


def test_i2_finds_a_later_change():
    changed = replace(READY, generation=2)

    assert judged(changes=[MADE, changed]) == [
        "I2: phi was changed after it was made (generation 2)"
    ]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Sighting(asked_at=8, versions={}), "did not see phi, which had been there for 2.0 s"),
        (
            Sighting(asked_at=8, versions={"u1": 5}),
            "saw phi at 5, which had been at 6 for 2.0 s",
        ),
    ],
)
def test_i3_finds_a_late_page_but_in_a_fault(look, words):
    looks = [look, LOOKS[-1]] if look.versions else [LOOKS[0], look]
    changes = (
        [MADE, READY] if look.versions else [MADE, READY, replace(READY, at=9, type="DELETED")]
    )

    assert judged(changes=changes, looks=looks) == [f"I3: she {words}"]
    assert judged(changes=changes, looks=looks, faults=[(7, 7.5)]) == []


def test_i3_finds_a_ghost():
    gone = replace(READY, at=4, type="DELETED", version=7)
    looks = [
        *LOOKS[:2],
        Sighting(asked_at=6.1, versions={"u1": 6}),
        Sighting(asked_at=9, versions={}),
    ]

    assert judged(changes=[MADE, gone], looks=looks) == [
        "I3: she saw u1, which had been gone for 2.0 s"
    ]


def test_i3_finds_a_page_that_differs_in_the_end():
    assert judged(looks=LOOKS[:2]) == ["I3: she in the end saw {'u1': 5}, but there is {'u1': 6}"]


def test_i4_finds_a_step_back():
    looks = [*LOOKS, Sighting(asked_at=9.1, versions={"u1": 5}), LOOKS[-1]]

    assert judged(looks=looks, faults=[(0, 99)]) == ["I4: she saw u1 at 5 after 6"]


def test_i4_finds_what_comes_back():
    looks = [*LOOKS, Sighting(asked_at=9.1, versions={}), LOOKS[-1]]

    assert judged(looks=looks, faults=[(0, 99)]) == ["I4: she saw u1 again after it was gone"]


@pytest.mark.parametrize(
    "told",
    [
        [],
        [("w1", "requested")],
        [("w1", "requested"), ("w1", "failed")],
        [("w1", "requested"), ("w1", "succeeded"), ("w1", "succeeded")],
    ],
)
def test_i5_finds_missing_wrong_and_double_entries(told):
    outcomes = [outcome for _, outcome in told]

    assert judged(audit=audit_of(*told)) == [
        f"I5: create of phi left {outcomes} in the audit, not ['requested', 'succeeded']"
    ]


def test_i5_finds_a_stranger_and_a_broken_chain():
    entries = audit_of(("w1", "requested"), ("w1", "succeeded"), ("w9", "requested"))
    assert judged(audit=entries) == ["I5: the audit tells of a wish w9 that is not there"]

    entries[1].reason = "forged"
    assert judged(audit=entries)[1:] == ["I5: #2 was changed after it was written"]


def test_i6_finds_a_secret():
    texts = {"the log": "token s3cret", "the page": "nothing"}

    assert judged(texts=texts, canaries={"the token": "s3cret"}) == ["I6: the token is in the log"]
