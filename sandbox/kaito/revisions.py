"""The history of a workspace's wishes: a ControllerRevision for each, ten of them kept."""

from __future__ import annotations

from typing import Any

from sandbox.kaito import objects, workspaces
from sandbox.kaito.world import World
from sandbox.resources import CONTROLLERREVISIONS

MANAGER = "kaito-workspace"

Raw = dict[str, Any]


def wanted_annotations(world: World, ws: Raw) -> dict[str, str]:
    """Hash and number of the workspace's present revision, which is made if need be."""
    digest = objects.revision_hash(ws)
    namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
    revision = world.get(CONTROLLERREVISIONS, namespace, f"{name}-{digest[:5]}")
    if revision is None:
        revision = _new_revision(world, ws)
    return {
        workspaces.HASH_ANNOTATION: digest,
        workspaces.REVISION_ANNOTATION: str(revision["revision"]),
    }


def _new_revision(world: World, ws: Raw) -> Raw:
    known = _revisions(world, ws)
    number = known[-1]["revision"] + 1 if known else 1
    made = objects.controller_revision(ws, number)
    for old in known[: max(0, len(known) - objects.HISTORY_LIMIT)]:
        metadata = old["metadata"]
        world.store.delete(CONTROLLERREVISIONS, metadata["namespace"], metadata["name"])
    return world.store.create(CONTROLLERREVISIONS, made, manager=MANAGER)


def _revisions(world: World, ws: Raw) -> list[Raw]:
    stored = world.store.snapshot_of(CONTROLLERREVISIONS, ws["metadata"]["namespace"])
    mine = [
        each.object
        for each in stored
        if (each.object["metadata"].get("labels") or {}).get(workspaces.REVISION_LABEL)
        == ws["metadata"]["name"]
    ]
    return sorted(mine, key=lambda each: each["revision"])
