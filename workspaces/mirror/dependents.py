"""Rows of what KAITO made for a workspace, and their effect on the row of that workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from clusters.models import Cluster
from clusters.versions import is_newer
from workspaces import parsing
from workspaces.mirror import happenings, joining, rows, transitions
from workspaces.mirror.joining import Home
from workspaces.mirror.rows import Topics
from workspaces.mirror.transitions import Change
from workspaces.models import Dependent
from workspaces.types import RawObject


def see_dependent(cluster: Cluster, raw: RawObject, home: Home, *, listed: bool) -> Topics:
    now, version = timezone.now(), parsing.resource_version_of(raw)
    row = Dependent.objects.filter(cluster=cluster, uid=parsing.uid_of(raw)).first()
    if row and not listed and not is_newer(version, row.resource_version):
        return set()
    before = row.raw if row else None
    values = _values(raw, home, version) | {"seen_at": now}
    row, _ = Dependent.objects.update_or_create(
        cluster=cluster, uid=parsing.uid_of(raw), defaults=values
    )
    if before is not None and rows.substance(before) == rows.substance(row.raw):
        return set()
    if before is None:
        happenings.join_pending(cluster, row)
    return _tell(row, rows.dependent_changes(before, row), now)


def lose_dependent(row: Dependent) -> Topics:
    """The object is gone, and so is its row; the timeline remembers it."""
    Dependent.objects.filter(pk=row.pk).delete()
    subject = {"Pod": "pod", "NodeClaim": "nodeclaim"}.get(row.kind)
    changes = [Change(subject=f"{subject}/{row.name}", after="gone")] if subject else []
    return _tell(row, changes, timezone.now())


def _tell(row: Dependent, changes: list[Change], now: datetime) -> Topics:
    workspace = joining.workspace_of(row)
    if workspace is None:
        return set()
    transitions.write(workspace, changes, now=now)
    return {f"workspace-{workspace.uid}"} | rows.conclude(workspace, now=now)


def _values(raw: RawObject, home: Home, version: str) -> dict[str, Any]:
    metadata = parsing.mapping(raw.get("metadata"))
    return {
        "kind": parsing.text(raw.get("kind"))[:40],
        "namespace": parsing.text(metadata.get("namespace")),
        "name": parsing.text(metadata.get("name")),
        "workspace_namespace": home[0],
        "workspace_name": home[1],
        "resource_version": version[:32],
        "raw": parsing.redacted(raw),
        "created_at": parsing.moment(metadata.get("creationTimestamp")),
    }
