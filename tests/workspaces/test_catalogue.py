import pytest

from workspaces import catalogue
from workspaces.catalogue import Gated


def test_catalogue_has_the_sixty_presets_of_kaito_0_12():
    assert len(catalogue.presets()) == 60
    assert sum(1 for preset in catalogue.presets() if preset.alias) == 25


@pytest.mark.parametrize("name", ["phi-4", "PHI-4", " microsoft/phi-4 ", "Microsoft/Phi-4"])
def test_preset_is_found_by_alias_and_id_in_any_case(name):
    assert catalogue.preset(name).name == "microsoft/phi-4"


def test_preset_tells_what_people_must_know_before_they_choose():
    llama = catalogue.preset("llama-3.1-8b-instruct")

    assert (llama.short_name, llama.publisher) == ("Llama-3.1-8B-Instruct", "meta-llama")
    assert (llama.gated, llama.licence, llama.parameters) == (Gated.YES, "Llama 3.1", "8B")
    assert (llama.weights_gib, llama.context_tokens) == (14.96, 131_072)


def test_mistral_base_model_does_not_chat():
    assert [p.name for p in catalogue.presets() if not p.chats] == ["mistralai/Mistral-7B-v0.3"]


def test_names_kaito_refuses_are_not_presets():
    assert catalogue.preset("falcon-7b") is None
    assert catalogue.preset("falcon-7b/instruct") is None


# Examples of the document that kaitoweb began with which KAITO 0.12 refuses.
@pytest.mark.parametrize(
    "name",
    [
        "deepseek-r1",
        "falcon-7b",
        "falcon-40b",
        "gemma-3-4b",
        "gemma-3-12b",
        "gemma-3-27b",
        "llama-3-8b",
        "llama-3-70b",
        "llama-3.1-8b",
        "llama-3.1-70b",
        "llama-3.1-405b",
        "mistral-nemo-12b",
        "mistral-large-2-123b",
        "phi-3-mini",
        "phi-3-medium",
        "qwen-2.5-7b",
        "qwen-2.5-72b",
        "qwen-2.5-coder-32b",
        "phi-2",
    ],
)
def test_retired_name_points_to_what_can_be_asked_for(name):
    instead = catalogue.retired(name).instead

    assert catalogue.preset(name) is None
    assert all(catalogue.preset(n) or catalogue.is_hugging_face_id(n) for n in instead)
    assert instead != ()


@pytest.mark.parametrize("name", ["phi-4", "mistral-7b"])
def test_names_of_the_original_document_that_still_work_are_not_retired(name):
    assert catalogue.retired(name) is None
    assert catalogue.preset(name) is not None


def test_instance_type_is_found_in_any_case_and_told_in_the_canonical_one():
    assert catalogue.instance_type("standard_d16S_V5").name == "Standard_D16s_v5"
    assert catalogue.instance_type("Standard_T4") is None


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("Standard_NC24ads_A100_v4", "1 × A100 80 GiB"),
        ("Standard_ND96isr_H200_v5", "8 × H200 141 GiB"),
        ("Standard_D16s_v5", "16 vCPU, 64 GiB"),
    ],
)
def test_instance_type_summary(name, summary):
    assert catalogue.instance_type(name).summary == summary


@pytest.mark.parametrize(
    ("model", "served"),
    [
        ("mistral-7b", "mistral-7b-v0.3"),
        (catalogue.preset("gemma-3-4b-instruct"), "gemma-3-4b-it"),
        ("Org/Some-Model", "some-model"),
    ],
)
def test_served_name_is_the_last_part_in_lower_case(model, served):
    assert catalogue.served_name(model) == served


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("tiiuae/falcon-7b", True),
        (" a/b ", True),
        ("falcon", False),
        ("a/b/c", False),
        ("../x", False),
        ("a/", False),
    ],
)
def test_is_hugging_face_id(text, claim):
    assert catalogue.is_hugging_face_id(text) is claim


@pytest.mark.parametrize(
    ("model", "count"),
    [
        ("bigscience/bloomz-560m", 560_000_000),
        ("facebook/opt-1.3b", 1_300_000_000),
        ("HuggingFaceTB/SmolLM2-135M", 135_000_000),
        ("google/gemma-4-E4B-it", None),
        ("gpt2", None),
    ],
)
def test_guess_parameters_reads_the_name(model, count):
    assert catalogue.guess_parameters(model) == count
