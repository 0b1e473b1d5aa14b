"""The row of one workspace: what is copied from the object, and what is concluded from all that is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.people import person_key
from clusters.models import Cluster
from clusters.versions import is_newer
from workspaces import parsing
from workspaces.mirror import transitions
from workspaces.mirror.transitions import Change
from workspaces.models import Operation, Workspace
from workspaces.queries import sighting
from workspaces.types import (
    Dependents,
    Dialect,
    OperationKind,
    ParsedPod,
    ParsedWorkspace,
    Phase,
    RawObject,
)

Topics = set[str]
LARGEST = 2**31 - 1
EVERYBODY = "workspaces"  # lists, tiles and counts


def see_workspaces(cluster: Cluster, raws: Iterable[RawObject], *, listed: bool) -> Topics:
    """Insert or update the rows of these uids; an older version is ignored, unless a full list reports it."""
    now, topics, fresh = timezone.now(), set(), []
    told: list[tuple[Workspace, list[Change]]] = []
    by_uid = {parsing.uid_of(raw): raw for raw in raws}
    there = Workspace.objects.filter(cluster=cluster, uid__in=by_uid)
    known = {row.uid: row for row in there}
    for uid, raw in by_uid.items():
        copied = _copied(raw) | {"seen_at": now}
        if uid in known:
            moved, changes = _change(known[uid], copied, listed=listed)
            topics |= moved
            told += [(known[uid], changes)] if changes is not None else []
        else:
            fresh.append(Workspace(cluster=cluster, uid=uid, **copied))
    return topics | conclude(told, now=now) | _insert(fresh, now)


def lose_workspaces(rows: Iterable[Workspace], *, version: str = "") -> Topics:
    """These objects (of one cluster) are gone; rows and history stay. `version` is that of the deletion, where it is known."""
    now = timezone.now()
    living = [row for row in rows if row.deleted_at is None]
    for row in living:
        _update(row, {"deleted_at": now, "resource_version": version or row.resource_version})
    topics = {EVERYBODY, *(f"workspace-{row.uid}" for row in living)} if living else set()
    return topics | conclude([(row, ()) for row in living], now=now)


def conclude(told: Sequence[tuple[Workspace, Iterable[Change]]], *, now: datetime) -> Topics:
    """Recompute phase, headline and the other derived columns of these (of one cluster), and write what was told of

    them, and what follows from it, into their timelines. Returns what to announce, nothing for a row that stays.
    """
    if not told:
        return set()
    topics: Topics = set()
    written: list[tuple[Workspace, list[Change]]] = []
    for seen, (row, changes) in zip(sighting.see_all([w for w, _ in told]), told, strict=True):
        phase_before = row.phase
        if _update(row, _concluded(seen, now)):
            topics |= {EVERYBODY, f"workspace-{row.uid}"}
        written.append((row, [*changes, *_phase_change(row, phase_before)]))
    transitions.write(written, now=now)
    return topics


def would_move(rows: Iterable[Workspace], *, now: datetime) -> list[int]:
    """The keys of those that conclude() would change; reads only."""
    seen = sighting.see_all(list(rows))
    return [s.row.pk for s in seen if _differing(s.row, _concluded(s, now))]


def _change(
    row: Workspace, copied: dict[str, Any], *, listed: bool
) -> tuple[Topics, list[Change] | None]:
    """What to announce, and how the timeline goes on; None where there is nothing to conclude anew."""
    if not listed and not is_newer(copied["resource_version"], row.resource_version):
        return set(), None
    before, was_gone = row.raw, row.deleted_at is not None
    topics = _displace([row]) if was_gone else set()
    _update(row, copied | {"deleted_at": None})
    if substance(before) == substance(row.raw) and not was_gone:
        return topics, None
    changes = transitions.workspace_changes(*map(parsing.parse_workspace, (before, row.raw)))
    return topics | {f"workspace-{row.uid}"}, list(changes)


def _insert(rows: list[Workspace], now: datetime) -> Topics:
    if not rows:
        return set()
    topics, told = _displace(rows) | {EVERYBODY}, []
    for row in rows:
        _adopt(row)
    for seen in sighting.see_all(rows):
        row, phase_before = seen.row, seen.row.phase
        for column, value in _concluded(seen, now).items():
            setattr(row, column, value)
        told.append((row, [*_history(seen), *_phase_change(row, phase_before)]))
        topics |= {f"workspace-{row.uid}"} | (
            {f"operation-{row.operation_id}"} if row.operation_id else set()
        )
    Workspace.objects.bulk_create(rows)
    transitions.write(told, now=now)
    return topics


def _history(seen: sighting.Seen) -> Iterator[Change]:
    """What is known at first sight, its parts and events included, which may have been seen before it."""
    yield from transitions.workspace_changes(None, seen.workspace)
    for pod in seen.dependents.pods:
        yield from transitions.pod_changes(None, pod)
    for claim in seen.dependents.node_claims:
        yield from transitions.claim_changes(None, claim)
    about_it = (e for e in seen.events if e.object_kind == "Workspace")
    yield from (transitions.event_change(event) for event in about_it)


def _concluded(seen: sighting.Seen, now: datetime) -> dict[str, Any]:
    """The derived columns as they should be."""
    row, found = seen.row, seen.diagnosis(now)
    values = _derived(row, seen.workspace, seen.dependents) | {
        "phase": found.phase.value,
        "headline": found.headline[:300],
    }
    if found.phase != row.phase or row.phase_since is None:
        values["phase_since"] = _phase_since(row, found.phase, seen.workspace, now)
    return values


def _phase_change(row: Workspace, before: str) -> list[Change]:
    if row.phase == before:
        return []
    return [
        Change(
            subject="phase",
            before=before,
            after=row.phase,
            at=row.phase_since,
            message=row.headline,
        )
    ]


def _displace(rows: Sequence[Workspace]) -> Topics:
    """A name belongs to one living object: whoever had it is gone, though its end was not seen yet."""
    taken = {sighting.home_of(row) for row in rows}
    living = Workspace.objects.filter(
        cluster_id=rows[0].cluster_id,
        deleted_at=None,
        namespace__in={namespace for namespace, _ in taken},
        name__in={name for _, name in taken},
    )
    return lose_workspaces(other for other in living if sighting.home_of(other) in taken)


def _adopt(row: Workspace) -> None:
    """Join the row to the wish that made it. An annotation is anybody's to write: it must fit the object."""
    try:
        operation_id = UUID(parsing.parse_workspace(row.raw).operation_id)
    except ValueError:
        return
    wishes = Operation.objects.select_related("person").filter(
        pk=operation_id,
        kind=OperationKind.CREATE,
        cluster_id=row.cluster_id,
        namespace=row.namespace,
        name=row.name,
    )
    operation = wishes.first()
    if operation:
        row.operation_id, row.owner = operation.pk, operation.person_name
        row.owner_key = person_key(operation.person) if operation.person else ""


