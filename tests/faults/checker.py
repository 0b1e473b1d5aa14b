"""The invariants of kaitoweb as functions over what was written down of a run: pure, and the same for every test.

I1  every accepted wish ends in exactly one final state
I2  one wish changes the cluster at most once, and its end tells the truth about that
I3  a page equals the cluster within `LATE_S`, faults apart, and in the end exactly
I4  no page ever steps back to an older version, nor brings back what was gone
I5  every wish leaves one "requested" and one outcome in the audit, whose chain holds
I6  no secret is anywhere

Times are those of one monotonic clock, in seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audit import chain
from audit.models import Entry

FINAL = ("succeeded", "failed", "refused")
UNSURE = "may have been carried out all the same"  # what a wish says whose end nobody could see
LATE_S = 2.0  # on an idle machine; tests allow for a busy one


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event of an administrator's own watch of the workspaces."""

    at: float
    type: str  # ADDED, MODIFIED, DELETED
    uid: str
    name: str
    version: int
    generation: int = 1
    operation_id: str = ""
    is_deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """`changes` in their order; what remains of them is what the cluster holds. `outside`: uids that others changed."""

    changes: Sequence[Change] = ()
    outside: frozenset[str] = frozenset()

    @property
    def objects(self) -> dict[str, Change]:
        """What there is in the end, by uid."""
        return _Course(self.changes).at(float("inf"))


class _Course:
    """The cluster as time goes by: moments are asked for in rising order."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._coming, self._there = deque(changes), dict[str, Change]()
        self.gone: set[str] = set()

    def at(self, moment: float) -> dict[str, Change]:
        while self._coming and self._coming[0].at <= moment:
            change = self._coming.popleft()
            if change.type == "DELETED":
                self._there.pop(change.uid, None)
                self.gone.add(change.uid)
            else:
                self._there[change.uid] = change
        return self._there


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A row of the operations."""

    id: str
    kind: str
    name: str
    status: str
    uid: str = ""
    error: str = ""
    is_dated: bool = True  # whether it has the time of its end


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSnapshot:
    """`accepted`: wishes that a person was told to be accepted; `texts`: where → all that is kept or said there."""

    wishes: Sequence[Wish] = ()
    accepted: frozenset[str] = frozenset()
    head_seq: int = 0
    head_hash: str = chain.GENESIS
    texts: Mapping[str, str] = field(default_factory=dict)
    canaries: Mapping[str, str] = field(default_factory=dict)  # what it is → the secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at the list of workspaces: uid → version. `asked_at`, since the answer is no younger than that."""

    asked_at: float
    versions: Mapping[str, int]
    is_whole: bool = True  # no further page


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """What each observer saw, in order, and when the world was broken: then a page may be late."""

    by_observer: Mapping[str, Sequence[Sighting]] = field(default_factory=dict)
    faults: Sequence[tuple[float, float]] = ()
    late_s: float = LATE_S


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.words}"


def check(
    *,
    cluster: ClusterSnapshot,
    database: DatabaseSnapshot,
    seen: Sightings,
    audit: Sequence[Entry],
) -> list[Violation]:
    found = {
        "I1": every_wish_ends(database),
        "I2": every_wish_acts_once(cluster, database.wishes),
        "I3": pages_follow(cluster, seen),
        "I4": pages_never_step_back(seen),
        "I5": audit_is_whole(database, audit),
        "I6": no_secret_leaks(database),
    }
    return [Violation(name, words) for name, all_words in found.items() for words in all_words]


def every_wish_ends(database: DatabaseSnapshot) -> Iterator[str]:
    known = {wish.id for wish in database.wishes}
    yield from (f"the accepted wish {lost} is lost" for lost in database.accepted - known)
    for wish in database.wishes:
        if wish.status not in FINAL:
            yield f"{wish.kind} of {wish.name} is still {wish.status}"
        elif not wish.is_dated:
            yield f"{wish.kind} of {wish.name} has no time of its end"


def every_wish_acts_once(cluster: ClusterSnapshot, wishes: Iterable[Wish]) -> Iterator[str]:
    made: dict[str, set[str]] = defaultdict(set)
    for change in cluster.changes:
        if change.operation_id:
            made[change.operation_id].add(change.uid)
    for wish in wishes:
        if wish.kind == "create":
            yield from _creation(wish, made[wish.id])
        elif wish.status == "succeeded":
            yield from _deletion(wish, cluster)
    yield from _later_changes(cluster)


