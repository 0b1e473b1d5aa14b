"""The row of one workspace: what is copied from the object, and what is concluded from all that is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.people import person_key
from clusters.models import Cluster
from clusters.versions import is_newer
from workspaces import diagnosis, parsing
from workspaces.mirror import joining, transitions
from workspaces.mirror.transitions import Change
from workspaces.models import Dependent, Operation, Workspace
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
EVERYBODY = "workspaces"  # lists, tiles and counts


def see_workspace(cluster: Cluster, raw: RawObject, *, listed: bool) -> Topics:
    """Insert or update the row of this uid; an older version is ignored, unless a full list reports it."""
    now, clean = timezone.now(), parsing.redacted(raw)
    parsed, managers = parsing.parse_workspace(clean), parsing.summarise_managers(raw)
    copied = _copied(clean, parsed) | {"managers": managers, "seen_at": now}
    row = Workspace.objects.filter(cluster=cluster, uid=parsed.uid).first()
    if row is None:
        return _insert(Workspace(cluster=cluster, uid=parsed.uid, **copied), parsed, now)
    if not listed and not is_newer(parsed.resource_version, row.resource_version):
        return set()
    before = parsing.parse_workspace(row.raw)
    is_news = substance(clean) != substance(row.raw) or row.deleted_at is not None
    _update(row, copied | {"deleted_at": None})
    if not is_news:
        return set()
    transitions.write(row, transitions.workspace_changes(before, parsed), now=now)
    return {f"workspace-{row.uid}"} | conclude(row, now=now)


def lose_workspace(row: Workspace, *, version: str = "") -> Topics:
    """The object is gone; row and history stay."""
    if row.deleted_at is not None:
        return set()
    now = timezone.now()
    _update(row, {"deleted_at": now, "resource_version": version or row.resource_version})
    return {EVERYBODY, f"workspace-{row.uid}"} | conclude(row, now=now)


def conclude(row: Workspace, *, now: datetime) -> Topics:
    """Recompute phase, headline and the other derived columns; returns what to announce, nothing if nothing moved."""
    dependents = joining.dependents_of(row)
    known, parsed = joining.parsed(dependents), parsing.parse_workspace(row.raw)
    found = diagnosis.diagnose(parsed, known, joining.events_of(row), now, gone_at=row.deleted_at)
    phase_before = row.phase
    values = _derived(row, parsed, known) | {
        "phase": found.phase.value,
        "headline": found.headline[:300],
    }
    if found.phase != phase_before or row.phase_since is None:
        values["phase_since"] = _phase_since(row, found.phase, parsed, now)
    if not _update(row, values):
        return set()
    if row.phase != phase_before:
        change = Change(
            subject="phase",
            before=phase_before,
            after=row.phase,
            at=row.phase_since,
            message=row.headline,
        )
        transitions.write(row, [change], now=now)
    return {EVERYBODY, f"workspace-{row.uid}"}


def _insert(row: Workspace, parsed: ParsedWorkspace, now: datetime) -> Topics:
    topics = _displace(row)
    _adopt(row, parsed)
    row.save(force_insert=True)
    transitions.write(row, _history(row, parsed), now=now)
    if row.operation_id:
        topics.add(f"operation-{row.operation_id}")
    return topics | {EVERYBODY} | conclude(row, now=now)


def _history(row: Workspace, parsed: ParsedWorkspace) -> list[Change]:
    """What is known at first sight, its parts and events included, which may have been seen before it."""
    about_it = (e for e in joining.events_of(row) if e.object_kind == "Workspace")
    parts = (dependent_changes(None, d) for d in joining.dependents_of(row))
    return [
        *transitions.workspace_changes(None, parsed),
        *(change for part in parts for change in part),
        *(transitions.event_change(event) for event in about_it),
    ]


def _displace(row: Workspace) -> Topics:
    """A name belongs to one living object: whoever had it is gone, though its end was not seen yet."""
    living = Workspace.objects.filter(cluster_id=row.cluster_id, deleted_at=None)
    former = living.filter(namespace=row.namespace, name=row.name)
    return {topic for other in former for topic in lose_workspace(other)}


def _adopt(row: Workspace, parsed: ParsedWorkspace) -> None:
    """Join the row to the wish that made it. An annotation is anybody's to write: it must fit the object."""
    try:
        operation_id = UUID(parsed.operation_id)
    except ValueError:
        return
    operation = (
        Operation.objects.select_related("person")
        .filter(
            pk=operation_id,
            kind=OperationKind.CREATE,
            cluster_id=row.cluster_id,
            namespace=parsed.namespace,
            name=parsed.name,
        )
        .first()
    )
    if operation:
        row.operation_id, row.owner = operation.pk, operation.person_name
        row.owner_key = person_key(operation.person) if operation.person else ""


def dependent_changes(before: RawObject | None, dependent: Dependent) -> list[Change]:
    """Timeline of a dependent between two sights; only pods and node claims have one."""
    if dependent.kind == "Pod":
        pod = parsing.parse_pod(before) if before else None
        return list(transitions.pod_changes(pod, parsing.parse_pod(dependent.raw)))
    if dependent.kind == "NodeClaim":
        claim = parsing.parse_node_claim(before) if before else None
        return list(transitions.claim_changes(claim, parsing.parse_node_claim(dependent.raw)))
    return []


def _copied(clean: RawObject, parsed: ParsedWorkspace) -> dict[str, Any]:
    return {
        "namespace": parsed.namespace,
        "name": parsed.name,
        "resource_version": parsed.resource_version[:32],
        "generation": parsed.generation,
        "recipe": parsed.recipe.value,
        "model": parsed.model[:255],
        "runtime": parsed.runtime.value,
        "instance_type": parsed.instance_type[:63],
        "count": max(parsed.count, 0),
        "raw": clean,
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


def substance(raw: RawObject) -> RawObject:
    """What a change is judged by: all but the version."""
    metadata = parsing.mapping(raw.get("metadata"))
    return raw | {"metadata": {k: v for k, v in metadata.items() if k != "resourceVersion"}}


def _update(row: Workspace, values: dict[str, Any]) -> bool:
    """Write the named columns that differ; False if none does."""
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    for key, value in changed.items():
        setattr(row, key, value)
    if changed:
        Workspace.objects.filter(pk=row.pk).update(**changed)
    return bool(changed)
