"""Payloads, compared whole."""

from io import StringIO

import pytest
import yaml as yaml_1_1
from ruamel.yaml import YAML

from workspaces import manifests, parsing
from workspaces.types import (
    ContainerChoice,
    PresetChoice,
    Recipe,
    Runtime,
    Stamp,
    WorkspaceSpec,
)

PRESET = WorkspaceSpec(
    name="phi-4",
    namespace="team-a",
    recipe=Recipe.PRESET,
    instance_type="Standard_NC24ads_A100_v4",
    match_labels=(("apps", "phi-4"),),
    preset=PresetChoice(name="phi-4-mini-instruct"),
)
CPU = WorkspaceSpec(
    name="bloomz-560m-workspace",
    namespace="kaito-custom-cpu-inference",
    recipe=Recipe.CPU_CONTAINER,
    instance_type="Standard_D16s_v5",
    match_labels=(("app", "custom-cpu-model"),),
    container=ContainerChoice(model_id="bigscience/bloomz-560m"),
    load_balancer=True,
)


def test_workspace_manifest_of_preset_is_whole():
    assert manifests.workspace_manifest(PRESET) == {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {
            "name": "phi-4",
            "namespace": "team-a",
            "labels": {"app.kubernetes.io/managed-by": "kaitoweb"},
        },
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": "phi-4"}},
        },
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
    }


def test_workspace_manifest_of_preset_with_everything_is_whole():
    spec = WorkspaceSpec(
        name="llama",
        namespace="team-a",
        recipe=Recipe.PRESET,
        instance_type="Standard_NC48ads_A100_v4",
        count=2,
        preset=PresetChoice(name="llama-3.1-8b-instruct", access_secret="hf"),
        runtime=Runtime.TRANSFORMERS,
        load_balancer=True,
    )

    stamp = Stamp(operation_id="5b4e", person_key="u7")

    assert manifests.workspace_manifest(spec, stamp=stamp) == {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {
            "name": "llama",
            "namespace": "team-a",
            "labels": {"app.kubernetes.io/managed-by": "kaitoweb"},
            "annotations": {
                "kaito.sh/enablelb": "True",
                "kaito.sh/runtime": "transformers",
                "kaitoweb/operation-id": "5b4e",
                "kaitoweb/last-applied-by": "u7",
            },
        },
        "resource": {
            "count": 2,
            "instanceType": "Standard_NC48ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": "llama"}},
        },
        "inference": {
            "preset": {
                "name": "llama-3.1-8b-instruct",
                "presetOptions": {"modelAccessSecret": "hf"},
            }
        },
    }


def test_workspace_manifest_of_cpu_container_is_whole():
    assert manifests.workspace_manifest(CPU) == {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {
            "name": "bloomz-560m-workspace",
            "namespace": "kaito-custom-cpu-inference",
            "labels": {"app.kubernetes.io/managed-by": "kaitoweb"},
            "annotations": {"kaito.sh/enablelb": "True"},
        },
        "resource": {
            "instanceType": "Standard_D16s_v5",
            "labelSelector": {"matchLabels": {"app": "custom-cpu-model"}},
        },
        "inference": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "custom-llm-container",
                            "image": "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8",
                            "workingDir": "/workspace",
                            "command": ["accelerate"],
                            "args": [
                                "launch",
                                "--num_processes",
                                "1",
                                "--num_machines",
                                "1",
                                "tfs/inference_api.py",
                                "--pipeline",
                                "text-generation",
                                "--pretrained_model_name_or_path",
                                "bigscience/bloomz-560m",
                                "--torch_dtype",
                                "float32",
                                "--allow_remote_files",
                            ],
                            "env": [
                                {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
                                {"name": "TRANSFORMERS_VERBOSITY", "value": "info"},
                                {"name": "OMP_NUM_THREADS", "value": "4"},
                            ],
                            "resources": {
                                "requests": {"cpu": "2", "memory": "8Gi"},
                                "limits": {"cpu": "4", "memory": "16Gi"},
                            },
                            "livenessProbe": {
                                "httpGet": {"path": "/health", "port": 5000},
                                "initialDelaySeconds": 300,
                                "periodSeconds": 30,
                                "failureThreshold": 3,
                            },
                            "readinessProbe": {
                                "httpGet": {"path": "/health", "port": 5000},
                                "initialDelaySeconds": 60,
                                "periodSeconds": 10,
                                "failureThreshold": 3,
                            },
                            "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],
                        }
                    ],
                    "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
                }
            }
        },
    }


