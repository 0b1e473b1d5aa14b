"""Clusters with KAITO 0.7: the same pages and prompts on Deployments, without a state to go by."""

from __future__ import annotations

import pytest

from clusters.models import ClusterKind
from clusters.services import ensure_cluster
from playground import queries
from sandbox.kaito.releases import edition_of
from sandbox.resources import DEPLOYMENTS
from tests.playground.conftest import mirror_all
from tests.playground.test_views import replied, text_of
from tests.servers import run_sandbox
from tests.workspaces.builders import NOW
from workspaces.models import Workspace
from workspaces.queries import sighting
from workspaces.types import Dialect, Phase

pytestmark = pytest.mark.django_db(transaction=True)
PRESET = "sandbox/team-a/qwen2-5-coder-7b"
CPU = "sandbox/kaito-custom-cpu-inference/bloomz-560m-workspace"


@pytest.fixture(scope="module")
def sandbox(models):
    with run_sandbox(
        seed=True, speed=1, model_url=models.url, edition=edition_of("0.7")
    ) as running:
        yield running


@pytest.fixture
def cluster(sandbox, db):
    made = ensure_cluster(
        name="sandbox", kind=ClusterKind.SANDBOX, kubeconfig_text=sandbox.kubeconfig("kaitoweb")
    )
    mirror_all(made, sandbox)
    return made


def diagnosis(name):
    return sighting.see(Workspace.objects.get(name=name)).diagnosis(NOW)


def test_deployments_make_workspaces_ready_without_a_state(cluster, sandbox):
    raws = [w.raw for w in Workspace.objects.all()]

    assert not any("state" in raw.get("status", {}) for raw in raws)
    assert sandbox.call(lambda c: len(c.store.list(DEPLOYMENTS))) > 2
    for name in ("qwen2-5-coder-7b", "bloomz-560m-workspace"):
        told = diagnosis(name)
        assert (told.phase, told.headline) == (Phase.READY, "Answers prompts")


def test_refused_quota_is_told_though_kaito_only_counts(cluster):
    told = diagnosis("llama-3-3-70b")

    assert (told.phase, told.cause.title) == (
        Phase.FAILED,
        "Azure refused the GPU node: quota used up",
    )


def test_dialects_follow_from_the_containers(cluster):
    rows = {w.name: w.dialect for w in Workspace.objects.all()}

    assert rows["qwen2-5-coder-7b"] == Dialect.VLLM
    assert rows["bloomz-560m-workspace"] == Dialect.CHAT


def test_playground_offers_what_answers(cluster, bob):
    page = queries.playground_page(bob, None)

    playable = {choice.address for choice in page.choices if not choice.playable.why_not}
    assert {PRESET, CPU} <= playable


@pytest.mark.asyncio
async def test_preset_answers(cluster, bob):
    events = await replied(bob, PRESET, "repeat 12 word", max_tokens=4)

    assert events[0] == ("start", {"model": "qwen2.5-coder-7b-instruct", "context_tokens": 4096})
    assert text_of(events) == "word1 word2 word3 word4"


@pytest.mark.asyncio
async def test_older_server_answers(cluster, bob):
    events = await replied(bob, CPU, "Hi there", max_tokens=20)

    assert text_of(events) == "You said: Hi there"
