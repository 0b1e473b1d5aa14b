"""The seeded cluster: what is in it, and that its past fits together."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.app import build_cluster
from sandbox.clock import parse_time
from sandbox.kaito.admission import validate_create
from sandbox.resources import DEPLOYMENTS, EVENTS, NAMESPACES, NODECLAIMS, NODES, PODS, WORKSPACES


@pytest.fixture(scope="module")
def seeded():
    return build_cluster(None, model_url="http://models", seed=True)


def workspaces(cluster):
    return {each["metadata"]["name"]: each for each in cluster.store.list(WORKSPACES)}


def test_namespaces_are_there(seeded):
    assert [each["metadata"]["name"] for each in seeded.store.list(NAMESPACES)] == [
        "default",
        "kaito-custom-cpu-inference",
        "kaito-workspace",
        "kaitoweb",
        "kube-system",
        "team-a",
    ]


def test_workspaces_are_ready_failed_and_on_their_way(seeded):
    found = {name: each.get("status", {}).get("state") for name, each in workspaces(seeded).items()}

    assert found == {
        "bloomz-560m-workspace": "Ready",
        "llama-3-3-70b": "Pending",
        "phi-4-mini": None,
        "qwen2-5-coder-7b": "Ready",
    }


def test_failed_one_failed_on_quota(seeded):
    conditions = workspaces(seeded)["llama-3-3-70b"]["status"]["conditions"]

    assert {each["reason"] for each in conditions} >= {"SubscriptionQuotaReached"}


def test_seeds_pass_the_webhook(seeded):
    refused = [validate_create(each, lambda *_: None) for each in workspaces(seeded).values()]

    assert refused == [[], [], [], []]


def test_history_lies_in_the_past_and_fits(seeded):
    now = seeded.clock.now()
    ready = workspaces(seeded)["qwen2-5-coder-7b"]
    created = parse_time(ready["metadata"]["creationTimestamp"])
    times = [parse_time(each["lastTransitionTime"]) for each in ready["status"]["conditions"]]
    pod = seeded.store.get(PODS, "team-a", "qwen2-5-coder-7b-0")
    log = seeded.logbook.current(pod["metadata"]["uid"], "qwen2-5-coder-7b")

    assert timedelta(days=3, hours=1) < now - created < timedelta(days=3, hours=3)
    assert created <= min(times) <= max(times) <= created + timedelta(minutes=2)
    assert created < parse_time(pod["metadata"]["creationTimestamp"]) < max(times)
    assert {line.at - created < timedelta(minutes=2) for line in log.lines} == {True}
    assert log.lines[-1].text.startswith("KAITO_BENCHMARK_RESULT")


def test_nothing_is_dated_in_the_future_and_events_are_fresh(seeded):
    now = seeded.clock.now()
    ages = [now - parse_time(each["lastTimestamp"]) for each in seeded.store.list(EVENTS)]

    assert ages
    assert timedelta(0) <= min(ages) <= max(ages) <= timedelta(hours=1)


def test_cpu_model_speaks_chat_behind_a_load_balancer(seeded):
    pod = seeded.store.get(PODS, "kaito-custom-cpu-inference", "bloomz-560m-workspace-0")

    assert pod["spec"]["nodeName"] in [
        each["metadata"]["name"] for each in seeded.store.list(NODES)
    ]
    assert seeded.models.get(pod["metadata"]["uid"]) == (
        "http://models/chat008/bigscience%2Fbloomz-560m"
    )


def test_cluster_looks_lived_in(seeded):
    assert len(seeded.store.list(NODES)) == 4
    assert len(seeded.store.list(NODECLAIMS)) == 3
    assert [
        each["metadata"]["name"] for each in seeded.store.list(DEPLOYMENTS, "kaito-workspace")
    ] == [
        "gpu-provisioner",
        "kaito-workspace",
    ]


def test_store_keeps_real_time_afterwards(seeded):
    assert seeded.store.now == seeded.clock.now


def test_restored_cluster_is_not_seeded_again(tmp_path):
    first = build_cluster(tmp_path, seed=True)
    first.store.delete(WORKSPACES, "default", "llama-3-3-70b")
    first.keeper.save()

    second = build_cluster(tmp_path, seed=True)

    assert len(second.store.list(WORKSPACES)) == len(first.store.list(WORKSPACES))