def _creation(wish: Wish, made: set[str]) -> Iterator[str]:
    if len(made) > 1:
        yield f"{wish.name} was made {len(made)} times"
    if wish.status == "succeeded" and wish.uid not in made:
        yield f"{wish.name} succeeded, but its object was never there"
    if wish.status in ("failed", "refused") and made and UNSURE not in wish.error:
        yield f"{wish.name} {wish.status}, but its object was made"


def _deletion(wish: Wish, cluster: ClusterSnapshot) -> Iterator[str]:
    left = cluster.objects.get(wish.uid)
    if left and not left.is_deleting:
        yield f"the deletion of {wish.name} succeeded, but it is still there"


def _later_changes(cluster: ClusterSnapshot) -> Iterator[str]:
    """kaitoweb makes and deletes, which raises the generation once."""
    for change in cluster.changes:
        most = 2 if change.is_deleting or change.type == "DELETED" else 1
        if change.operation_id and change.uid not in cluster.outside and change.generation > most:
            yield f"{change.name} was changed after it was made (generation {change.generation})"


def pages_follow(cluster: ClusterSnapshot, seen: Sightings) -> Iterator[str]:
    for observer, sightings in seen.by_observer.items():
        before, now = _Course(cluster.changes), _Course(cluster.changes)
        for sighting in sightings:
            then = before.at(sighting.asked_at - seen.late_s)
            there = now.at(sighting.asked_at)
            if not _is_excused(sighting, seen):
                words = [*_lag(then, there, sighting), *_ghosts(before.gone, sighting)]
                yield from (f"{observer} {each} for {seen.late_s} s" for each in words)
        if sightings:
            yield from (f"{observer} in the end {w}" for w in _difference(cluster, sightings[-1]))


def _is_excused(sighting: Sighting, seen: Sightings) -> bool:
    return any(begun <= sighting.asked_at <= ended + seen.late_s for begun, ended in seen.faults)


def _lag(
    then: Mapping[str, Change], now: Mapping[str, Change], sighting: Sighting
) -> Iterator[str]:
    """`then` is the cluster as it was when a page may still show it, `now` as it was when the page was asked for."""
    for uid, change in then.items():
        shown = sighting.versions.get(uid)
        if shown is None and uid in now and sighting.is_whole:
            yield f"did not see {change.name}, which had been there"
        elif shown is not None and shown < change.version:
            yield f"saw {change.name} at {shown}, which had been at {change.version}"


def _ghosts(gone: set[str], sighting: Sighting) -> Iterator[str]:
    yield from (
        f"saw {uid}, which had been gone" for uid in sorted(gone & sighting.versions.keys())
    )


def _difference(cluster: ClusterSnapshot, last: Sighting) -> Iterator[str]:
    there = {uid: change.version for uid, change in cluster.objects.items()}
    shown = dict(last.versions)
    if not last.is_whole:
        there = {uid: there.get(uid, 0) for uid in shown}
    if there != shown:
        yield f"saw {shown}, but there is {there}"


def pages_never_step_back(seen: Sightings) -> Iterator[str]:
    for observer, sightings in seen.by_observer.items():
        newest: dict[str, int] = {}
        gone: set[str] = set()
        for sighting in sightings:
            for uid, version in sighting.versions.items():
                if version < newest.get(uid, 0):
                    yield f"{observer} saw {uid} at {version} after {newest[uid]}"
                if uid in gone:
                    yield f"{observer} saw {uid} again after it was gone"
                newest[uid] = max(version, newest.get(uid, 0))
            if sighting.is_whole:
                gone |= newest.keys() - sighting.versions.keys()


def audit_is_whole(database: DatabaseSnapshot, audit: Sequence[Entry]) -> Iterator[str]:
    outcomes: dict[str, list[str]] = defaultdict(list)
    for entry in audit:
        if entry.operation_id:
            outcomes[str(entry.operation_id)].append(entry.outcome)
    for wish in database.wishes:
        told, expected = outcomes[wish.id], ["requested"]
        if wish.status in FINAL:
            expected.append(wish.status)
        if told != expected:
            yield f"{wish.kind} of {wish.name} left {told} in the audit, not {expected}"
    known = {wish.id for wish in database.wishes}
    strangers = Counter(operation for operation in outcomes if operation not in known)
    yield from (f"the audit tells of a wish {stranger} that is not there" for stranger in strangers)
    heads = {"head_seq": database.head_seq, "head_hash": database.head_hash}
    yield from (f"#{broken.seq} {broken.what}" for broken in chain.breaks(audit, **heads))


def no_secret_leaks(database: DatabaseSnapshot) -> Iterator[str]:
    for what, secret in database.canaries.items():
        for where, text in database.texts.items():
            if secret in text:
                yield f"{what} is in {where}"
