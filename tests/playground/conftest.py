"""The whole line behind a prompt: mirrored rows, the sandbox's service proxy, the echo model."""

from __future__ import annotations

import pytest

from clusters import leases
from clusters.credentials import seal
from clusters.models import ClusterKind
from clusters.services import ensure_cluster
from clusters.targets import DEPLOYMENTS, NODECLAIMS, PODS, SERVICES, STATEFULSETS, WORKSPACES
from clusters.watching import Seen
from playground import cards, relaying
from sandbox import resources
from tests.clusters.scripted import scripted
from tests.modelservers import run_models
from tests.servers import run_sandbox
from tests.workspaces import builders as b
from workspaces import mirror

MIRRORED = (
    (WORKSPACES, resources.WORKSPACES),
    (PODS, resources.PODS),
    (SERVICES, resources.SERVICES),
    (STATEFULSETS, resources.STATEFULSETS),
    (DEPLOYMENTS, resources.DEPLOYMENTS),
    (NODECLAIMS, resources.NODECLAIMS),
)


@pytest.fixture(autouse=True)
def _nothing_kept():
    """Rows of one test may have the keys of another's."""
    cards._cards.clear()
    relaying._open.clear()


@pytest.fixture
def server():
    """Stands for the API server, and answers as the test says."""
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def models():
    with run_models(speed=20) as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(models):
    """Seeded: a ready vLLM preset, a ready /chat server, one on its way, one that failed."""
    with run_sandbox(seed=True, speed=1, model_url=models.url) as running:
        yield running


@pytest.fixture
def scripted_workspace(server, db):
    """Ready, says the mirror; what its server says is up to the test."""
    made = b.make_workspace(
        cluster=b.make_cluster(
            endpoint=server.url, sealed_credentials=seal({"token": "s3cret"}), kind="kubeconfig"
        )
    )
    raw = b.raw_service(made.name, made.namespace)
    owner = {"kind": "Workspace", "name": made.name, "uid": made.uid}
    raw["metadata"]["ownerReferences"] = [owner]
    b.make_dependent(made.cluster, raw)
    return made


@pytest.fixture
def cluster(sandbox, db):
    """The sandbox as connected, and all that is in it as mirrored."""
    made = ensure_cluster(
        name="sandbox",
        kind=ClusterKind.SANDBOX,
        kubeconfig_text=sandbox.kubeconfig("kaitoweb"),
    )
    mirror_all(made, sandbox)
    return made


def mirror_all(cluster, sandbox):
    token = leases.acquire(cluster, "tests")
    for target, resource in MIRRORED:
        for raw in sandbox.call(lambda c, resource=resource: c.store.list(resource)):
            seen = Seen(target=target, raw={"kind": target.kind, **raw})
            mirror.apply(seen, cluster=cluster, token=token)
