"""Presets, sizes, the node estimate and the CRDs."""

from __future__ import annotations

import pytest

from sandbox import schemas
from sandbox.kaito.crd import NODECLAIM_CRD, WORKSPACE_CRD
from sandbox.kaito.estimate import EstimateError, estimate_nodes
from sandbox.kaito.presets import (
    PRESETS,
    SKUS,
    find_preset,
    find_sku,
    is_valid_name,
    machine,
    model_of,
)
from tests.sandbox.kaito.builders import preset_workspace

A10, A100, H100 = "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5"
H100X8, H200X8 = "Standard_ND96isr_H100_v5", "Standard_ND96isr_H200_v5"

# Nodes on one A10, one A100, one H100, eight H100, eight H200: KAITO's formula on its catalogue.
NODES = [
    ("microsoft/phi-4", (2, 1, 1, 1, 1)),
    ("microsoft/Phi-4-mini-instruct", (1, 1, 1, 1, 1)),
    ("Qwen/Qwen2.5-Coder-7B-Instruct", (1, 1, 1, 1, 1)),
    ("Qwen/Qwen2.5-Coder-32B-Instruct", (4, 2, 1, 1, 1)),
    ("openai/gpt-oss-120b", (8, 3, 2, 1, 1)),
    ("meta-llama/Llama-3.3-70B-Instruct", (9, 3, 2, 1, 1)),
    ("google/gemma-3-27b-it", (4, 1, 1, 1, 1)),
    ("deepseek-ai/DeepSeek-R1-0528", (39, 11, 9, 2, 1)),
    ("deepseek-ai/DeepSeek-V4-Pro", (49, 14, 12, 2, 1)),
    ("google/gemma-4-26B-A4B-it", (3, 1, 1, 1, 1)),
    ("Qwen/Qwen3.5-9B", (2, 1, 1, 1, 1)),
    ("moonshotai/Kimi-K2.5", (34, 10, 8, 2, 1)),
]


@pytest.mark.parametrize(("name", "nodes"), NODES)
def test_estimate_is_kaitos(name, nodes):
    sizes = (A10, A100, H100, H100X8, H200X8)

    assert tuple(estimate_nodes(model_of(name), find_sku(size)) for size in sizes) == nodes


def test_long_context_needs_more_nodes_or_does_not_fit():
    model, sku = model_of("microsoft/phi-4"), find_sku(A10)

    assert estimate_nodes(model, sku, 16384) == 2
    with pytest.raises(EstimateError, match=r"^GPU memory 25769803776 bytes is too small"):
        estimate_nodes(model_of("google/gemma-4-31B-it"), sku, 32768)


def test_catalogue_is_complete():
    aliases = [preset.alias for preset in PRESETS if preset.alias]

    assert (len(PRESETS), len(aliases), len(SKUS)) == (60, 25, 14)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("phi-4", "microsoft/phi-4"),
        ("PHI-4", "microsoft/phi-4"),
        ("Microsoft/PHI-4", "microsoft/phi-4"),
        ("falcon-7b", None),
        ("org/unknown", None),
    ],
)
def test_preset_is_found_by_alias_or_id_in_any_case(name, found):
    preset = find_preset(name)

    assert (preset.name if preset else None) == found


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("phi-4", True), ("a/b", True), ("a/b/c", False), ("a/", False), ("/b", False), ("", False)],
)
def test_name_is_an_alias_or_has_one_slash(name, is_valid):
    assert is_valid_name(name) is is_valid


@pytest.mark.parametrize(
    ("model_id", "weights_gib"),
    [
        ("bigscience/bloomz-560m", 1.04),
        ("org/Model-7B-chat", 13.04),
        ("org/model-1.5b", 2.79),
        ("org/nameless", 13.04),
    ],
)
def test_size_of_an_unknown_model_is_read_off_its_name(model_id, weights_gib):
    assert model_of(model_id).weights_gib == weights_gib


def test_machine_of_a_size_outside_the_catalogue():
    sku = machine("Standard_D16s_v5")

    assert (sku.vcpus, sku.memory_gib, sku.gpus, sku.family) == (16, 64, 0, "standardDSv5Family")


def schema(crd, version):
    row = next(each for each in crd["spec"]["versions"] if each["name"] == version)
    return row["schema"]["openAPIV3Schema"]


def test_schema_defaults_count_and_access_mode():
    workspace = preset_workspace()
    del workspace["resource"]["count"], workspace["inference"]["preset"]["accessMode"]

    schemas.set_defaults(workspace, schema(WORKSPACE_CRD, "v1beta1"))

    assert workspace["resource"]["count"] == 1
    assert workspace["inference"]["preset"]["accessMode"] == "public"
    assert workspace["resource"].get("instanceType") == A100


def test_only_the_old_version_defaults_the_size():
    for version, size in (("v1alpha1", A100), ("v1beta1", None)):
        workspace = preset_workspace()
        del workspace["resource"]["instanceType"]

        schemas.set_defaults(workspace, schema(WORKSPACE_CRD, version))

        assert workspace["resource"].get("instanceType") == size


def test_schema_requires_what_kaito_requires():
    workspace = {"resource": {}, "tuning": {}, "inference": {"preset": {}}}

    causes = schemas.check(workspace, schema(WORKSPACE_CRD, "v1beta1"))

    assert sorted(cause.field for cause in causes) == [
        "inference.preset.name",
        "resource.labelSelector",
        "tuning.input",
        "tuning.output",
    ]


def test_printer_columns():
    rows = {each["name"]: each for each in WORKSPACE_CRD["spec"]["versions"]}
    names = {
        version: [column["name"] for column in row["additionalPrinterColumns"]]
        for version, row in rows.items()
    }

    shared = ["Instance", "ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded"]
    assert names == {
        "v1alpha1": [*shared, "Age"],
        "v1beta1": [*shared, "TargetNodeCount", "State", "Age"],
    }
    assert [row["storage"] for row in rows.values()] == [False, True]
    assert NODECLAIM_CRD["spec"]["scope"] == "Cluster"
