"""Raw objects in, frozen values out; whatever is missing or odd does not raise."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workspaces import builders
from tests.workspaces.builders import NOW
from workspaces import parsing
from workspaces.types import (
    Condition,
    ContainerState,
    Dialect,
    ParsedEvent,
    ParsedNodeClaim,
    ParsedPod,
    ParsedService,
    ParsedWorkload,
    ParsedWorkspace,
    Recipe,
    Runtime,
    WorkspaceStatus,
)

TFS = ["accelerate", "launch", "tfs/inference_api.py"]


def container(
    command=None, args=None, image="mcr.microsoft.com/aks/kaito/kaito-base:0.5.0", **more
):
    return {"name": "c", "image": image, "command": command or [], "args": args or [], **more}


def template(*containers):
    return {"spec": {"containers": list(containers)}}


def test_parse_workspace_is_whole():
    raw = builders.raw_workspace(
        annotations={"kaito.sh/runtime": "transformers", "kaitoweb/operation-id": "op"},
        metadata={"labels": {"a": "b"}, "deletionTimestamp": "2026-11-24T12:10:00Z"},
    )

    assert parsing.parse_workspace(raw) == ParsedWorkspace(
        uid="uid-team-a-phi-4",
        namespace="team-a",
        name="phi-4",
        resource_version="100",
        generation=1,
        recipe=Recipe.PRESET,
        model="microsoft/phi-4",
        runtime=Runtime.TRANSFORMERS,
        instance_type="Standard_NC24ads_A100_v4",
        count=1,
        status=WorkspaceStatus(),
        created_at=datetime(2026, 11, 24, 12, 3, tzinfo=UTC),
        deletion_requested_at=NOW,
        operation_id="op",
        labels={"a": "b"},
        annotations={"kaito.sh/runtime": "transformers", "kaitoweb/operation-id": "op"},
        finalizers=("workspace.finalizer.kaito.sh",),
    )


def test_parse_workspace_of_nothing_is_empty():
    parsed = parsing.parse_workspace({})

    assert (parsed.uid, parsed.name, parsed.model, parsed.recipe) == ("", "", "", Recipe.OTHER)
    assert (parsed.count, parsed.runtime, parsed.status) == (1, Runtime.VLLM, WorkspaceStatus())


@pytest.mark.parametrize(
    ("word", "runtime"),
    [
        ("vllm", Runtime.VLLM),
        ("transformers", Runtime.TRANSFORMERS),
        ("Transformers", Runtime.VLLM),
    ],
)
def test_runtime_is_vllm_unless_it_says_transformers_exactly(word, runtime):
    raw = builders.raw_workspace(annotations={"kaito.sh/runtime": word})

    assert parsing.parse_workspace(raw).runtime == runtime


def test_parse_status_is_whole():
    raw = builders.raw_workspace(status=builders.ready_status())

    status = parsing.parse_status(raw)

    assert (status.state, status.target_node_count) == ("Ready", 1)
    assert status.worker_nodes == ("aks-ws3f9c1a2b7-vmss000000",)
    assert status.peak_tokens_per_minute == "158400"
    assert len(status.conditions) == 6
    assert status.condition("ResourceReady") == Condition(
        type="ResourceReady",
        status="True",
        reason="ResourceReady",
        since=datetime(2026, 11, 24, 12, 6, tzinfo=UTC),
    )


def test_parse_status_takes_the_reconcile_error_out_once():
    error = "failed to get GPU config (no such SKU) (last reconcile error: really)"
    conditions = [
        builders.raw_condition("A", message=f"first (last reconcile error: {error})"),
        builders.raw_condition("B", message=f"(last reconcile error: {error})"),
        builders.raw_condition("C", message="untouched (in brackets)"),
    ]

    status = parsing.parse_status({"status": {"conditions": conditions}})

    assert status.reconcile_error == error
    assert [c.message for c in status.conditions] == ["first", "", "untouched (in brackets)"]


def test_unset_target_node_count_is_told_from_zero():
    assert parsing.parse_status({"status": {}}).target_node_count is None
    assert parsing.parse_status({"status": {"targetNodeCount": 0}}).target_node_count == 0


@pytest.mark.parametrize(
    ("inference", "recipe", "model"),
    [
        ({"preset": {"name": "phi-4"}}, Recipe.PRESET, "phi-4"),
        (
            {
                "template": template(
                    container(TFS, ["--pretrained_model_name_or_path", "bigscience/bloomz-560m"])
                )
            },
            Recipe.CPU_CONTAINER,
            "bigscience/bloomz-560m",
        ),
        (
            {
                "template": template(
                    container(
                        ["/bin/sh", "-c"],
                        ["cd /workspace && accelerate launch tfs/inference_api.py "
                         "--pretrained_model_name_or_path=org/m --torch_dtype float32"],
                    )
                )
            },
            Recipe.CPU_CONTAINER,
            "org/m",
        ),
        (
            {
                "template": template(
                    container(
                        TFS,
                        ["--pretrained_model_name_or_path", "org/m"],
                        resources={"limits": {"nvidia.com/gpu": 1}},
                    )
                )
            },
            Recipe.OTHER,
            "org/m",
        ),
        ({"template": template(container(["serve"], image="x/y:1"))}, Recipe.OTHER, "x/y:1"),
        ({}, Recipe.OTHER, ""),
    ],
)  # fmt: skip
def test_recipe_and_model_of_a_workspace(inference, recipe, model):
    parsed = parsing.parse_workspace({"inference": inference})

    assert (parsed.recipe, parsed.model) == (recipe, model)


def test_model_of_a_tuning_workspace_is_its_preset():
    parsed = parsing.parse_workspace({"tuning": {"preset": {"name": "phi-4"}}})

    assert (parsed.recipe, parsed.model) == (Recipe.OTHER, "phi-4")


def test_spec_of_another_kind_of_manifest_is_none():
    assert parsing.spec_from_manifest({"inference": {"template": template(container())}}) is None


def test_server_container_is_the_one_that_serves():
    sidecar, server = (
        container(["proxy"], image="x/y:1"),
        container(TFS, image="a/kaito-base:0.0.8"),
    )

    raw = {"spec": {"template": template(sidecar, server)}}

    assert parsing.parse_workload(raw).image == "a/kaito-base:0.0.8"


@pytest.mark.parametrize(
    ("image", "command", "dialect"),
    [
        ("mcr/kaito-base:0.5.0", "python3 /workspace/vllm/inference_api.py --port 5000", "openai-vllm"),
        ("mcr/kaito-base:0.0.8", "accelerate launch tfs/inference_api.py", "chat"),
        ("mcr/kaito-base:0.1.1", "accelerate launch /workspace/tfs/inference_api.py", "chat"),
        ("mcr/kaito-base:0.2.0", "accelerate launch tfs/inference_api.py", "openai-transformers"),
        ("mcr/kaito-base:1.0.0", "accelerate launch tfs/inference_api.py", "openai-transformers"),
        ("mcr/kaito-base:0.0.8@sha256:abc", "launch tfs/inference_api.py", "chat"),
        ("reg:5000/kaito-base:0.0.8", "launch tfs/inference_api.py", "chat"),
        ("mcr/kaito-falcon-7b:0.0.4", "launch tfs/inference_api.py", "chat"),
        ("mcr/kaito-base:latest", "launch tfs/inference_api.py", "unknown"),
        ("mcr/kaito-base", "launch tfs/inference_api.py", "unknown"),
        ("ollama/ollama:0.1", "serve", "unknown"),
    ],
)  # fmt: skip
def test_dialect_follows_from_command_and_image(image, command, dialect):
    assert parsing.dialect_of(container(["/bin/sh", "-c", command], image=image)) == dialect


def test_workspace_dialect_is_known_for_a_template_only():
    chat = container(TFS, image="mcr/kaito-base:0.0.8")

    assert parsing.workspace_dialect({"inference": {"template": template(chat)}}) == Dialect.CHAT
    assert parsing.workspace_dialect(builders.raw_workspace()) == Dialect.UNKNOWN


def test_parse_pod_is_whole():
    assert parsing.parse_pod(builders.crashing_pod(reason="OOMKilled", restarts=4)) == ParsedPod(
        uid="uid-pod-team-a-phi-4-0",
        namespace="team-a",
        name="phi-4-0",
        workspace="phi-4",
        phase="Running",
        node="aks-ws3f9c1a2b7-vmss000000",
        containers=(
            ContainerState(
                name="phi-4",
                image="mcr.microsoft.com/aks/kaito/kaito-base:0.5.0",
                phase="waiting",
                reason="CrashLoopBackOff",
                message="back-off 1m20s restarting",
                restarts=4,
                last_reason="OOMKilled",
                last_exit_code=137,
            ),
        ),
        created_at=datetime(2026, 11, 24, 12, 7, tzinfo=UTC),
    )


def test_parse_pod_lists_init_containers_first_and_falls_back_to_the_spec_for_images():
    raw = {
        "spec": {"initContainers": [{"name": "init", "image": "i:1"}], "containers": []},
        "status": {
            "initContainerStatuses": [
                {
                    "name": "init",
                    "state": {"terminated": {"exitCode": 0, "finishedAt": builders.stamp(NOW)}},
                }
            ],
            "containerStatuses": [builders.raw_container("main", ready=True)],
        },
    }

    init, main = parsing.parse_pod(raw).containers

    assert (init.name, init.is_init, init.image) == ("init", True, "i:1")
    assert (init.phase, init.exit_code, init.since) == ("terminated", 0, NOW)
    assert (main.name, main.is_init, main.is_ready, main.exit_code) == ("main", False, True, None)


def test_parse_node_claim_is_whole():
    launched = builders.raw_condition("Launched", "False", "LaunchFailed", "quota")
    raw = builders.raw_claim(node="n", conditions=[launched])
    key = "node.kubernetes.io/instance-type"
    raw["spec"] = {"requirements": [{"key": key, "operator": "In", "values": ["Standard_NC6"]}]}

    assert parsing.parse_node_claim(raw) == ParsedNodeClaim(
        uid="uid-claim-ws3f9c1a2b7",
        name="ws3f9c1a2b7",
        workspace_namespace="team-a",
        workspace="phi-4",
        instance_type="Standard_NC6",
        node="n",
        conditions=(
            Condition(
                type="Launched", status="False", reason="LaunchFailed", message="quota", since=NOW
            ),
        ),
        created_at=datetime(2026, 11, 24, 12, 4, tzinfo=UTC),
    )


def test_parse_node_claim_of_karpenter_is_joined_by_its_labels():
    labels = {
        "karpenter.kaito.sh/workspace-name": "phi-4",
        "karpenter.kaito.sh/workspace-namespace": "team-a",
        "node.kubernetes.io/instance-type": "Standard_NC6",
    }

    parsed = parsing.parse_node_claim({"metadata": {"name": "x", "labels": labels}})

    assert (parsed.workspace_namespace, parsed.workspace) == ("team-a", "phi-4")
    assert parsed.instance_type == "Standard_NC6"


def test_parse_service_is_whole():
    assert parsing.parse_service(builders.raw_service(address="203.0.113.7")) == ParsedService(
        uid="uid-service-team-a-phi-4",
        namespace="team-a",
        name="phi-4",
        type="LoadBalancer",
        cluster_ip="10.0.12.7",
        external_address="203.0.113.7",
        ports=(("http", 80),),
    )


def test_parse_service_knows_host_names_and_headless_ones():
    raw = {
        "spec": {"clusterIP": "None"},
        "status": {"loadBalancer": {"ingress": [{"hostname": "h"}]}},
    }

    parsed = parsing.parse_service(raw)

    assert (parsed.external_address, parsed.is_headless, parsed.type) == ("h", True, "ClusterIP")


def test_parse_workload_is_whole():
    raw = {
        "kind": "StatefulSet",
        "metadata": {"uid": "u", "namespace": "n", "name": "x"},
        "spec": {"replicas": 2, "template": template(container(["vllm/inference_api.py"]))},
        "status": {"readyReplicas": 1},
    }

    assert parsing.parse_workload(raw) == ParsedWorkload(
        uid="u",
        kind="StatefulSet",
        namespace="n",
        name="x",
        replicas=2,
        ready_replicas=1,
        image="mcr.microsoft.com/aks/kaito/kaito-base:0.5.0",
        dialect=Dialect.VLLM,
    )


def test_parse_event_is_whole():
    raw = builders.raw_event(
        "BackOff", "again", about="phi-4-0", kind="Pod", count=3, source="kubelet"
    )

    assert parsing.parse_event(raw) == ParsedEvent(
        uid=raw["metadata"]["uid"],
        namespace="team-a",
        object_kind="Pod",
        object_name="phi-4-0",
        reason="BackOff",
        message="again",
        source="kubelet",
        count=3,
        first_at=NOW,
        last_at=NOW,
        resource_version="400",
    )


def test_parse_event_of_the_newer_api():
    raw = {
        "metadata": {"uid": "u", "namespace": "default"},
        "involvedObject": {"kind": "NodeClaim", "name": "ws1"},
        "eventTime": "2026-11-24T12:10:00.000000Z",
        "series": {"count": 7, "lastObservedTime": "2026-11-24T12:11:00.000000Z"},
        "reportingComponent": "karpenter",
    }

    parsed = parsing.parse_event(raw)

    assert (parsed.namespace, parsed.count, parsed.source) == ("default", 7, "karpenter")
    assert (parsed.first_at, parsed.last_at) == (NOW, NOW.replace(minute=11))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T12:10:00Z", NOW),
        ("2026-11-24T13:10:00+01:00", NOW),
        ("2026-11-24T12:10:00.123456789Z", NOW.replace(microsecond=123456)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_moment_of_the_api(text, moment):
    assert parsing.moment(text) == moment


def test_redacted_keeps_all_but_secrets_and_copies():
    raw = builders.raw_workspace(
        annotations={
            "kubectl.kubernetes.io/last-applied-configuration": '{"a": "hf_AbCdEfGhIjKlMnOpQrSt"}',
            "note": "see https://u:pw@example.org/x and https://x.blob/y?sv=1&sig=abc%3D&se=2",
        },
        template=template(
            container(
                env=[
                    {"name": "HF_TOKEN", "value": "s3cret"},
                    {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
                ],
                args=["--header", "Authorization: Bearer abcdefghijk"],
            )
        ),
        metadata={"managedFields": [{}]},
    )

    clean = parsing.redacted(raw)

    metadata, spec = clean["metadata"], clean["inference"]["template"]["spec"]
    assert "managedFields" not in metadata
    assert metadata["annotations"] == {
        "note": "see https://[redacted]@example.org/x and https://x.blob/y?sv=1&sig=[redacted]&se=2"
    }
    assert spec["containers"][0]["env"] == [
        {"name": "HF_TOKEN", "value": "[redacted]"},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
    ]
    assert spec["containers"][0]["args"] == ["--header", "Authorization: Bearer [redacted]"]
    assert raw["metadata"]["managedFields"] == [{}]


def test_redacted_twice_is_redacted_once():
    raw = {"a": "https://u:pw@h/?sig=abc", "env": [{"name": "X_TOKEN", "value": "v"}]}

    assert parsing.redacted(parsing.redacted(raw)) == parsing.redacted(raw)


def test_carries_secret_tells_names_from_values():
    literal = {"env": [{"name": "HF_TOKEN", "value": "s3cret"}]}
    named = {"inference": {"preset": {"presetOptions": {"modelAccessSecret": "hf"}}}}

    assert parsing.carries_secret(literal) is True
    assert parsing.carries_secret(named) is False
    assert parsing.carries_secret({"env": [{"name": "HF_TOKEN", "value": "[redacted]"}]}) is False


def test_summarise_managers_names_fields_by_their_paths():
    fields = {
        "f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/name": {}}},
        "f:status": {"f:conditions": {'k:{"type":"Ready"}': {"f:status": {}}}},
        "f:list": {"v:x": {}, "i:0": {}},
    }
    older = {"manager": "kaitoweb", "operation": "Apply", "time": "2026-01-01T00:00:00Z"}
    newer = {
        "manager": "kubectl-edit",
        "operation": "Update",
        "time": "2026-02-01T00:00:00Z",
        "subresource": "status",
        "fieldsV1": fields,
    }

    assert parsing.summarise_managers({"metadata": {"managedFields": [older, newer]}}) == [
        {
            "manager": "kubectl-edit",
            "operation": "Update",
            "subresource": "status",
            "time": "2026-02-01T00:00:00Z",
            "paths": [
                "list[0]",
                "list[x]",
                "metadata.labels.app.kubernetes.io/name",
                'status.conditions[{"type":"Ready"}].status',
            ],
        },
        {
            "manager": "kaitoweb",
            "operation": "Apply",
            "subresource": "",
            "time": "2026-01-01T00:00:00Z",
            "paths": [],
        },
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "status",
                    "spec",
                    "resource",
                    "inference",
                    "template",
                    "containers",
                    "preset",
                    "name",
                    "conditions",
                    "type",
                    "state",
                    "count",
                    "labels",
                    "annotations",
                    "command",
                    "args",
                    "image",
                    "env",
                    "value",
                    "managedFields",
                    "fieldsV1",
                    "containerStatuses",
                    "waiting",
                    "restartCount",
                    "lastTransitionTime",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
KEYS = st.sampled_from(
    ["metadata", "status", "spec", "resource", "inference", "involvedObject", "series", "source"]
)


@given(raw=st.dictionaries(KEYS, JSON))
def test_no_parser_ever_raises(raw):
    for parse in (
        parsing.parse_workspace,
        parsing.parse_status,
        parsing.spec_from_manifest,
        parsing.parse_pod,
        parsing.parse_node_claim,
        parsing.parse_service,
        parsing.parse_workload,
        parsing.parse_event,
        parsing.redacted,
        parsing.carries_secret,
        parsing.summarise_managers,
        parsing.workspace_dialect,
    ):
        parse(raw)
