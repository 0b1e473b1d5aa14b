import pytest

from workspaces import catalogue
from workspaces.preflight import fitting, naming
from workspaces.preflight.problems import Level
from workspaces.preflight.rules import Surroundings, spec_problems
from workspaces.types import ContainerChoice, PresetChoice, Recipe, Runtime, WorkspaceSpec

AROUND = Surroundings(
    namespaces=("default", "team-a"), taken_names={"taken", "taken-2"}, suggested_name="phi-4"
)


def preset_spec(model="phi-4", secret="", **fields):
    given = {
        "name": "phi-4",
        "namespace": "team-a",
        "instance_type": "Standard_NC24ads_A100_v4",
        **fields,
    }
    return WorkspaceSpec(
        recipe=Recipe.PRESET, preset=PresetChoice(name=model, access_secret=secret), **given
    )


def container_spec(instance_type="Standard_D16s_v5", **choice):
    return WorkspaceSpec(
        recipe=Recipe.CPU_CONTAINER,
        name="bloomz",
        namespace="team-a",
        instance_type=instance_type,
        container=ContainerChoice(**{"model_id": "bigscience/bloomz-560m", **choice}),
    )


def problems(spec):
    """(field, level, what the mends set) of each problem."""
    return [
        (p.field, p.level.value, [m.value for m in p.mends]) for p in spec_problems(spec, AROUND)
    ]


@pytest.mark.parametrize("spec", [preset_spec(), container_spec()])
def test_a_good_wish_has_no_problem(spec):
    assert problems(spec) == []


@pytest.mark.parametrize(
    ("name", "words", "mend"),
    [
        ("", "Give the workspace a name.", "phi-4"),
        ("llama-3.1-8b-instruct", "Lower-case letters, digits and hyphens only.", "llama-3-1-8b-instruct"),
        ("Phi", "Lower-case letters, digits and hyphens only.", "phi"),
        ("4phi", "Start with a letter: the Service of the same name must.", "m-4phi"),
        ("-phi", "Start with a letter: the Service of the same name must.", "phi"),
        ("phi-", "End with a letter or a digit.", "phi"),
        ("日本", "Lower-case letters, digits and hyphens only.", "phi-4"),
        ("a" * 53, "52 characters at most, this has 53: its pods would never be made.", "a" * 52),
        ("taken", "team-a already has a workspace of this name.", "taken-3"),
        ("Taken", "Lower-case letters, digits and hyphens only.", "taken-3"),
    ],
)  # fmt: skip
def test_name_is_refused_with_the_reason_and_a_mend(name, words, mend):
    (problem,) = spec_problems(preset_spec(name=name), AROUND)

    assert (problem.field, problem.level, problem.message) == ("name", Level.ERROR, words)
    assert [(m.field, m.value, m.label) for m in problem.mends] == [("name", mend, f"Use {mend}")]


@pytest.mark.parametrize("name", ["a", "phi-4", "a" * 52, "a0-9z"])
def test_name_is_accepted(name):
    assert problems(preset_spec(name=name)) == []


def test_free_name_stays_within_the_limit():
    long = "a" * 52

    assert naming.free_name(long, {long}) == "a" * 50 + "-2"


@pytest.mark.parametrize(
    ("namespace", "level"),
    [("", "error"), ("Team", "error"), ("a" * 64, "error"), ("team-b", "warning")],
)
def test_namespace_is_judged(namespace, level):
    assert problems(preset_spec(namespace=namespace)) == [("namespace", level, [])]


@pytest.mark.parametrize(
    ("model", "level", "mends"),
    [
        ("", "error", []),
        ("falcon-7b", "error", ["tiiuae/falcon-7b"]),
        ("llama-3.1-8b", "error", ["llama-3.1-8b-instruct"]),
        ("qwen2.5-coder-7b", "error", ["qwen2.5-coder-7b-instruct", "qwen2.5-coder-32b-instruct"]),
        ("tiiuae/falcon-7b", "warning", []),
        ("mistral-7b", "hint", ["mistral-7b-instruct"]),
    ],
)
def test_model_is_judged(model, level, mends):
    assert problems(preset_spec(model)) == [("preset", level, mends)]


def test_gated_model_without_a_secret_is_a_warning_since_kaito_admits_it():
    assert problems(preset_spec("llama-3.1-8b-instruct")) == [("secret", "warning", [])]
    assert problems(preset_spec("llama-3.1-8b-instruct", secret="hf-token")) == []


def test_secret_name_is_judged():
    assert problems(preset_spec(secret="HF_TOKEN")) == [("secret", "error", [])]


