import math

import pytest

from workspaces import catalogue, estimator

MACHINES = (
    "Standard_NV36ads_A10_v5",
    "Standard_NC24ads_A100_v4",
    "Standard_NC40ads_H100_v5",
    "Standard_ND96isr_H100_v5",
    "Standard_ND96isr_H200_v5",
)
# KAITO 0.12's formula on its own catalogue: nodes on A10 24 GiB, A100 80, H100 94, 8 H100 640, 8 H200 1128.
NODES = """
microsoft/phi-4 2/1/1/1/1
microsoft/Phi-4-mini-instruct 1/1/1/1/1
deepseek-ai/DeepSeek-R1-Distill-Llama-8B 1/1/1/1/1
deepseek-ai/DeepSeek-R1-Distill-Qwen-14B 2/1/1/1/1
microsoft/Phi-3-mini-4k-instruct 1/1/1/1/1
microsoft/Phi-3-mini-128k-instruct 1/1/1/1/1
microsoft/Phi-3-medium-4k-instruct 2/1/1/1/1
microsoft/Phi-3-medium-128k-instruct 2/1/1/1/1
microsoft/Phi-3.5-mini-instruct 1/1/1/1/1
Qwen/Qwen2.5-Coder-7B-Instruct 1/1/1/1/1
Qwen/Qwen2.5-Coder-32B-Instruct 4/2/1/1/1
openai/gpt-oss-20b 2/1/1/1/1
openai/gpt-oss-120b 8/3/2/1/1
meta-llama/Llama-3.1-8B-Instruct 1/1/1/1/1
meta-llama/Llama-3.3-70B-Instruct 9/3/2/1/1
mistralai/Mistral-7B-v0.3 1/1/1/1/1
mistralai/Mistral-7B-Instruct-v0.3 1/1/1/1/1
mistralai/Ministral-3-3B-Instruct-2512 1/1/1/1/1
mistralai/Ministral-3-8B-Instruct-2512 1/1/1/1/1
mistralai/Ministral-3-14B-Instruct-2512 1/1/1/1/1
google/gemma-3-4b-it 1/1/1/1/1
google/gemma-3-27b-it 4/1/1/1/1
deepseek-ai/DeepSeek-R1-0528 39/11/9/2/1
deepseek-ai/DeepSeek-V3-0324 39/11/9/2/1
mistralai/Mistral-Large-3-675B-Instruct-2512 39/11/9/2/1
nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16 14/4/4/1/1
nvidia/Nemotron-Cascade-2-30B-A3B 4/1/1/1/1
nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 4/1/1/1/1
nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16 2/1/1/1/1
nvidia/NVIDIA-Nemotron-Nano-9B-v2 2/1/1/1/1
nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16 1/1/1/1/1
Qwen/Qwen3-8B-AWQ 1/1/1/1/1
google/gemma-4-31B-it 4/1/1/1/1
google/gemma-4-26B-A4B-it 3/1/1/1/1
google/gemma-4-E4B-it 1/1/1/1/1
google/gemma-4-E2B-it 1/1/1/1/1
mistralai/Mistral-Small-4-119B-2603 7/2/2/1/1
mistralai/Mistral-Small-4-119B-2603-NVFP4 4/2/1/1/1
Qwen/Qwen3.5-2B 1/1/1/1/1
Qwen/Qwen3.5-4B 1/1/1/1/1
Qwen/Qwen3.5-9B 2/1/1/1/1
Qwen/Qwen3.5-122B-A10B-GPTQ-Int4 5/2/2/1/1
Qwen/Qwen3.5-122B-A10B 15/4/4/1/1
Qwen/Qwen3.6-35B-A3B-FP8 3/1/1/1/1
Qwen/Qwen3.6-35B-A3B 5/2/1/1/1
Qwen/Qwen3.6-27B 4/1/1/1/1
Qwen/Qwen3.5-397B-A17B-GPTQ-Int4 14/4/4/1/1
moonshotai/Kimi-K2.5 34/10/8/2/1
moonshotai/Kimi-K2.6 34/10/8/2/1
MiniMaxAI/MiniMax-M2.7 14/4/4/1/1
mistralai/Mistral-Medium-3.5-128B 8/3/2/1/1
deepseek-ai/DeepSeek-V4-Flash-0731 10/3/3/1/1
deepseek-ai/DeepSeek-V4-Pro 49/14/12/2/1
google/gemma-4-12B-it 2/1/1/1/1
zai-org/GLM-5.2-FP8 43/12/10/2/1
moonshotai/Kimi-K2.7-Code 34/10/8/2/1
nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4 20/6/5/1/1
deepseek-ai/DeepSeek-V3.2 39/11/9/2/1
ibm-granite/granite-4.1-8b 1/1/1/1/1
Qwen/Qwen3.8-27B 4/1/1/1/1
"""
TABLE = [
    (model, machine, int(nodes))
    for model, counts in (line.split() for line in NODES.strip().splitlines())
    for machine, nodes in zip(MACHINES, counts.split("/"), strict=True)
]


