"""The status of a workspace as a function of what was seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.kaito.conditions import (
    CLAIMS_READY,
    NODES_READY,
    Snapshot,
    Verdict,
    cut,
    next_status,
    set_condition,
)
from sandbox.kaito.podtroubles import trouble_of

NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 3, 12, 5, tzinfo=UTC)
WS = {"metadata": {"name": "phi", "generation": 3}}
RESULT = {"metrics": {"peakTokensPerMinute": {"value": "1"}}}


def snapshot(**changes):
    seen = {"nodes": NODES_READY, "claims": CLAIMS_READY, "is_serving": True}
    return Snapshot(**(seen | changes))


def brief(status):
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_condition_keeps_its_time_until_the_status_changes():
    waiting, failing, ready = (
        Verdict("False", "Waiting", "a"),
        Verdict("False", "Failing", "b"),
        Verdict("True", "Ready", "c"),
    )
    conditions = set_condition([], "X", waiting, generation=1, now=NOON)

    told = set_condition(conditions, "X", failing, generation=2, now=LATER)
    changed = set_condition(told, "X", ready, generation=2, now=LATER)

    assert told == [
        {
            "type": "X",
            "status": "False",
            "observedGeneration": 2,
            "lastTransitionTime": "2026-11-03T12:00:00Z",
            "reason": "Failing",
            "message": "b",
        }
    ]
    assert changed[0]["lastTransitionTime"] == "2026-11-03T12:05:00Z"


def test_benchmark_failure_is_not_ready_though_it_serves():
    seen = snapshot(has_benchmark=True, benchmark_error="no result")

    status = next_status(WS, seen, NOON)

    assert status["state"] == "NotReady"
    assert brief(status)["InferenceReady"] == ("True", "WorkspaceInferenceStatusSuccess")
    assert brief(status)["BenchmarkCompleted"] == ("False", "BenchmarkFailed")
    assert brief(status)["WorkspaceSucceeded"] == ("False", "BenchmarkFailed")


def test_benchmark_is_written_once():
    first = next_status(WS, snapshot(has_benchmark=True, benchmark=RESULT), NOON)
    other = {"metrics": {"peakTokensPerMinute": {"value": "2"}}}

    second = next_status(
        WS | {"status": first}, snapshot(has_benchmark=True, benchmark=other), LATER
    )

    assert second == first


@pytest.mark.parametrize(
    ("before", "state"), [(None, "Pending"), ("Pending", "Pending"), ("Ready", "NotReady")]
)
def test_waiting_state_depends_on_what_was(before, state):
    workspace = WS | {"status": {"state": before} if before else {}}

    assert next_status(workspace, snapshot(is_serving=False), NOON)["state"] == state


def test_reconcile_error_ends_every_message():
    status = next_status(WS, snapshot(is_serving=False, error="oh"), NOON)

    assert {
        each["message"].endswith(" (last reconcile error: oh)") for each in status["conditions"]
    } == {True}
    assert {each["observedGeneration"] for each in status["conditions"]} == {3}


def test_resource_copies_the_claim_before_the_node():
    claims, nodes = Verdict("False", "ClaimReason", "c"), Verdict("False", "NodeReason", "n")

    both = next_status(WS, snapshot(claims=claims, nodes=nodes), NOON)
    only_nodes = next_status(WS, snapshot(nodes=nodes), NOON)

    assert brief(both)["ResourceReady"] == ("False", "ClaimReason")
    assert brief(only_nodes)["ResourceReady"] == ("False", "NodeReason")


def test_long_messages_are_cut():
    assert cut("x" * 256) == "x" * 256
    assert cut("x" * 257) == "x" * 256 + "..."


def pod(state=None, *, last=None, unschedulable=""):
    conditions = []
    if unschedulable:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        conditions = [condition | {"message": unschedulable}]
    container = {"name": "main", "state": state or {}, "lastState": last or {}}
    status = {"containerStatuses": [container], "conditions": conditions}
    return {"metadata": {"name": "phi-0"}, "status": status}


def waiting(reason):
    return {"waiting": {"reason": reason, "message": "m"}}


def evicted(message):
    status = {"phase": "Failed", "reason": "Evicted", "message": message}
    return {"metadata": {"name": "phi-0"}, "status": status}


ENDED = {"terminated": {"reason": "Error", "exitCode": 1}}
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        ([], None),
        ([pod()], None),
        ([pod(waiting("ContainerCreating"))], None),
        ([pod(waiting("ErrImagePull"))], "ImagePullError"),
        ([pod(waiting("CreateContainerConfigError"))], "ContainerStartError"),
        ([pod(waiting("CrashLoopBackOff"))], "ContainerCrashLoopBackOff"),
        ([pod(unschedulable="0/1 nodes")], "Unschedulable"),
        ([pod(waiting("CrashLoopBackOff"), last=KILLED)], "ContainerOOMKilled"),
        ([pod(waiting("CrashLoopBackOff")), pod(waiting("ImagePullBackOff"))], "ImagePullError"),
    ],
)
def test_trouble_is_found_in_kaitos_order(pods, reason):
    found = trouble_of(pods)

    assert (found.reason if found else None) == reason


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (pod(waiting("ErrImagePull")), 'container "main" image pull failed (ErrImagePull): m'),
        (
            pod(waiting("CreateContainerError")),
            'container "main" failed to start (CreateContainerError): m',
        ),
        (
            pod(waiting("CrashLoopBackOff"), last=ENDED),
            'container "main" is in CrashLoopBackOff; last termination: exit code 1',
        ),
        (
            pod(last=KILLED),
            'container "main" was OOMKilled (exit code 137); reduce memory usage or use a larger '
            "instance type",
        ),
        (pod(unschedulable="0/1 nodes"), 'pod "phi-0" is unschedulable: 0/1 nodes'),
        (
            evicted("The node was low on resource: ephemeral-storage."),
            'pod "phi-0" evicted due to node disk pressure: The node was low on resource: '
            "ephemeral-storage.",
        ),
        (
            evicted("The node was low on resource: memory."),
            'pod "phi-0" evicted due to node memory pressure: The node was low on resource: memory.',
        ),
        (evicted("PIDs ran out."), 'pod "phi-0" was evicted: PIDs ran out.'),
    ],
)
def test_trouble_is_told_in_kaitos_words(seen, said):
    assert trouble_of([seen]).message == said
