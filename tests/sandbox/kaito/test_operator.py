"""A preset from create to Ready, and what happens to its objects afterwards."""

from __future__ import annotations

from sandbox.clock import parse_time
from sandbox.kaito.releases import CURRENT
from sandbox.resources import (
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    EVENTS,
    NODECLAIMS,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)
from tests.sandbox.kaito.builders import (
    A100,
    Theatre,
    changed,
    preset_workspace,
    template_workspace,
)

PENDING = ("InferenceReady", "False", "WorkspaceInferenceStatusPending")


def test_preset_goes_through_conditions_in_order():
    theatre = Theatre()

    theatre.create(preset_workspace())
    theatre.run(60)

    assert theatre.seen == [
        ("NodesReady", "False", "NodeNotReady"),
        ("NodeClaimReady", "False", "NodeClaimNotReady"),
        ("ResourceReady", "False", "NodeClaimNotReady"),
        PENDING,
        ("WorkspaceSucceeded", "False", "workspacePending"),
        ("NodeClaimReady", "False", "AwaitingReconciliation"),
        ("ResourceReady", "False", "AwaitingReconciliation"),
        ("NodeClaimReady", "False", "NodeNotFound"),
        ("ResourceReady", "False", "NodeNotFound"),
        ("NodeClaimReady", "False", "NodeNotReady"),
        ("ResourceReady", "False", "NodeNotReady"),
        ("NodesReady", "False", "NodePluginsNotReady"),
        ("NodeClaimReady", "True", "NodeClaimsReady"),
        ("ResourceReady", "False", "NodePluginsNotReady"),
        ("NodesReady", "True", "NodesReady"),
        ("ResourceReady", "True", "workspaceResourceStatusSuccess"),
        ("InferenceReady", "True", "WorkspaceInferenceStatusSuccess"),
        ("WorkspaceSucceeded", "True", "workspaceSucceeded"),
        ("BenchmarkCompleted", "True", "BenchmarkCompleted"),
    ]
    assert [each["type"] for each in theatre.workspace()["status"]["conditions"]] == [
        "NodesReady",
        "NodeClaimReady",
        "ResourceReady",
        "InferenceReady",
        "WorkspaceSucceeded",
        "BenchmarkCompleted",
    ]
    assert {each["observedGeneration"] for each in theatre.workspace()["status"]["conditions"]} == {
        1
    }


def test_preset_is_ready_after_about_25_seconds():
    theatre = Theatre()
    theatre.create(preset_workspace())

    theatre.run(22)
    before = theatre.workspace()["status"]["state"]
    theatre.run(5)

    assert (before, theatre.workspace()["status"]["state"]) == ("Pending", "Ready")


def test_first_look_adds_finalizer_revision_and_target():
    theatre = Theatre()

    theatre.create(preset_workspace())
    theatre.run(0)

    workspace, revision = theatre.workspace(), theatre.store.list(CONTROLLERREVISIONS)[0]
    digest = revision["metadata"]["annotations"]["workspace.kaito.io/hash"]
    assert workspace["metadata"]["finalizers"] == ["workspace.finalizer.kaito.sh"]
    assert workspace["metadata"]["annotations"] == {
        "workspace.kaito.io/hash": digest,
        "workspace.kaito.io/revision": "1",
    }
    assert revision["metadata"]["name"] == f"phi-{digest[:5]}"
    assert workspace["status"]["targetNodeCount"] == 1
    assert workspace["status"]["state"] == "Pending"
    assert theatre.store.list(NODECLAIMS) == []


def test_node_claim_is_created_after_a_second_with_its_event():
    theatre = Theatre()
    theatre.create(preset_workspace())

    theatre.run(1)

    claim = theatre.store.list(NODECLAIMS)[0]
    assert claim["metadata"]["labels"] == {
        "karpenter.sh/nodepool": "kaito",
        "kaito.sh/workspace": "phi",
        "kaito.sh/workspacenamespace": "default",
        "apps": "phi",
    }
    assert claim["spec"]["resources"] == {"requests": {"storage": "87Gi"}}
    assert theatre.events("phi") == [
        (
            "NodeClaimCreated",
            f"Successfully created NodeClaim {claim['metadata']['name']} for workspace phi",
        )
    ]


