"""The work queue and the event recorder."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from sandbox.cluster import Cluster
from sandbox.kaito.engine import Engine, VirtualClock
from sandbox.kaito.events import LIMIT, Recorder
from sandbox.kaito.world import World
from sandbox.resources import CONFIGMAPS, EVENTS
from tests.sandbox.kaito.builders import START


def make_engine(reconcile, clock=None):
    cluster = Cluster()
    clock = clock or VirtualClock(START)
    cluster.store.now = clock.now
    world = World(cluster, now=clock.now, speed=1.0)
    routes = {CONFIGMAPS: lambda obj: [("map", "default", obj["metadata"]["name"])]}
    return cluster, Engine(world, {"map": reconcile}, routes), clock


def config_map(name="a"):
    return {"metadata": {"name": name, "namespace": "default"}}


def test_changed_object_is_looked_at_once():
    seen = []
    cluster, engine, clock = make_engine(lambda _, name: seen.append(name))

    cluster.store.create(CONFIGMAPS, config_map(), manager="test")
    cluster.store.update(CONFIGMAPS, config_map() | {"data": {"x": "y"}}, manager="test")
    engine.run_until(clock, START)

    assert seen == ["a"]


def test_object_is_looked_at_again_when_it_asked_for_it():
    times = []

    def reconcile(_namespace, _name):
        times.append((clock.moment - START).total_seconds())
        return 2.5 if len(times) < 3 else None

    _cluster, engine, clock = make_engine(reconcile)
    engine.enqueue(("map", "default", "a"))
    engine.run_until(clock, START + timedelta(minutes=1))

    assert times == [0, 2.5, 5]
    assert clock.moment == START + timedelta(minutes=1)


def test_earlier_look_replaces_the_later_one():
    seen = []
    _cluster, engine, clock = make_engine(lambda _, name: seen.append(name))

    engine.enqueue(("map", "default", "a"), 10)
    engine.enqueue(("map", "default", "a"), 1)
    engine.run_until(clock, START + timedelta(seconds=20))

    assert seen == ["a"]


def test_later_look_does_not_put_off_the_earlier_one():
    times = []
    _cluster, engine, clock = make_engine(
        lambda *_: times.append((clock.moment - START).total_seconds())
    )

    engine.enqueue(("map", "default", "a"), 1)
    engine.enqueue(("map", "default", "a"), 10)
    engine.run_until(clock, START + timedelta(seconds=20))

    assert times == [1]


def test_fault_of_one_object_leaves_the_others_alone(caplog):
    seen = []

    def reconcile(_namespace, name):
        seen.append(name)
        if name == "bad" and seen.count("bad") < 2:
            raise KeyError(name)

    _cluster, engine, clock = make_engine(reconcile)
    for name in ("bad", "good"):
        engine.enqueue(("map", "default", name))
    with caplog.at_level(logging.CRITICAL):
        engine.run_until(clock, START + timedelta(seconds=5))

    assert seen == ["bad", "good", "bad"]


def test_everything_is_looked_at_when_it_begins():
    seen = []
    cluster, engine, clock = make_engine(lambda _, name: seen.append(name))
    engine.close()
    for name in ("a", "b"):
        cluster.store.create(CONFIGMAPS, config_map(name), manager="test")

    engine.enqueue_all()
    engine.run_until(clock, START)

    assert seen == ["a", "b"]


@pytest.mark.asyncio
async def test_engine_wakes_for_a_change():
    cluster = Cluster()
    world = World(cluster, now=cluster.clock.now, speed=1.0)
    seen = asyncio.Event()
    routes = {CONFIGMAPS: lambda obj: [("map", "default", obj["metadata"]["name"])]}
    engine = Engine(world, {"map": lambda *_: seen.set()}, routes)
    task = asyncio.create_task(engine.run())
    await asyncio.sleep(0.01)

    cluster.store.create(CONFIGMAPS, config_map(), manager="test")
    await asyncio.wait_for(seen.wait(), 1)

    task.cancel()


def recorder():
    cluster, clock = Cluster(), VirtualClock(START)
    cluster.store.now = clock.now
    made = cluster.store.create(CONFIGMAPS, config_map(), manager="test")
    return cluster.store, clock, made, Recorder(cluster.store, clock.now)


def test_same_event_is_counted():
    store, clock, obj, events = recorder()

    events.record(obj, "Normal", "Seen", "it was seen", "test")
    clock.moment += timedelta(seconds=5)
    events.record(obj, "Normal", "Seen", "it was seen", "test")
    events.record(obj, "Normal", "Seen", "it was seen", "other")

    found = sorted(store.list(EVENTS), key=lambda each: each["count"])
    assert [each["count"] for each in found] == [1, 2]
    assert found[1]["firstTimestamp"] == "2026-11-03T12:00:00Z"
    assert found[1]["lastTimestamp"] == "2026-11-03T12:00:05Z"
    assert found[1]["involvedObject"]["uid"] == obj["metadata"]["uid"]
    assert found[1]["source"] == {"component": "test"}


def test_counting_goes_on_after_a_restart():
    store, clock, obj, events = recorder()
    events.record(obj, "Normal", "Seen", "it was seen", "test")

    Recorder(store, clock.now).record(obj, "Normal", "Seen", "it was seen", "test")

    assert [each["count"] for each in store.list(EVENTS)] == [2]


def test_old_events_are_dropped_after_an_hour():
    store, clock, obj, events = recorder()
    events.record(obj, "Normal", "Old", "old", "test")

    clock.moment += timedelta(minutes=61)
    events.record(obj, "Normal", "New", "new", "test")

    assert [each["reason"] for each in store.list(EVENTS)] == ["New"]


def test_events_are_bounded():
    store, clock, obj, events = recorder()

    for number in range(LIMIT + 10):
        events.record(obj, "Normal", "Seen", str(number), "test")

    assert store.count(EVENTS) <= LIMIT
