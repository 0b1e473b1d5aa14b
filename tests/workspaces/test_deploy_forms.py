from datetime import timedelta

import pytest

from tests.workspaces.builders import (
    make_cluster,
    make_operation,
    make_transition,
    make_workspace,
)
from workspaces import manifests
from workspaces.forms import deploy_page
from workspaces.forms.choosing import model_choice
from workspaces.types import ContainerChoice, PresetChoice, Recipe, Runtime, WorkspaceSpec

pytestmark = pytest.mark.django_db
NAMESPACES = ["default", "kaito-custom-cpu-inference", "kube-system", "team-a"]


@pytest.fixture
def cluster():
    return make_cluster(namespaces=NAMESPACES, default_namespace="team-a")


def values_of(page):
    """What a browser would send back."""
    form = page.form
    return {
        field.html_name: str(field.value() or "") for field in form if field.value() is not False
    } | {"recipe": form.recipe.value}


def told(page):
    return [(p.field, p.level.value) for p in page.form.problems]


def test_fresh_page_is_ready_to_deploy(cluster, dora):
    page = deploy_page({}, person=dora)

    assert (page.blocker, told(page)) == ("", [])
    assert page.form.spec == WorkspaceSpec(
        name="phi-4-mini-instruct",
        namespace="team-a",
        recipe=Recipe.PRESET,
        instance_type="Standard_NV36ads_A10_v5",
        preset=PresetChoice(name="phi-4-mini-instruct"),
    )


def test_fresh_cpu_page_has_the_original_documents_defaults(cluster, dora):
    page = deploy_page({"recipe": "cpu-container"}, person=dora)

    assert (page.blocker, told(page)) == ("", [])
    assert page.form.spec == WorkspaceSpec(
        name="bloomz-560m-workspace",
        namespace="kaito-custom-cpu-inference",
        recipe=Recipe.CPU_CONTAINER,
        instance_type="Standard_D16s_v5",
        container=ContainerChoice(model_id="bigscience/bloomz-560m"),
    )
    assert page.form.manifest["resource"]["labelSelector"] == {
        "matchLabels": {"app": "bloomz-560m-workspace"}
    }


def test_cpu_page_goes_to_the_usual_namespace_where_the_original_one_is_missing(dora):
    make_cluster(namespaces=["default"], default_namespace="default")

    page = deploy_page({"recipe": "cpu-container"}, person=dora)

    assert page.form.spec.namespace == "default"


def test_name_and_machine_follow_the_model_until_they_are_changed(cluster, dora):
    typed = values_of(deploy_page({}, person=dora)) | {"preset": "phi-4"}

    page = deploy_page(typed, person=dora)

    assert (page.form.spec.name, page.form.spec.instance_type) == (
        "phi-4",
        "Standard_NC24ads_A100_v4",
    )
    assert page.changed == {"name", "instance_type", "preset", "secret", "runtime"}


def test_changed_name_and_machine_are_left_alone(cluster, dora):
    typed = values_of(deploy_page({}, person=dora)) | {
        "preset": "phi-4",
        "name": "mine",
        "instance_type": "Standard_NC40ads_H100_v5",
    }

    page = deploy_page(typed, person=dora)

    assert (page.form.spec.name, page.form.spec.instance_type) == (
        "mine",
        "Standard_NC40ads_H100_v5",
    )


def test_typing_changes_no_field(cluster, dora):
    typed = values_of(deploy_page({}, person=dora)) | {"name": "My.Model"}

    page = deploy_page(typed, person=dora)

    assert page.changed == set()
    assert (page.blocker, page.blocker_place) == ("Mend the name first", "f-name")
    assert page.marks == {"metadata.name": "error"}


def test_suggested_name_is_not_taken_by_a_workspace_or_a_wish(cluster, dora):
    make_workspace(cluster=cluster, name="phi-4-mini-instruct")
    make_operation(cluster, dora, name="phi-4-mini-instruct-2")
    make_operation(cluster, dora, name="phi-4-mini-instruct-3", status="failed")
    make_workspace(cluster=cluster, name="phi-4-mini-instruct-3", story="gone")

    assert deploy_page({}, person=dora).form.spec.name == "phi-4-mini-instruct-3"


def test_taken_name_is_refused_with_a_free_one(cluster, dora):
    make_workspace(cluster=cluster, name="phi-4")
    typed = values_of(deploy_page({}, person=dora)) | {"name": "phi-4"}

    (problem,) = deploy_page(typed, person=dora).form.problems

    assert (problem.message, problem.mends[0].value) == (
        "team-a already has a workspace of this name.",
        "phi-4-2",
    )


def test_mend_sets_its_field(cluster, dora):
    typed = values_of(deploy_page({}, person=dora)) | {"name": "A.b", "set": "name=a-b"}

    page = deploy_page(typed, person=dora)

    assert page.form.spec.name == "a-b"
    assert page.changed == {"name"}


def test_what_is_sent_is_what_was_seen(cluster, dora):
    """On the way to the cluster no suggestion is renewed."""
    typed = values_of(deploy_page({}, person=dora)) | {"preset": "phi-4"}

    page = deploy_page(typed, person=dora, settle=False)

    assert (page.form.spec.name, page.form.spec.preset.name) == ("phi-4-mini-instruct", "phi-4")


