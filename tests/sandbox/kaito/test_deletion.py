"""Deletion, on the cluster's own event loop: what goes in which order."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.app import build_cluster
from sandbox.clock import Clock
from sandbox.resources import (
    CONTROLLERREVISIONS,
    NAMESPACES,
    NODECLAIMS,
    NODES,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)
from tests.sandbox.kaito.builders import preset_workspace

SPEED = 400
WATCHED = {WORKSPACES.key: "workspace", NODECLAIMS.key: "claim", NODES.key: "node", PODS.key: "pod"}


async def until(is_so):
    async with asyncio.timeout(4):
        while not is_so():
            await asyncio.sleep(0.005)


def story(cluster):
    """What is told of deletions, as it happens."""
    told = []

    def note(event):
        kind = WATCHED.get(event.resource.key)
        if kind is None:
            return
        before = event.old.object["metadata"] if event.old else {}
        if event.type == "DELETED":
            told.append(f"{kind} gone")
        elif "deletionTimestamp" in event.object["metadata"] and "deletionTimestamp" not in before:
            told.append(f"{kind} ending")
        elif kind == "workspace" and "workspaceDeleted" not in told:
            conditions = event.object["status"]["conditions"]
            told.extend(
                each["reason"] for each in conditions if each["type"] == "WorkspaceDeleting"
            )

    cluster.store.listeners.append(note)
    return told


@pytest.mark.asyncio
async def test_deletion_releases_the_node_at_the_end():
    cluster = build_cluster(None, speed=SPEED, seed=False)
    store = cluster.store
    state = lambda: store.get(WORKSPACES, "default", "phi").get("status", {}).get("state")  # noqa: E731
    async with cluster.running():
        store.create(WORKSPACES, preset_workspace(), manager="test")
        await until(lambda: state() == "Ready")
        told = story(cluster)

        store.delete(WORKSPACES, "default", "phi", manager="test")
        await until(lambda: not store.list(NODECLAIMS))

    assert told[:3] == ["workspace ending", "workspaceDeleted", "claim ending"]
    assert told[-2:] == ["node gone", "claim gone"]
    assert sorted(told) == sorted(
        ["workspaceDeleted"]
        + [
            f"{kind} {what}"
            for kind in ("workspace", "claim", "node", "pod")
            for what in ("ending", "gone")
        ]
    )
    assert told.index("workspace gone") < told.index("node gone")
    for kind in (CONTROLLERREVISIONS, NODES, PODS, SERVICES, STATEFULSETS):
        assert store.list(kind) == []


@pytest.mark.asyncio
async def test_namespace_goes_with_its_workspaces():
    cluster = build_cluster(None, speed=SPEED, seed=False)
    store = cluster.store
    async with cluster.running():
        store.create(WORKSPACES, preset_workspace(), manager="test")
        await until(lambda: store.list(PODS))

        store.delete(NAMESPACES, None, "default", manager="test")
        await until(lambda: store.peek(NAMESPACES, None, "default") is None)
        await until(lambda: not store.list(NODECLAIMS))

    assert store.list(PODS) == []


@pytest.mark.asyncio
async def test_preset_comes_up_on_real_time():
    cluster = build_cluster(None, speed=SPEED, seed=False)
    store = cluster.store
    states = []
    store.listeners.append(
        lambda event: (
            states.append((event.object.get("status") or {}).get("state"))
            if event.resource.key == WORKSPACES.key
            else None
        )
    )
    async with cluster.running():
        started = Clock().now()
        store.create(WORKSPACES, preset_workspace(), manager="test")
        await until(lambda: "Ready" in states)
        took_s = (Clock().now() - started).total_seconds()

    assert took_s * SPEED > 20
    assert set(states) == {None, "Pending", "Ready"}


@pytest.mark.asyncio
async def test_cluster_that_is_restored_goes_on(tmp_path):
    first = build_cluster(tmp_path, speed=SPEED, seed=False)
    async with first.running():
        first.store.create(WORKSPACES, preset_workspace(), manager="test")
        await until(lambda: first.store.list(PODS))
    first.keeper.save()

    second = build_cluster(tmp_path, speed=SPEED, seed=False)
    state = lambda: second.store.get(WORKSPACES, "default", "phi")["status"]["state"]  # noqa: E731
    before = state()
    async with second.running():
        await until(lambda: state() == "Ready")

    assert before == "Pending"
    assert len(second.store.list(NODECLAIMS)) == 1