@pytest.mark.parametrize(("model", "machine", "nodes"), TABLE)
def test_estimate_nodes_equals_kaitos_count(model, machine, nodes):
    estimate = estimator.estimate_nodes(catalogue.preset(model), catalogue.instance_type(machine))

    assert estimate.nodes == nodes


def test_estimate_nodes_table_covers_the_whole_catalogue():
    assert {model for model, _, _ in TABLE} == {preset.name for preset in catalogue.presets()}


def test_estimate_shows_its_working():
    estimate = estimator.estimate_nodes(
        catalogue.preset("llama-3.1-8b-instruct"),
        catalogue.instance_type("Standard_NC24ads_A100_v4"),
    )

    assert f"{estimate.needed_bytes / 2**30:.1f}" == "18.6"
    assert f"{estimate.usable_bytes / 2**30:.1f}" == "67.2"
    assert (estimate.nodes, estimate.gpus, estimate.percent) == (1, 1, 28)


def test_estimate_needs_never_more_than_it_takes():
    for preset in catalogue.presets():
        for machine in (m for m in catalogue.instance_types() if m.has_gpu):
            estimate = estimator.estimate_nodes(preset, machine)

            assert 0 < estimate.needed_bytes <= estimate.usable_bytes


def test_estimate_nodes_grows_with_the_context():
    preset = catalogue.preset("google/gemma-4-31B-it")
    machine = catalogue.instance_type("Standard_NC24ads_A100_v4")

    assert estimator.estimate_nodes(preset, machine).nodes == 1
    assert estimator.estimate_nodes(preset, machine, context=50_000).nodes == 4


def test_estimate_nodes_refuses_a_reserve_that_fills_the_gpu():
    preset = catalogue.preset("google/gemma-4-31B-it")
    machine = catalogue.instance_type("Standard_NV36ads_A10_v5")

    answer = estimator.estimate_nodes(preset, machine, context=100_000)

    assert answer == estimator.EstimateError(
        text="Each GPU has 24 GiB; 93.9 GiB of it would go to the reserve alone,"
        " and vLLM may use 20.2 GiB."
    )


def test_estimate_nodes_refuses_a_machine_without_gpu():
    answer = estimator.estimate_nodes(
        catalogue.preset("phi-4"), catalogue.instance_type("Standard_D16s_v5")
    )

    assert answer == estimator.EstimateError(text="This machine has no GPU.")


def test_container_bytes_of_bloomz_560m_in_float32():
    assert estimator.container_bytes(560_000_000, "float32") == 2_688_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("16Gi", 16 * 2**30), ("1.5G", 1_500_000_000), ("512", 512), ("16 GB", None), ("", None)),
        *(("9" * 400, None), ("\u0663Gi", None)),
    ],
)
def test_parse_quantity(text, expected):
    assert estimator.parse_quantity(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2.0), ("500m", 0.5), ("0.5", 0.5), ("two", None), ("9" * 400, None)],
)
def test_parse_cpu(text, expected):
    answer = estimator.parse_cpu(text)

    assert answer == expected if expected is None else math.isclose(answer, expected)
