"""Without node auto-provisioning: a workspace finds the cluster's own nodes by their labels."""

from __future__ import annotations

import pytest

from sandbox.kaito.admission import validate_create, validate_update
from sandbox.kaito.fielderrors import render
from sandbox.kaito.releases import edition_of
from sandbox.kaito.systems import gpu_node
from sandbox.resources import NODECLAIMS, NODES, PODS, STATEFULSETS, WORKSPACES
from tests.sandbox.kaito.builders import (
    START,
    Theatre,
    changed,
    preset_workspace,
    template_workspace,
)

BYO = edition_of("0.12", "byo")
LABELS = {"apps": "phi"}


def own_node(index=0, labels=LABELS, **changes):
    node = gpu_node(index, START)
    node["metadata"]["labels"] |= labels
    return changed(node, changes)


def byo_workspace(**changes):
    return changed(preset_workspace(), {"resource.instanceType": None} | changes)


def stage(*nodes, edition=BYO):
    theatre = Theatre(edition=edition)
    for node in nodes:
        theatre.store.create(NODES, node, manager="test")
    return theatre


def relabel(theatre, node, **labels):
    stored = theatre.store.get(NODES, None, node["metadata"]["name"])
    stored["metadata"]["labels"] = {
        key: value
        for key, value in (stored["metadata"]["labels"] | labels).items()
        if value is not None
    }
    theatre.store.update(NODES, stored, manager="test")


def brief(theatre):
    conditions = theatre.workspace()["status"]["conditions"]
    return {each["type"]: (each["status"], each["reason"]) for each in conditions}


def nudge(theatre):
    """KAITO does not watch nodes: any change of the workspace makes it look."""
    workspace = theatre.workspace()
    workspace["metadata"].setdefault("annotations", {})["look"] = "again"
    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(1)


