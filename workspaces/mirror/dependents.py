"""Rows of what KAITO made for a workspace, and their effect on the row of that workspace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from clusters.models import Cluster
from clusters.versions import is_newer
from workspaces import parsing
from workspaces.mirror import happenings, joining, rows, transitions
from workspaces.mirror.rows import Topics
from workspaces.mirror.transitions import Change
from workspaces.models import Dependent, Workspace
from workspaces.queries.sighting import Home
from workspaces.types import RawObject


def see_dependents(
    cluster: Cluster, raws: Iterable[tuple[RawObject, Home]], *, listed: bool
) -> Topics:
    """Insert or update the rows of these uids; an older version is ignored, unless a full list reports it."""
    now = timezone.now()
    fresh: list[Dependent] = []
    told: list[tuple[Dependent, list[Change]]] = []
    by_uid = {parsing.uid_of(raw): (raw, home) for raw, home in raws}
    there = Dependent.objects.filter(cluster=cluster, uid__in=by_uid)
    known = {row.uid: row for row in there}
    for uid, (raw, home) in by_uid.items():
        values = _values(raw, home) | {"seen_at": now}
        if uid in known:
            told += _update(known[uid], values, listed=listed)
        else:
            fresh.append(Dependent(cluster=cluster, uid=uid, **values))
    return _insert(cluster, fresh, now) | _tell(told, now)


def lose_dependent(row: Dependent) -> Topics:
    """The object is gone, and so is its row; the timeline remembers it."""
    Dependent.objects.filter(pk=row.pk).delete()
    subject = {"Pod": "pod", "NodeClaim": "nodeclaim"}.get(row.kind)
    changes = [Change(subject=f"{subject}/{row.name}", after="gone")] if subject else []
    return _tell([(row, changes)], timezone.now())


def _insert(cluster: Cluster, rows: list[Dependent], now: datetime) -> Topics:
    Dependent.objects.bulk_create(rows)
    for row in rows:
        happenings.join_pending(cluster, row)
    return _tell([(row, _changes(None, row)) for row in rows], now)


def _update(
    row: Dependent, values: dict[str, Any], *, listed: bool
) -> list[tuple[Dependent, list[Change]]]:
    """What there is to tell of it: nothing, or the row and how its timeline goes on."""
    if not listed and not is_newer(values["resource_version"], row.resource_version):
        return []
    before = row.raw
    Dependent.objects.filter(pk=row.pk).update(**values)
    for column, value in values.items():
        setattr(row, column, value)
    if rows.substance(before) == rows.substance(row.raw):
        return []
    return [(row, _changes(before, row))]


def _tell(told: list[tuple[Dependent, list[Change]]], now: datetime) -> Topics:
    """Conclude anew what these are a part of, each workspace once."""
    if not told:
        return set()
    changes: dict[Workspace, list[Change]] = defaultdict(list)
    for workspace, (_, moved) in zip(
        joining.workspaces_of([row for row, _ in told]), told, strict=True
    ):
        if workspace:
            changes[workspace] += moved
    if not changes:
        return set()
    touched = {f"workspace-{workspace.uid}" for workspace in changes}
    return touched | rows.conclude(list(changes.items()), now=now)


def _changes(before: RawObject | None, dependent: Dependent) -> list[Change]:
    """Timeline of a dependent between two sights; only pods and node claims have one."""
    if dependent.kind == "Pod":
        pod = parsing.parse_pod(before) if before else None
        return list(transitions.pod_changes(pod, parsing.parse_pod(dependent.raw)))
    if dependent.kind == "NodeClaim":
        claim = parsing.parse_node_claim(before) if before else None
        return list(transitions.claim_changes(claim, parsing.parse_node_claim(dependent.raw)))
    return []


def _values(raw: RawObject, home: Home) -> dict[str, Any]:
    metadata = parsing.mapping(raw.get("metadata"))
    return {
        "kind": parsing.text(raw.get("kind"))[:40],
        "namespace": parsing.text(metadata.get("namespace")),
        "name": parsing.text(metadata.get("name")),
        "workspace_namespace": home[0],
        "workspace_name": home[1],
        "resource_version": parsing.resource_version_of(raw)[:32],
        "raw": parsing.redacted(raw),
        "created_at": parsing.moment(metadata.get("creationTimestamp")),
    }
