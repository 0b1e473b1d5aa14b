"""KAITO 0.7, which clusters may still run: Deployments, `/chat`, no state."""

from __future__ import annotations

import pytest

from sandbox.kaito.admission import validate_create, validate_update
from sandbox.kaito.crd import workspace_crd
from sandbox.kaito.fielderrors import render
from sandbox.kaito.releases import OLD, edition_of
from sandbox.kaito.systems import CONFIGS
from sandbox.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace, template_workspace

EDITION = edition_of("0.7")


def stage(workspace, edition=EDITION):
    theatre = Theatre(edition=edition)
    for name, key, text in CONFIGS:
        metadata = {"name": name, "namespace": "kaito-workspace"}
        theatre.store.create(CONFIGMAPS, {"metadata": metadata, "data": {key: text}}, manager="x")
    theatre.create(workspace)
    return theatre


def brief(theatre, name="phi"):
    conditions = theatre.workspace(name)["status"].get("conditions", [])
    return {each["type"]: (each["status"], each["reason"]) for each in conditions}


READY = {
    "NodeClaimReady": ("True", "NodeClaimsReady"),
    "NodesReady": ("True", "NodesReady"),
    "ResourceReady": ("True", "workspaceResourceStatusSuccess"),
    "InferenceReady": ("True", "WorkspaceInferenceStatusSuccess"),
    "WorkspaceSucceeded": ("True", "workspaceSucceeded"),
}


def test_preset_is_a_deployment_without_state_or_benchmark():
    theatre = stage(preset_workspace())

    theatre.run(40)

    assert brief(theatre) == READY
    assert sorted(theatre.workspace()["status"]) == [
        "conditions",
        "targetNodeCount",
        "workerNodes",
    ]
    assert theatre.store.list(STATEFULSETS) == []
    (deployment,) = theatre.store.list(DEPLOYMENTS)
    (replicas,) = theatre.store.list(REPLICASETS)
    (pod,) = theatre.store.list(PODS)
    assert deployment["status"]["readyReplicas"] == 1
    assert pod["metadata"]["name"].startswith(f"{replicas['metadata']['name']}-")
    assert replicas["metadata"]["name"].startswith("phi-")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["model-weights-downloader"]
    assert pod["spec"]["containers"][0]["image"].endswith("kaito-base:0.0.8")
    assert theatre.store.get(CONFIGMAPS, "default", "inference-params-template") is not None


def test_messages_carry_counts():
    theatre = stage(preset_workspace())
    theatre.run(3)
    waiting = theatre.condition("NodeClaimReady")["message"]

    theatre.run(40)

    assert waiting == (
        "Ready NodeClaims are not enough (TargetNodeClaims: 1, CurrentReadyNodeClaims: 0)"
    )
    assert theatre.condition("NodesReady")["message"] == (
        "Enough Nodes are ready (TargetNodes: 1, CurrentReadyNodes: 1, SelectedNodes: 1)"
    )
    assert [message for reason, message in theatre.events("phi") if reason == "NodeClaimCreated"][0].endswith("for workspace default/phi")  # fmt: skip


@pytest.mark.parametrize(
    ("runtime", "url"),
    [
        ("vllm", "http://models/vllm/phi-4"),
        ("transformers", "http://models/chat008/%2Fworkspace%2Fweights"),
    ],
)
def test_runtime_decides_the_server_and_transformers_is_the_older_one(runtime, url):
    annotations = {"metadata.annotations": {"kaito.sh/runtime": runtime}}
    theatre = stage(changed(preset_workspace(preset="phi-4"), annotations))

    theatre.run(40)

    (pod,) = theatre.store.list(PODS)
    assert theatre.cluster.models.get(pod["metadata"]["uid"]) == url


def test_service_leads_to_any_pod_of_the_workspace():
    theatre = stage(preset_workspace())
    theatre.run(40)

    service = theatre.store.get(SERVICES, "default", "phi")
    assert service["spec"]["selector"] == {"kaito.sh/workspace": "phi"}
    assert [port["name"] for port in service["spec"]["ports"]] == ["http", "ray", "dashboard"]


def test_large_preset_is_still_a_stateful_set():
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}
    workspace = changed(preset_workspace(preset="llama-3.3-70b-instruct"), options)
    theatre = stage(workspace)

    theatre.run(30)

    assert theatre.workspace()["status"]["targetNodeCount"] == 3
    assert theatre.store.list(DEPLOYMENTS) == []
    assert len(theatre.store.list(STATEFULSETS)) == 1


def test_template_is_a_deployment_that_is_not_rolled_out():
    theatre = stage(template_workspace())
    theatre.run(40)

    workspace = theatre.workspace("bloomz")
    workspace["inference"]["template"]["spec"]["containers"][0]["args"] += ["--new"]
    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(10)

    assert brief(theatre, "bloomz") == READY
    containers = theatre.store.list(DEPLOYMENTS)[0]["spec"]["template"]["spec"]["containers"]
    assert "--new" not in containers[0]["args"]