def test_preset_runs_on_a_node_that_is_there():
    node = own_node()
    theatre = stage(node)

    theatre.create(byo_workspace())
    theatre.run(40)

    assert brief(theatre) == {
        "NodesReady": ("True", "NodesReady"),
        "ResourceReady": ("True", "workspaceResourceStatusSuccess"),
        "InferenceReady": ("True", "WorkspaceInferenceStatusSuccess"),
        "BenchmarkCompleted": ("True", "BenchmarkCompleted"),
        "WorkspaceSucceeded": ("True", "workspaceSucceeded"),
    }
    assert theatre.workspace()["status"]["workerNodes"] == [node["metadata"]["name"]]
    assert theatre.store.list(NODECLAIMS) == []
    limits = theatre.pod()["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "1"}


def test_too_few_nodes_until_one_more_is_labelled():
    first, second = own_node(0), own_node(1, labels={})
    theatre = stage(first, second)
    theatre.create(byo_workspace(**{"inference.preset.name": "qwen2.5-coder-32b-instruct"}))
    theatre.run(10)
    told, condition = brief(theatre), theatre.condition("ResourceReady")

    relabel(theatre, second, apps="phi")
    theatre.run(60)

    assert theatre.workspace()["status"]["targetNodeCount"] == 2
    assert told["NodesReady"] == ("False", "NodeNotReady")
    assert (condition["reason"], condition["message"]) == (
        "workspaceResourceStatusNotReady",
        "node status condition not ready",
    )
    assert theatre.workspace()["status"]["state"] == "Ready"
    assert len(theatre.store.list(PODS)) == 2


def test_node_that_loses_its_label_keeps_the_pod_but_not_the_readiness():
    node = own_node()
    theatre = stage(node)
    theatre.create(byo_workspace())
    theatre.run(40)

    relabel(theatre, node, apps=None)
    theatre.run(5)
    unnoticed = theatre.workspace()["status"]["state"]
    nudge(theatre)
    noticed, nodes = theatre.workspace()["status"]["state"], brief(theatre)["NodesReady"]
    relabel(theatre, node, apps="phi")
    theatre.run(5)

    assert (unnoticed, noticed) == ("Ready", "NotReady")
    assert nodes == ("False", "NodeNotReady")
    assert theatre.pod()["status"]["phase"] == "Running"
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_deleting_a_workspace_leaves_the_nodes():
    theatre = stage(own_node())
    theatre.create(byo_workspace())
    theatre.run(40)

    theatre.store.delete(WORKSPACES, "default", "phi")
    theatre.run(10)

    assert theatre.workspace() is None
    assert len(theatre.store.list(NODES)) == 1


def test_second_workspace_finds_no_free_gpu():
    theatre = stage(own_node())
    theatre.create(byo_workspace())
    theatre.run(40)

    theatre.create(byo_workspace(**{"metadata.name": "other"}))
    theatre.run(40)

    assert theatre.condition("InferenceReady", "other")["message"] == (
        'pod "other-0" is unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.'
    )


def test_own_node_that_fits_saves_a_node_claim():
    theatre = stage(own_node(), edition=edition_of("0.12"))

    theatre.create(preset_workspace())
    theatre.run(40)

    assert theatre.store.list(NODECLAIMS) == []
    assert theatre.workspace()["status"]["state"] == "Ready"


NODE = own_node()["metadata"]["name"]
OTHER = own_node(1)["metadata"]["name"]
GPU = "metadata.labels"
CREATE_ROWS = [
    (byo_workspace(), [own_node()], ""),
    (byo_workspace(), [], "No nodes found matching the specified label selector: "),
    (template_workspace(**{"resource.instanceType": None}), [], ""),
    (
        preset_workspace(),
        [own_node()],
        "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO "
        "scenario): spec.resource.instanceType",
    ),
    (
        byo_workspace(),
        [own_node(labels={"nvidia.com/gpu.count": "2"}), own_node(1)],
        f"Non-uniform GPU count: node {OTHER} has 1 GPUs, but previous node has 2 GPUs: ",
    ),
    (
        byo_workspace(),
        [own_node(), own_node(1, labels={"nvidia.com/gpu.product": "NVIDIA-A10"})],
        f"Non-uniform GPU product: node {OTHER} has NVIDIA-A10 GPUs, but previous node has "
        f"{own_node()['metadata']['labels']['nvidia.com/gpu.product']} GPUs, all nodes must have "
        "the same GPU product for homogeneous placement: ",
    ),
    (
        byo_workspace(),
        [own_node(), own_node(1, labels={"nvidia.com/gpu.memory": "24576"})],
        f"Non-uniform GPU memory: node {OTHER} has 24 GB memory, but previous node has 80 GB "
        "memory: ",
    ),
    (
        byo_workspace(),
        [{"metadata": {"name": NODE, "labels": {}}}],
        f"Failed to get GPU config from nvidia labels on node {NODE}: nvidia.com/gpu.product label "
        f"not found on node {NODE}: ",
    ),
    (
        byo_workspace(
            **{
                "metadata.annotations": {"kaito.sh/runtime": "transformers"},
                "inference.preset.name": "llama-3.3-70b-instruct",
            }
        ),
        [own_node(), own_node(1)],
        "Multi-node distributed inference is not supported with Huggingface Transformers runtime: ",
    ),
    (
        byo_workspace(**{"resource.partition": {"mode": "mig", "profile": "1g.10gb"}}),
        [own_node()],
        "MIG support is not enabled, set the feature gate enableMIG=true: resource.partition.mode",
    ),
]


@pytest.mark.parametrize(("workspace", "nodes", "said"), CREATE_ROWS)
def test_create_rules(workspace, nodes, said):
    errors = validate_create(workspace, lambda *_: None, BYO, lambda _labels: nodes)

    assert render(errors) == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, None, ""),
        ("Standard_X", "Standard_X", ""),
        ("Standard_X", None, ""),
        (
            None,
            "Standard_X",
            "instanceType cannot be set when node auto-provisioning is disabled: "
            "resource.instanceType",
        ),
    ],
)
def test_update_rules(old, new, said):
    before = byo_workspace(**({"resource.instanceType": old} if old else {}))
    after = byo_workspace(**({"resource.instanceType": new} if new else {}))

    assert render(validate_update(after, before, BYO)) == said


def test_set_scaled_beyond_the_nodes_waits_for_another():
    theatre = stage(own_node())
    theatre.create(byo_workspace())
    theatre.run(40)
    owner = theatre.store.get(STATEFULSETS, "default", "phi")
    owner["spec"]["replicas"] = 2
    theatre.store.update(STATEFULSETS, owner, manager="test")
    theatre.run(15)
    waiting = theatre.condition("InferenceReady")["reason"]

    theatre.store.create(NODES, own_node(1), manager="test")
    theatre.run(60)

    assert waiting == "Unschedulable"
    assert theatre.workspace()["status"]["state"] == "Ready"