@pytest.mark.parametrize(
    "spec",
    [
        WorkspaceSpec(
            name="mine",
            namespace="team-a",
            recipe=Recipe.PRESET,
            instance_type="Standard_NC24ads_A100_v4",
            match_labels=(("apps", "other"),),
            preset=PresetChoice(name="llama-3.1-8b-instruct", access_secret="hf"),
            runtime=Runtime.TRANSFORMERS,
            load_balancer=True,
        ),
        WorkspaceSpec(
            name="bloomz",
            namespace="team-a",
            recipe=Recipe.CPU_CONTAINER,
            instance_type="Standard_D32s_v5",
            container=ContainerChoice(
                model_id="bigscience/bloomz-1b1",
                dtype="bfloat16",
                image="example.com/base:1",
                cpu_request="3",
                cpu_limit="8",
                memory_request="10Gi",
                memory_limit="20Gi",
            ),
        ),
    ],
)
def test_refused_wish_comes_back_with_everything_typed(cluster, dora, spec):
    manifest = manifests.workspace_manifest(spec)
    operation = make_operation(
        cluster, dora, status="refused", manifest=manifest, reason="to try", name=spec.name
    )

    page = deploy_page({"from": str(operation.pk)}, person=dora)

    assert page.form.manifest == manifest
    assert page.reason == "to try"


@pytest.mark.parametrize("odd", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_unknown_earlier_wish_gives_a_fresh_form(cluster, dora, odd):
    assert deploy_page({"from": odd}, person=dora).form.spec.name == "phi-4-mini-instruct"


def test_same_form_is_one_wish_and_other_content_another(cluster, dora):
    typed = values_of(deploy_page({}, person=dora))

    first = deploy_page(typed, person=dora).idempotency_key
    again = deploy_page(typed, person=dora).idempotency_key
    other = deploy_page(typed | {"name": "another"}, person=dora).idempotency_key
    fresh = deploy_page({}, person=dora).idempotency_key

    assert first == again
    assert len({first, other, fresh}) == 3


def test_namespaces_of_the_system_are_not_offered(cluster, dora):
    assert deploy_page({}, person=dora).namespaces == [
        "default",
        "kaito-custom-cpu-inference",
        "team-a",
    ]


def test_viewer_sees_the_page_but_cannot_deploy(cluster, bob):
    assert deploy_page({}, person=bob).blocker == "Your account may look, but not deploy"


def test_nothing_can_be_deployed_without_a_cluster(dora):
    page = deploy_page({}, person=dora)

    assert (page.form, page.blocker) == (None, "Connect a cluster first")


def test_cluster_without_kaito_blocks(dora):
    make_cluster(state="kaito-missing")

    assert deploy_page({}, person=dora).blocker == "KAITO is not installed in this cluster"


def test_chosen_cluster_is_used_among_several(cluster, dora):
    other = make_cluster("other", default_namespace="here", namespaces=["here"])

    page = deploy_page({"cluster": "other"}, person=dora)

    assert (page.cluster, page.form.spec.namespace) == (other, "here")


def test_nul_characters_are_dropped(cluster, dora):
    page = deploy_page({"name": "a\0b", "reason": "\0"}, person=dora)

    assert (page.form.spec.name, page.reason) == ("ab", "")


def test_page_tells_how_long_others_like_it_took(cluster, dora):
    earlier = make_workspace(cluster=cluster, story="gone")
    wanted = {"preset": earlier.model, "instance_type": earlier.instance_type}
    page = deploy_page(wanted, person=dora)
    before = page.wait
    moment = earlier.created_at + timedelta(minutes=12)
    make_transition(earlier, "InferenceReady", "True", at=moment)

    assert (before, page.wait) == (("", 0), ("12 min", 1))


def test_page_costs_the_same_queries_whatever_the_size(cluster, dora, django_assert_num_queries):
    for number in range(3):
        make_workspace(cluster=cluster, name=f"phi-{number}")

    with django_assert_num_queries(3):
        assert deploy_page({}, person=dora).blocker == ""


@pytest.mark.parametrize(
    ("query", "kind", "found"),
    [
        ("llama 3.3", "", ["llama-3.3-70b-instruct"]),
        ("QWEN coder", "one-gpu", ["qwen2.5-coder-7b-instruct"]),
        ("gemma-3", "open", []),
        ("phi-4", "tools", []),
    ],
)
def test_search_finds_models(query, kind, found):
    choice = model_choice("", query=query, kind=kind)

    assert [card.value for card in choice.cards] == found


def test_search_never_loses_the_chosen_model():
    choice = model_choice("phi-4", query="llama 3.3")

    assert [(c.value, c.is_chosen) for c in choice.cards] == [
        ("phi-4", True),
        ("llama-3.3-70b-instruct", False),
    ]


def test_search_offers_a_hugging_face_id():
    choice = model_choice("phi-4", query="acme/some-7b")

    assert [(c.value, c.preset is None) for c in choice.cards] == [
        ("acme/some-7b", True),
        ("phi-4", False),
    ]


def test_search_for_a_retired_name_says_what_to_use():
    choice = model_choice("phi-4", query="gemma-3-12b")

    assert [m.value for m in choice.problem.mends] == [
        "google/gemma-4-12B-it",
        "google/gemma-3-12b-it",
    ]


def test_cards_are_few_until_all_are_asked_for():
    assert (len(model_choice("phi-4").cards), model_choice("phi-4").hidden) == (12, 48)
    assert len(model_choice("phi-4", whole=True).cards) == 60
