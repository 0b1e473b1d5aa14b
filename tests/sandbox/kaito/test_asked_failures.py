"""Failures that are asked for by an annotation, and how each of them heals."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.kaito import failures
from sandbox.kaito.failures import FAIL_ANNOTATION
from sandbox.resources import EVENTS, NODECLAIMS, NODES, PODS, WORKSPACES
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace, template_workspace


def failing(failure, **changes):
    return changed(
        preset_workspace(), {"metadata.annotations": {FAIL_ANNOTATION: failure}} | changes
    )


def annotate(theatre, resource, name, failure):
    namespace = "default" if resource.namespaced else None
    obj = theatre.store.get(resource, namespace, name)
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations.pop(FAIL_ANNOTATION, None)
    if failure:
        annotations[FAIL_ANNOTATION] = failure
    theatre.store.update(resource, obj, manager="test")


def heal(theatre):
    annotate(theatre, WORKSPACES, "phi", "")


def state(theatre):
    return theatre.workspace()["status"]["state"]


def launched(theatre):
    claim = theatre.store.list(NODECLAIMS)[0]
    return next(each for each in claim["status"]["conditions"] if each["type"] == "Launched")


def main_status(theatre):
    return theatre.pod()["status"]["containerStatuses"][0]


def end_pod(theatre):
    """What the kubelet does once the containers of a deleted pod have stopped."""
    theatre.store.delete(PODS, "default", "phi-0", grace_s=0)


@pytest.mark.parametrize(
    ("failure", "reason", "fragment"),
    [
        ("capacity", "ZonalAllocationFailure", "ZonalAllocationFailed: Allocation failed."),
        ("sku-unavailable", "SKUNotAvailable", "SkuNotAvailable: The requested VM size"),
        ("cloud-auth", "CreateInstanceFailed", "AuthorizationFailed: The client"),
    ],
)
def test_refusal_of_azure_reaches_the_workspace_until_it_is_lifted(failure, reason, fragment):
    theatre = Theatre()
    theatre.create(failing(failure))
    theatre.run(8)
    told, ready = theatre.condition("ResourceReady"), launched(theatre)

    heal(theatre)
    theatre.run(90)

    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert told["reason"] == reason
    assert fragment in told["message"]
    assert state(theatre) == "Ready"


def test_lack_of_capacity_makes_the_names_of_node_claims_churn():
    theatre, names = Theatre(), set()
    theatre.create(failing("capacity"))

    for _ in range(40):
        theatre.run(1)
        names |= {claim["metadata"]["name"] for claim in theatre.store.list(NODECLAIMS)}

    assert len(names) >= 3
    reasons = {each["reason"] for each in theatre.store.list(EVENTS)}
    assert "InsufficientCapacityError" in reasons
    assert len(theatre.store.list(NODECLAIMS)) <= 1


def test_refused_node_claim_is_an_event_of_the_workspace():
    theatre = Theatre()
    theatre.create(failing("claim-refused"))
    theatre.run(4)
    told = [each for each in theatre.told if each["reason"] == "NodeClaimCreationFailed"]

    heal(theatre)
    theatre.run(40)

    assert told[0]["type"] == "Warning"
    assert told[0]["involvedObject"]["kind"] == "Workspace"
    assert "nodeclaims.karpenter.sh is forbidden" in told[0]["message"]
    assert state(theatre) == "Ready"


def test_node_that_does_not_become_ready():
    theatre = Theatre()
    theatre.create(failing("node-not-ready"))
    theatre.run(60)
    node, nodes = theatre.store.list(NODES)[0], theatre.condition("NodesReady")
    claims = theatre.condition("NodeClaimReady")

    heal(theatre)
    theatre.run(60)

    assert node["status"]["conditions"][-1]["reason"] == "KubeletNotReady"
    assert (nodes["status"], nodes["reason"]) == ("False", "NodeNotReady")
    assert (claims["reason"], claims["message"]) == ("NodeNotReady", "Node status is NotReady")
    assert state(theatre) == "Ready"


def test_missing_gpu_plugin():
    theatre = Theatre()
    theatre.create(failing("gpu-plugin"))
    theatre.run(60)
    nodes, resource = theatre.condition("NodesReady"), theatre.condition("ResourceReady")
    claims = theatre.condition("NodeClaimReady")

    heal(theatre)
    theatre.run(60)

    assert (nodes["reason"], nodes["message"]) == (
        "NodePluginsNotReady",
        "waiting all node plugins to be ready",
    )
    assert claims["status"] == "True"
    assert resource["reason"] == "NodePluginsNotReady"
    assert state(theatre) == "Ready"


@pytest.mark.parametrize(
    ("failure", "reason", "code", "told"),
    [
        ("oom", "OOMKilled", 137, "ContainerOOMKilled"),
        ("cuda-oom", "Error", 1, "ContainerCrashLoopBackOff"),
    ],
)
def test_memory_that_runs_out_while_loading(failure, reason, code, told):
    theatre = Theatre()
    theatre.create(failing(failure))
    theatre.run(45)
    ended = main_status(theatre)["lastState"]["terminated"]
    log = theatre.cluster.logbook.previous(theatre.pod()["metadata"]["uid"], "phi")
    condition = theatre.condition("InferenceReady")

    heal(theatre)
    theatre.run(120)

    assert (ended["reason"], ended["exitCode"]) == (reason, code)
    assert condition["reason"] == told
    has_traceback = any("torch.OutOfMemoryError" in line.text for line in log.lines)
    assert has_traceback == (failure == "cuda-oom")
    assert state(theatre) == "Ready"
    assert main_status(theatre)["restartCount"] > 0


def test_stalled_download_holds_the_port_and_goes_on_when_healed():
    theatre = Theatre()
    theatre.create(failing("download-stalls"))
    theatre.run(60)
    waiting, url = state(theatre), theatre.cluster.models.get(theatre.pod()["metadata"]["uid"])
    probes = [each for each in theatre.store.list(EVENTS) if each["reason"] == "Unhealthy"]

    heal(theatre)
    theatre.run(20)

    assert waiting == "Pending"
    assert url == "http://models/vllm-loading/phi-4-mini-instruct"
    assert any("no bytes received" in line for line in theatre.log())
    assert probes[0]["count"] > 10
    assert state(theatre) == "Ready"
    assert main_status(theatre)["restartCount"] == 0


def test_stalled_download_ends_with_the_patience_of_the_startup_probe():
    theatre = Theatre()
    theatre.create(failing("download-stalls"))

    theatre.run(160)

    assert ("Killing", "Container phi failed startup probe, will be restarted") in theatre.events(
        "phi-0"
    )
    assert main_status(theatre)["lastState"]["terminated"]["exitCode"] == 137


def test_failed_benchmark_is_not_ready_though_the_model_answers():
    theatre = Theatre()
    theatre.create(failing("benchmark"))
    theatre.run(40)
    benchmark, url = (
        theatre.condition("BenchmarkCompleted"),
        theatre.cluster.models.get(theatre.pod()["metadata"]["uid"]),
    )
    failed, inference = state(theatre), theatre.condition("InferenceReady")["status"]

    heal(theatre)
    end_pod(theatre)
    theatre.run(60)

    assert (benchmark["status"], benchmark["reason"]) == ("False", "BenchmarkFailed")
    assert benchmark["message"] == (
        "pod default/phi-0: benchmark failed: TPM value -1 indicates a failed or incomplete run"
    )
    assert (failed, inference) == ("NotReady", "True")
    assert url == "http://models/vllm/phi-4-mini-instruct"
    assert theatre.condition("BenchmarkCompleted")["status"] == "True"
    assert state(theatre) == "Ready"
    assert theatre.workspace()["status"]["performance"]["metrics"]["peakTokensPerMinute"]["value"]


def test_server_that_dies_while_it_serves():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(40)
    annotate(theatre, WORKSPACES, "phi", "crash")
    theatre.run(12)
    crashed, condition = state(theatre), theatre.condition("InferenceReady")

    heal(theatre)
    theatre.run(60)

    assert crashed == "NotReady"
    assert condition["reason"] == "ContainerCrashLoopBackOff"
    assert state(theatre) == "Ready"


def test_evicted_pod_is_told_and_replaced():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(40)
    annotate(theatre, WORKSPACES, "phi", "evicted")
    theatre.run(2)
    evicted, condition = theatre.pod(), theatre.condition("InferenceReady")
    heal(theatre)
    theatre.run(4)
    end_pod(theatre)

    theatre.run(60)

    assert (evicted["status"]["phase"], evicted["status"]["reason"]) == ("Failed", "Evicted")
    assert condition["reason"] == "PodEvicted"
    assert condition["message"].startswith('pod "phi-0" was evicted: ')
    assert "RecreatingFailedPod" in [reason for reason, _ in theatre.events("phi")]
    assert theatre.pod()["metadata"]["uid"] != evicted["metadata"]["uid"]
    assert state(theatre) == "Ready"


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        ("disk-pressure", "DiskPressure", "NodeDiskPressure"),
        ("memory-pressure", "MemoryPressure", "NodeMemoryPressure"),
    ],
)
def test_node_short_of_something_evicts_and_is_warned_of(failure, kind, reason):
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(40)
    node = theatre.store.list(NODES)[0]["metadata"]["name"]
    annotate(theatre, NODES, node, failure)
    theatre.run(2)
    inference, nodes = theatre.condition("InferenceReady"), theatre.condition("NodesReady")
    theatre.run(4)
    end_pod(theatre)
    theatre.run(15)
    unplaced = theatre.condition("InferenceReady")

    annotate(theatre, NODES, node, "")
    theatre.run(60)

    assert inference["reason"] == reason
    assert nodes["message"] == (
        f"Enough Nodes are ready; warning: worker node(s) under resource pressure: {node} ({kind})"
    )
    assert unplaced["reason"] == "Unschedulable"
    assert "had untolerated taint" in unplaced["message"]
    assert theatre.condition("NodesReady")["message"] == "Enough Nodes are ready"
    assert state(theatre) == "Ready"


def test_lost_node_makes_the_model_unready_until_it_is_back():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(40)
    node = theatre.store.list(NODES)[0]["metadata"]["name"]
    annotate(theatre, NODES, node, "lost")
    theatre.run(2)
    lost, nodes = state(theatre), theatre.condition("NodesReady")
    url = theatre.cluster.models.get(theatre.pod()["metadata"]["uid"])

    annotate(theatre, NODES, node, "")
    theatre.run(15)

    assert (lost, nodes["reason"], url) == ("NotReady", "NodeNotReady", None)
    assert state(theatre) == "Ready"
    assert theatre.cluster.models.get(theatre.pod()["metadata"]["uid"]) is not None
    assert main_status(theatre)["restartCount"] == 0


def test_template_may_fail_too():
    theatre = Theatre()
    theatre.create(
        changed(template_workspace(), {"metadata.annotations": {FAIL_ANNOTATION: "oom"}})
    )

    theatre.run(40)

    assert theatre.condition("InferenceReady", "bloomz")["reason"] == "ContainerOOMKilled"


def test_page_for_people_names_every_failure():
    page = Path("docs/sandbox.md").read_text()
    words = {value for name, value in vars(failures).items() if name.isupper()}

    assert {word for word in words if f"`{word}`" not in page} <= {FAIL_ANNOTATION}
