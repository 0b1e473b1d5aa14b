from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from clusters.models import ClusterKind
from playground import queries
from tests.workspaces import builders as b
from workspaces.types import Dialect

pytestmark = pytest.mark.django_db


def seen(person, workspace=None):
    page = queries.playground_page(person, workspace)
    return [(c.address, c.is_chosen, c.playable.why_not) for c in page.choices], page.chosen


def test_page_chooses_the_first_that_answers(bob):
    b.make_workspace(name="a-quota", story="quota")
    b.make_workspace(name="z-ready")
    b.make_workspace(name="m-ready")

    choices, chosen = seen(bob)

    assert choices == [
        ("sandbox/team-a/m-ready", True, ""),
        ("sandbox/team-a/z-ready", False, ""),
        ("sandbox/team-a/a-quota", False, "Azure refused the GPU node: quota used up"),
    ]
    assert chosen.url == "/playground/?workspace=sandbox/team-a/m-ready"


def test_page_chooses_what_was_asked_for_even_if_it_does_not_answer(bob):
    b.make_workspace(name="ready")
    asked = b.make_workspace(name="quota", story="quota")

    choices, chosen = seen(bob, asked)

    assert [c[1] for c in choices] == [False, True]
    assert (chosen.why_not, chosen.is_on_the_way) == (
        "Azure refused the GPU node: quota used up",
        False,
    )


def test_page_chooses_nothing_where_nothing_answers(bob):
    b.make_workspace(name="node", story="node")

    assert seen(bob)[1] is None


def test_page_shows_nothing_to_strangers():
    b.make_workspace()

    assert seen(AnonymousUser()) == ([], None)


@pytest.mark.parametrize("count", [1, 3])
def test_page_costs_the_same_whatever_its_size(bob, django_assert_num_queries, count):
    for number in range(count):
        b.make_workspace(name=f"phi-{number}")

    with django_assert_num_queries(2):
        queries.playground_page(bob, None)


@pytest.mark.parametrize("asked", ["sandbox/team-a/phi-4", "uid-of-it"])
def test_workspace_is_found_by_its_address_and_by_uid(bob, asked):
    made = b.make_workspace(name="phi-4", uid="uid-of-it")

    assert queries.find_workspace(bob, asked) == made


@pytest.mark.parametrize("asked", ["", "x", "sandbox/team-a/other", "a/b", "a/b/c/d", "\0", "//"])
def test_workspace_is_not_found_by_anything_else(bob, asked):
    b.make_workspace(name="phi-4")

    assert queries.find_workspace(bob, asked) is None


@pytest.mark.parametrize("asked", ["sandbox/team-a/phi-4", "uid-of-it"])
def test_workspace_is_hidden_from_those_who_may_not_read_it(asked):
    b.make_workspace(name="phi-4", uid="uid-of-it")

    assert queries.find_workspace(AnonymousUser(), asked) is None


def chosen(**options):
    return queries.chosen(b.make_workspace(**options))


def test_chosen_follows_the_manifest_until_a_server_is_seen():
    assert chosen(fields={}).dialect == Dialect.VLLM
    made = b.make_workspace(name="other")
    made.dialect = "unknown"
    made.recipe = "cpu-container"

    assert queries.chosen(made).dialect == Dialect.CHAT


def test_chosen_cannot_be_prompted_in_an_unknown_dialect():
    made = b.make_workspace()
    made.dialect, made.recipe = "unknown", "other"

    assert queries.chosen(made).why_not == "kaitoweb does not know how to speak to this server."


def test_chosen_is_gone_when_it_is_gone():
    assert chosen(story="gone").why_not == "It is gone."


@pytest.mark.parametrize(
    ("kind", "model", "words"),
    [
        (ClusterKind.SANDBOX, "auto", "Sandbox: every model answers as SmolLM2-135M."),
        (ClusterKind.SANDBOX, "echo", "Sandbox: every model repeats what it was told."),
        (ClusterKind.KUBECONFIG, "auto", ""),
    ],
)
def test_chosen_says_who_really_answers(settings, kind, model, words):
    settings.KAITOWEB_SANDBOX_MODEL = model

    assert chosen(cluster=b.make_cluster(kind=kind)).sandbox_words == words