def test_waiting_for_the_model_is_no_condition_at_all():
    theatre = stage(template_workspace())

    theatre.run(15)

    assert set(brief(theatre, "bloomz")) == {"NodeClaimReady", "NodesReady", "ResourceReady"}


def test_deployment_that_makes_no_progress_fails_the_workspace_until_it_does():
    theatre = stage(template_workspace(image="example.azurecr.io/llm:does-not-exist"))
    theatre.run(120)
    failed, condition = brief(theatre, "bloomz"), theatre.condition("InferenceReady", "bloomz")

    deployment = theatre.store.list(DEPLOYMENTS)[0]
    containers = deployment["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8"
    theatre.store.update(DEPLOYMENTS, deployment, manager="kubectl")
    for pod in theatre.store.list(PODS):
        theatre.store.delete(PODS, "default", pod["metadata"]["name"], grace_s=0)
    theatre.run(60)

    assert failed["InferenceReady"] == ("False", "WorkspaceInferenceStatusFailed")
    assert failed["WorkspaceSucceeded"] == ("False", "workspaceFailed")
    replicas = condition["message"].split('"')[1]
    assert condition["message"] == (
        f'deployment bloomz is not progressing: ReplicaSet "{replicas}" has timed out progressing.'
    )
    assert brief(theatre, "bloomz") == READY


def test_estimate_that_fails_leaves_no_condition():
    workspace = changed(preset_workspace(), {"resource.instanceType": "Standard_D16s_v5"})
    theatre = stage(workspace)

    theatre.run(30)

    assert brief(theatre) == {}


def test_scaled_deployment_follows():
    theatre = stage(template_workspace())
    theatre.run(40)
    deployment = theatre.store.list(DEPLOYMENTS)[0]
    deployment["spec"]["replicas"] = 2

    theatre.store.update(DEPLOYMENTS, deployment, manager="kubectl")
    theatre.run(40)

    assert theatre.store.list(DEPLOYMENTS)[0]["status"]["readyReplicas"] == 2


def test_newer_kaito_replaces_the_deployment():
    theatre = stage(template_workspace())
    theatre.run(40)

    theatre.edition = edition_of("0.12")
    theatre.restart()
    theatre.run(5)
    for pod in theatre.store.list(PODS):
        theatre.store.delete(PODS, "default", pod["metadata"]["name"], grace_s=0)
    theatre.run(60)

    assert theatre.store.list(DEPLOYMENTS) == []
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"
    assert "WorkloadMigration" in [reason for reason, _ in theatre.events("bloomz")]


def errors_of(workspace):
    return render(validate_create(workspace, lambda *_: None, EDITION))


@pytest.mark.parametrize(
    ("workspace", "said"),
    [
        (preset_workspace(preset="falcon-7b"), ""),
        (preset_workspace(preset="phi-2"), ""),
        (template_workspace(), ""),
        (
            preset_workspace(preset="microsoft/phi-4"),
            "invalid value: Unsupported inference preset name microsoft/phi-4: inference.presetName",
        ),
        (
            preset_workspace(preset="gemma-3-4b-instruct"),
            "invalid value: Unsupported inference preset name gemma-3-4b-instruct: "
            "inference.presetName",
        ),
        (
            preset_workspace(preset="llama-3.1-8b-instruct"),
            "This preset requires a modelAccessSecret with HF_TOKEN key under presetOptions to "
            "download the model: ",
        ),
        (
            preset_workspace(**{"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}),
            "This preset does not require a modelAccessSecret with HF_TOKEN key under "
            "presetOptions: ",
        ),
        (
            preset_workspace(**{"metadata.annotations": {"kaito.sh/performance-mode": "odd"}}),
            "",
        ),
    ],
)
def test_create_rules(workspace, said):
    assert errors_of(workspace) == said


def test_size_is_simply_immutable():
    old = preset_workspace()
    new = changed(old, {"resource.instanceType": "Standard_NC40ads_H100_v5"})

    assert render(validate_update(new, old, EDITION)) == "field is immutable: resource.instanceType"


def test_definition_lacks_what_came_later():
    versions = {each["name"]: each for each in workspace_crd(OLD)["spec"]["versions"]}
    beta = versions["v1beta1"]["schema"]["openAPIV3Schema"]["properties"]

    assert sorted(beta["status"]["properties"]) == [
        "conditions",
        "targetNodeCount",
        "workerNodes",
    ]
    assert "partition" not in beta["resource"]["properties"]
    assert "State" not in [each["name"] for each in versions["v1beta1"]["additionalPrinterColumns"]]
    assert (versions["v1alpha1"]["served"], versions["v1beta1"]["storage"]) == (True, True)