def _copied(raw: RawObject) -> dict[str, Any]:
    """The columns that are the object's own."""
    clean = parsing.redacted(raw)
    parsed = parsing.parse_workspace(clean)
    return {
        "namespace": parsed.namespace,
        "name": parsed.name,
        "resource_version": parsed.resource_version[:32],
        "generation": fitting(parsed.generation),
        "recipe": parsed.recipe.value,
        "model": parsed.model[:255],
        "runtime": parsed.runtime.value,
        "instance_type": parsed.instance_type[:63],
        "count": fitting(parsed.count),
        "raw": clean,
        "managers": parsing.summarise_managers(raw),
        "created_at": parsed.created_at,
        "deletion_requested_at": parsed.deletion_requested_at,
    }


def _derived(row: Workspace, parsed: ParsedWorkspace, known: Dependents) -> dict[str, Any]:
    gone = row.deleted_at is not None
    ready = parsed.status.condition("InferenceReady")
    answers = bool(ready and ready.is_true) and not gone and not row.deletion_requested_at
    return {
        "answers": answers,
        "node_count": 0 if gone else len(parsed.status.worker_nodes or _nodes(known.pods)),
        "dialect": _dialect(row.raw, known).value,
        "external_address": next(
            (s.external_address for s in known.services if not s.is_headless), ""
        )[:253],
    }


def _nodes(pods: tuple[ParsedPod, ...]) -> set[str]:
    return {pod.node for pod in pods if pod.node}


def _dialect(raw: RawObject, known: Dependents) -> Dialect:
    """The workload shows the command that really runs."""
    running = (w.dialect for w in known.workloads if w.dialect != Dialect.UNKNOWN)
    return next(running, parsing.workspace_dialect(raw))


def _phase_since(row: Workspace, phase: Phase, parsed: ParsedWorkspace, now: datetime) -> datetime:
    """The cluster's time of the change where it gives one; else, for what was there before us, its creation."""
    ready = parsed.status.condition("InferenceReady")
    told = {
        Phase.READY: ready.since if ready and ready.is_true else None,
        Phase.DELETING: parsed.deletion_requested_at,
        Phase.DELETED: row.deleted_at,
    }.get(phase)
    is_new = row.phase_since is None
    return told or (parsed.created_at if is_new and parsed.created_at else now)


def fitting(number: int) -> int:
    """As much of it as an integer column takes; a hostile object counts as it likes."""
    return min(max(number, 0), LARGEST)


def substance(raw: RawObject) -> RawObject:
    """What a change is judged by: all but the version."""
    metadata = parsing.mapping(raw.get("metadata"))
    return raw | {"metadata": {k: v for k, v in metadata.items() if k != "resourceVersion"}}


def _differing(row: Workspace, values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if getattr(row, key) != value}


def _update(row: Workspace, values: dict[str, Any]) -> bool:
    """Write the named columns that differ; False if none does."""
    changed = _differing(row, values)
    for key, value in changed.items():
        setattr(row, key, value)
    if changed:
        Workspace.objects.filter(pk=row.pk).update(**changed)
    return bool(changed)