def test_objects_of_a_ready_preset():
    theatre = Theatre()
    created = theatre.create(preset_workspace())
    theatre.run(60)

    owner = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "name": "phi",
        "uid": created["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    services = {each["metadata"]["name"]: each for each in theatre.store.list(SERVICES)}
    workload = theatre.store.get(STATEFULSETS, "default", "phi")
    assert sorted(services) == ["phi", "phi-headless"]
    assert services["phi"]["metadata"]["ownerReferences"] == [owner]
    assert services["phi"]["spec"]["type"] == "ClusterIP"
    assert [(p["name"], p["port"], p["targetPort"]) for p in services["phi"]["spec"]["ports"]] == [
        ("http", 80, 5000),
        ("ray", 6379, 6379),
        ("dashboard", 8265, 8265),
        ("kv-events", 5557, 5557),
    ]
    assert services["phi"]["spec"]["selector"] == {
        "kaito.sh/workspace": "phi",
        "statefulset.kubernetes.io/pod-name": "phi-0",
    }
    assert services["phi"]["spec"]["publishNotReadyAddresses"] is True
    assert services["phi-headless"]["spec"]["clusterIP"] == "None"
    assert "ports" not in services["phi-headless"]["spec"]
    assert workload["metadata"]["ownerReferences"] == [owner]
    assert workload["spec"]["serviceName"] == "phi-headless"
    assert workload["status"]["readyReplicas"] == 1


def test_pod_of_a_preset():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)

    pod = theatre.pod()
    main = pod["spec"]["containers"][0]
    node = theatre.store.list(NODES)[0]
    assert pod["metadata"]["labels"]["kaito.sh/workspace"] == "phi"
    assert "apps" not in pod["metadata"]["labels"]
    assert pod["spec"]["nodeName"] == node["metadata"]["name"]
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == A100
    assert node["metadata"]["labels"]["accelerator"] == "nvidia"
    assert (main["name"], main["image"]) == ("phi", CURRENT.base_image)
    assert main["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert "--served-model-name=phi-4-mini-instruct" in main["command"][2]
    assert theatre.workspace()["status"]["workerNodes"] == [node["metadata"]["name"]]
    assert [reason for reason, _ in theatre.events("phi-0")] == [
        "Scheduled",
        "Pulling",
        "Pulled",
        "Created",
        "Started",
        "Unhealthy",
    ]
    probes = [each for each in theatre.store.list(EVENTS) if each["reason"] == "Unhealthy"]
    assert [each["count"] for each in probes] == [3]


def test_pod_conditions_keep_their_times():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)

    conditions = {each["type"]: each for each in theatre.pod()["status"]["conditions"]}
    times = [
        parse_time(conditions[kind]["lastTransitionTime"]) for kind in ("PodScheduled", "Ready")
    ]
    assert (times[1] - times[0]).total_seconds() > 10


def test_performance_is_read_from_the_log():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)

    metric = theatre.workspace()["status"]["performance"]["metrics"]["peakTokensPerMinute"]
    result = next(line for line in theatre.log() if line.startswith("KAITO_BENCHMARK_RESULT"))
    assert f'"vllm_total_tpm":{metric["value"]}' in result
    assert metric["config"]["engine"] == "vllm"
    assert (metric["unit"], metric["description"]) == ("tokens/min", "stress/high-concurrency")


def test_benchmark_can_be_switched_off():
    theatre = Theatre()
    annotations = {"kaito.sh/disable-benchmark": "true"}
    theatre.create(changed(preset_workspace(), {"metadata.annotations": annotations}))

    theatre.run(60)

    status = theatre.workspace()["status"]
    assert status["state"] == "Ready"
    assert "performance" not in status
    assert "BenchmarkCompleted" not in [each["type"] for each in status["conditions"]]


def test_large_model_gets_the_estimated_nodes():
    theatre = Theatre()
    workspace = preset_workspace(preset="qwen2.5-coder-32b-instruct")

    theatre.create(workspace)
    theatre.run(60)

    assert theatre.workspace()["status"]["targetNodeCount"] == 2
    assert theatre.workspace()["status"]["state"] == "Ready"
    assert len(theatre.store.list(NODECLAIMS)) == 2
    assert len({pod["spec"]["nodeName"] for pod in theatre.store.list(PODS)}) == 2
    assert theatre.cluster.models.get(theatre.pod("phi-1")["metadata"]["uid"]) is None


def test_preset_on_unknown_size_never_progresses_and_shows_a_false_green():
    theatre = Theatre()

    theatre.create(changed(preset_workspace(), {"resource.instanceType": "Standard_D16s_v5"}))
    theatre.run(60)

    assert "targetNodeCount" not in theatre.workspace()["status"]
    assert theatre.condition("ResourceReady")["status"] == "True"
    assert theatre.condition("InferenceReady")["message"] == (
        "Inference workload is not ready (last reconcile error: failed to update Workspace status "
        "targetNodeCount: failed to calculate target node count: failed to get GPU config for "
        "instance type Standard_D16s_v5: unsupported SKU Standard_D16s_v5)"
    )
    assert theatre.store.list(NODECLAIMS) == []


