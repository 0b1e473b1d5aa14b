"""The dry run against a cluster that answers over the wire as KAITO does."""

import dataclasses

import pytest

from clusters import gateway
from clusters.models import ClusterKind
from clusters.services import ensure_cluster
from tests.servers import run_sandbox
from workspaces import manifests, preflight
from workspaces.forms import deploy_page
from workspaces.types import PresetChoice, Recipe, WorkspaceSpec

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(20)]
GOOD = WorkspaceSpec(
    name="phi-4",
    namespace="default",
    recipe=Recipe.PRESET,
    instance_type="Standard_NC24ads_A100_v4",
    preset=PresetChoice(name="phi-4"),
)


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox() as running:
        yield running


@pytest.fixture
def cluster(sandbox):
    made = ensure_cluster(
        name="sandbox", kind=ClusterKind.SANDBOX, kubeconfig_text=sandbox.kubeconfig()
    )
    made.namespaces = ["default"]
    made.save(update_fields=["namespaces"])
    yield made
    gateway.forget(made)


def told(cluster, **changes):
    manifest = manifests.workspace_manifest(dataclasses.replace(GOOD, **changes))
    return [(p.field, p.message) for p in preflight.dry_run(cluster, manifest)]


def test_dry_run_accepts_a_good_manifest_and_keeps_nothing(cluster):
    assert told(cluster) == []
    assert told(cluster) == []  # a name that was kept would be taken


@pytest.mark.parametrize("recipe", ["preset", "cpu-container"])
def test_dry_run_accepts_what_the_fresh_form_asks_for(cluster, dora, recipe):
    page = deploy_page({"recipe": recipe}, person=dora)

    assert preflight.dry_run(cluster, page.manifest) == []


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        (
            {"preset": PresetChoice(name="falcon-7b")},
            ("preset", "KAITO does not know this model."),
        ),
        (
            {"instance_type": "Standard_X1"},
            ("instance_type", "KAITO cannot make machines of this type."),
        ),
        ({"name": "Upper"}, ("name", "The cluster does not accept this name.")),
        ({"namespace": "nowhere"}, ("namespace", "There is no such namespace in the cluster.")),
        (
            {"match_labels": (("kaito.sh/workspace", "x"),)},
            ("label", "KAITO cannot use this label."),
        ),
    ],
)
def test_dry_run_puts_refusals_beside_their_fields(cluster, changes, answer):
    assert told(cluster, **changes) == [answer]