@pytest.mark.parametrize(
    ("machine", "level", "mends"),
    [
        ("", "error", ["Standard_NC24ads_A100_v4"]),
        ("Standard_T4", "error", ["Standard_NC24ads_A100_v4"]),
        ("standard_nc24ads_a100_v4", "error", ["Standard_NC24ads_A100_v4"]),
        ("Standard_D16s_v5", "error", ["Standard_NC24ads_A100_v4"]),
        ("Standard_NG32ads_V620_v1", "error", ["Standard_NC24ads_A100_v4"]),
        ("Standard_NV36ads_A10_v5", "hint", []),
    ],
)
def test_machine_of_a_preset_is_judged(machine, level, mends):
    assert problems(preset_spec(instance_type=machine)) == [("instance_type", level, mends)]


def test_several_nodes_are_said():
    (problem,) = spec_problems(preset_spec(instance_type="Standard_NV36ads_A10_v5"), AROUND)

    assert problem.message == (
        "KAITO will take 2 machines of this type: the model does not fit into one."
    )


def test_transformers_runtime_needs_a_model_that_has_it():
    spec = preset_spec("phi-4-mini-instruct", runtime=Runtime.TRANSFORMERS)

    assert problems(spec) == [("runtime", "error", ["vllm"])]


def test_transformers_runtime_cannot_spread_over_nodes():
    spec = preset_spec(
        "qwen2.5-coder-32b-instruct",
        runtime=Runtime.TRANSFORMERS,
        instance_type="Standard_NV36ads_A10_v5",
    )

    assert problems(spec) == [("instance_type", "error", ["Standard_NC24ads_A100_v4"])]


@pytest.mark.parametrize(
    ("machine", "level", "mends"),
    [
        ("standard_d16s_v5", "error", ["Standard_D16s_v5"]),
        ("Standard_B2s", "error", ["Standard_D16s_v5"]),
        ("Standard_D4ads_v6", "warning", []),
    ],
)
def test_machine_of_a_container_is_judged(machine, level, mends):
    assert problems(container_spec(machine)) == [("instance_type", level, mends)]


def test_container_larger_than_its_machine_is_refused():
    spec = container_spec("Standard_D8s_v5", memory_limit="32Gi")

    assert problems(spec) == [("instance_type", "error", ["Standard_D16s_v5"])]


@pytest.mark.parametrize(
    ("choice", "field", "level", "mends"),
    [
        ({"model_id": "bigscience/bloomz-7b"}, "memory_limit", "error", ["32Gi"]),
        ({"model_id": ""}, "model_id", "error", []),
        ({"model_id": "bloomz"}, "model_id", "error", []),
        ({"image": ""}, "image", "error", []),
        ({"dtype": "int4"}, "dtype", "error", []),
        ({"dtype": "float16"}, "dtype", "warning", ["float32"]),
        ({"cpu_limit": "1"}, "cpu_limit", "error", []),
        ({"cpu_limit": "some"}, "cpu_limit", "error", []),
        ({"memory_limit": "4Gi"}, "memory_limit", "error", []),
        ({"memory_limit": "16 GB"}, "memory_limit", "error", []),
    ],
)
def test_container_is_judged(choice, field, level, mends):
    assert problems(container_spec(**choice)) == [(field, level, mends)]


def test_container_that_would_be_killed_is_told_how_much_it_needs():
    (problem,) = spec_problems(container_spec(model_id="bigscience/bloomz-7b"), AROUND)

    assert problem.message == (
        "In float32 the model takes about 31.3 GiB:"
        " with this limit Kubernetes would kill it while it loads."
    )


def test_public_address_is_a_warning():
    assert problems(preset_spec(load_balancer=True)) == [("load_balancer", "warning", [])]


@pytest.mark.parametrize(
    ("label", "count"),
    [
        ("", 0),
        ("apps=phi-4", 0),
        ("example.com/app=x", 0),
        ("apps", 1),
        ("kaito.sh/workspace=x", 1),
    ],
)
def test_label_is_judged(label, count):
    assert len(list(naming.label_problems(label))) == count


def test_fits_rank_one_machine_with_room_and_few_gpus_first():
    fits = fitting.fits_for_preset(catalogue.preset("llama-3.1-8b-instruct"), Runtime.VLLM)

    assert [f.machine.name for f in fits[:3]] == [
        "Standard_NC24ads_A100_v4",
        "Standard_NC40ads_H100_v5",
        "Standard_NCC40ads_H100_v5",
    ]
    tight = next(f for f in fits if f.machine.name == "Standard_NV36ads_A10_v5")
    assert (tight.tone, tight.percent, tight.note) == (
        "tight",
        92,
        "Room for about 15k tokens, weights on the OS disk",
    )


def test_fits_for_container_begin_with_the_walkthroughs_machine():
    fits = fitting.fits_for_container(ContainerChoice(model_id="bigscience/bloomz-560m"))

    assert [f.machine.name for f in fits[:2]] == ["Standard_D16s_v5", "Standard_D8s_v5"]
    assert [f.machine.name for f in fits if f.trouble] == []