def test_size_in_wrong_case_never_gets_ready_nodes():
    theatre = Theatre()
    workspace = template_workspace()
    theatre.create(changed(workspace, {"resource.instanceType": "standard_d16S_v5"}))
    node_seen = lambda: bool(theatre.store.list(NODES))  # noqa: E731
    theatre.run_until(node_seen)
    node = theatre.store.list(NODES)[0]
    node["metadata"]["labels"]["node.kubernetes.io/instance-type"] = "Standard_D16s_v5"
    theatre.store.update(NODES, node, manager="azure")

    theatre.run(60)

    assert theatre.condition("NodesReady", "bloomz")["reason"] == "NodeNotReady"
    assert theatre.condition("NodeClaimReady", "bloomz")["status"] == "True"


def test_named_secret_that_is_missing_blocks_a_hub_id():
    theatre = Theatre()
    workspace = preset_workspace(preset="meta-llama/Llama-3.1-8B-Instruct")
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}

    theatre.create(changed(workspace, options))
    theatre.run(60)

    assert theatre.condition("NodeClaimReady")["message"] == (
        "Enough NodeClaims are ready (last reconcile error: failed to build node estimate request: "
        "failed to get model by name meta-llama/Llama-3.1-8B-Instruct: failed to resolve access "
        'token from secret default/hf: secrets "hf" not found)'
    )


def test_secret_that_appears_later_lets_the_workspace_go_on():
    theatre = Theatre()
    workspace = preset_workspace(preset="meta-llama/Llama-3.1-8B-Instruct")
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}
    theatre.create(changed(workspace, options))
    theatre.run(20)
    secret = {"metadata": {"name": "hf", "namespace": "default"}, "data": {"HF_TOKEN": "aGZfeA=="}}

    theatre.store.create(SECRETS, secret, manager="test")
    theatre.run(60)

    assert theatre.workspace()["status"]["state"] == "Ready"
    assert "last reconcile error" not in str(theatre.workspace()["status"])


def test_deleted_objects_are_made_again():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)
    old = {kind: theatre.store.get(kind, "default", "phi") for kind in (SERVICES, STATEFULSETS)}

    for kind in (SERVICES, STATEFULSETS):
        theatre.store.delete(kind, "default", "phi")
    theatre.run(0)

    for kind, before in old.items():
        after = theatre.store.get(kind, "default", "phi")
        assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_deleted_pod_is_made_again_and_the_state_is_not_ready_meanwhile():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)
    before = theatre.pod()["metadata"]["uid"]

    theatre.store.delete(PODS, "default", "phi-0", grace_s=0)
    theatre.run(1)
    meanwhile = theatre.workspace()["status"]
    theatre.run(60)

    assert meanwhile["state"] == "NotReady"
    assert "performance" in meanwhile
    assert theatre.pod()["metadata"]["uid"] != before
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_edit_of_a_template_is_a_new_revision_but_is_not_rolled_out():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run(60)
    workspace = theatre.workspace("bloomz")
    workspace["inference"]["template"]["spec"]["containers"][0]["image"] = "kaito-base:0.0.9"

    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(60)

    annotations = theatre.workspace("bloomz")["metadata"]["annotations"]
    image = theatre.pod("bloomz-0")["spec"]["containers"][0]["image"]
    assert annotations["workspace.kaito.io/revision"] == "2"
    assert image == "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8"
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"
    assert theatre.condition("ResourceReady", "bloomz")["observedGeneration"] == 2