def test_workspace_manifest_labels_the_cpu_node_by_app_when_not_told():
    spec = WorkspaceSpec(
        name="m",
        namespace="n",
        recipe=Recipe.CPU_CONTAINER,
        instance_type="Standard_D16s_v5",
        container=ContainerChoice(model_id="a/b"),
    )

    made = manifests.workspace_manifest(spec)

    assert made["resource"]["labelSelector"] == {"matchLabels": {"app": "m"}}


@pytest.mark.parametrize(
    "spec",
    [
        PRESET,
        CPU,
        WorkspaceSpec(
            name="llama",
            namespace="n",
            recipe=Recipe.PRESET,
            instance_type="Standard_NC96ads_A100_v4",
            count=3,
            match_labels=(("apps", "a"), ("zone", "b")),
            preset=PresetChoice(name="llama-3.1-8b-instruct", access_secret="hf"),
            runtime=Runtime.TRANSFORMERS,
            load_balancer=True,
        ),
        WorkspaceSpec(
            name="tiny",
            namespace="n",
            recipe=Recipe.CPU_CONTAINER,
            instance_type="Standard_D8s_v5",
            match_labels=(("app", "tiny"),),
            container=ContainerChoice(
                model_id="org/tiny",
                dtype="bfloat16",
                image="example.org/kaito-base:0.1.1",
                cpu_request="1",
                cpu_limit="2",
                memory_request="1Gi",
                memory_limit="2Gi",
            ),
        ),
    ],
    ids=lambda spec: spec.name,
)
def test_workspace_manifest_round_trips(spec):
    stamp = Stamp(operation_id="1", person_key="u1")

    assert parsing.spec_from_manifest(manifests.workspace_manifest(spec, stamp=stamp)) == spec


def test_workspace_manifest_needs_a_choice():
    spec = WorkspaceSpec(name="m", namespace="n", recipe=Recipe.PRESET, instance_type="x")

    with pytest.raises(ValueError, match="preset or a container"):
        manifests.workspace_manifest(spec)


def test_stamped_leaves_the_original_alone():
    manifest = {"metadata": {"name": "m", "annotations": {"a": "b"}}}

    fresh = manifests.stamped(manifest, Stamp(operation_id="1", person_key="u1"))

    assert manifest == {"metadata": {"name": "m", "annotations": {"a": "b"}}}
    assert fresh["metadata"]["annotations"] == {
        "a": "b",
        "kaitoweb/operation-id": "1",
        "kaitoweb/last-applied-by": "u1",
    }


def test_without_none_drops_only_none():
    value = {"a": None, "b": [{"c": None, "d": 0}], "e": "", "f": {}}

    assert manifests.without_none(value) == {"b": [{"d": 0}], "e": "", "f": {}}


@pytest.mark.parametrize("word", ["yes", "No", "on", "1:30", "010", "1_000", "0x1f", "1e3", "true"])
def test_to_yaml_is_read_alike_by_both_yaml_versions(word):
    text = manifests.to_yaml({"metadata": {"labels": {"app": word}}})

    assert yaml_1_1.safe_load(text) == {"metadata": {"labels": {"app": word}}}
    assert YAML(typ="safe").load(StringIO(text)) == {"metadata": {"labels": {"app": word}}}


def test_to_yaml_keeps_the_whole_manifest_in_order():
    manifest = manifests.workspace_manifest(CPU)

    text = manifests.to_yaml(manifest)

    assert yaml_1_1.safe_load(text) == manifest
    assert list(yaml_1_1.safe_load(text)) == list(manifest)
    assert text.splitlines()[:3] == ["apiVersion: kaito.sh/v1beta1", "kind: Workspace", "metadata:"]