def test_adapter_added_later_reaches_the_pod_but_not_its_command():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)
    workspace = theatre.workspace()
    source = {"name": "style", "image": "example.com/adapters/style:1"}
    workspace["inference"]["adapters"] = [{"source": source}]

    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(1)
    theatre.store.delete(PODS, "default", "phi-0", grace_s=0)
    theatre.run(60)

    spec = theatre.pod()["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["puller-style"]
    assert "--enable-lora" not in spec["containers"][0]["command"][2]
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_adapter_that_breaks_an_update_rule_leaves_the_workspace_untouched():
    theatre = Theatre()

    theatre.create(changed(preset_workspace(), {"inference.adapters": [{"source": {"name": "x"}}]}))
    theatre.run(60)

    assert "finalizers" not in theatre.workspace()["metadata"]
    assert "status" not in theatre.workspace()


def test_target_is_never_worked_out_again():
    theatre = Theatre()
    theatre.create(preset_workspace(preset="qwen2.5-coder-32b-instruct"))
    theatre.run(60)
    config = {"inference_config.yaml": "vllm: {max-model-len: 150000}"}
    metadata = {"name": "config", "namespace": "default"}
    theatre.store.create(CONFIGMAPS, {"metadata": metadata, "data": config}, manager="test")
    workspace = theatre.workspace()
    workspace["inference"]["config"] = "config"

    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(60)

    assert theatre.workspace()["metadata"]["annotations"]["workspace.kaito.io/revision"] == "2"
    assert theatre.workspace()["status"]["targetNodeCount"] == 2


def test_configured_context_counts_for_the_estimate():
    theatre = Theatre()
    config = {"inference_config.yaml": "vllm: {max-model-len: 150000}"}
    metadata = {"name": "config", "namespace": "default"}
    theatre.store.create(CONFIGMAPS, {"metadata": metadata, "data": config}, manager="test")
    workspace = preset_workspace(preset="qwen2.5-coder-32b-instruct")

    theatre.create(changed(workspace, {"inference.config": "config"}))
    theatre.run(0)

    assert theatre.workspace()["status"]["targetNodeCount"] == 3


def test_template_with_two_replicas_starts_them_in_order():
    theatre = Theatre()
    theatre.create(changed(template_workspace(), {"resource.count": 2}))

    theatre.run_until(lambda: theatre.pod("bloomz-0") is not None)
    theatre.run(3)
    early = theatre.pod("bloomz-1")
    theatre.run(60)

    assert early is None
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"
    assert len({pod["spec"]["nodeName"] for pod in theatre.store.list(PODS)}) == 2


def test_deleted_node_takes_its_claim_and_is_replaced():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run(60)
    before = theatre.store.list(NODES)[0]["metadata"]["name"]

    theatre.store.delete(NODES, None, before)
    theatre.run(5)
    theatre.store.delete(PODS, "default", "bloomz-0", grace_s=0)
    theatre.run(60)

    assert before not in [each["metadata"]["name"] for each in theatre.store.list(NODES)]
    assert len(theatre.store.list(NODECLAIMS)) == 1
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"


def test_node_stays_until_its_pods_have_ended():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run(60)
    node = theatre.store.list(NODES)[0]["metadata"]["name"]

    theatre.store.delete(NODECLAIMS, None, theatre.store.list(NODECLAIMS)[0]["metadata"]["name"])
    theatre.run(30)
    held = theatre.store.get(NODES, None, node)
    theatre.store.delete(PODS, "default", "bloomz-0", grace_s=0)
    theatre.run(10)

    assert held["spec"]["unschedulable"] is True
    assert theatre.store.get(NODES, None, node) is None


def test_lost_node_claim_is_replaced():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)
    before = theatre.store.list(NODECLAIMS)[0]["metadata"]["name"]

    theatre.store.delete(NODECLAIMS, None, before)
    theatre.run_until(lambda: theatre.workspace()["status"]["state"] == "NotReady")
    theatre.store.delete(PODS, "default", "phi-0", grace_s=0)
    theatre.run(60)

    after = [claim["metadata"]["name"] for claim in theatre.store.list(NODECLAIMS)]
    assert len(after) == 1
    assert after != [before]
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_restart_in_the_middle_goes_on_where_it_was():
    plain, restarted = Theatre(), Theatre()
    for theatre in (plain, restarted):
        theatre.create(preset_workspace())

    plain.run(60)
    for _ in range(60):
        restarted.run(1)
        restarted.restart()

    assert restarted.workspace()["status"]["state"] == "Ready"
    assert restarted.seen == plain.seen
    assert [line.split("]")[-1] for line in restarted.log()] == [
        line.split("]")[-1] for line in plain.log()
    ]


def test_tuning_gets_its_node_and_waits():
    theatre = Theatre()
    tuning = {
        "preset": {"name": "phi-4"},
        "method": "lora",
        "input": {"urls": ["https://example.com/data"]},
        "output": {"volumeSource": {"emptyDir": {}}},
    }

    theatre.create(changed(preset_workspace(), {"inference": None, "tuning": tuning}))
    theatre.run(60)

    assert theatre.condition("ResourceReady")["status"] == "True"
    assert theatre.condition("JobStarted")["reason"] == "WorkspaceTuningJobStatusPending"
    assert theatre.store.list(STATEFULSETS) == []
