"""The failure matrix where wishes meet a troubled API server: F17, F18 and a cluster that swallows everything."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from clusters import gateway as gateways
from clusters import services as cluster_services
from clusters.models import ClusterKind
from sandbox.kubeconfig import kubeconfig
from tests.faults import matrix
from tests.faults.matrix import wait_for
from tests.wires import Wire
from tests.workspaces.conftest import _template, real_database  # noqa: F401 - fixtures
from workspaces import operations
from workspaces.manifests import OPERATION_ANNOTATION
from workspaces.models import Operation
from workspaces.operations import carrying
from workspaces.operations.turns import Turns
from workspaces.types import OperationKind, OperationStatus

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("real_database"), *matrix.MARKS]

POSTS = {"method": "POST", "path": "/workspaces"}


@pytest.fixture
def ground(field, monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(carrying, "turns", Turns())
    field.heal()
    yield field
    field.knobs.reset()
    for key in list(gateways._gateways):
        gateways._drop(key)


def connected(ground, name="field", wire=None):
    sandbox = ground.sandbox
    endpoint = "https://{}:{}".format(*(wire or ground.wire).address)
    authority = sandbox.cluster.certificate.authority_pem
    text = kubeconfig(endpoint, "kaitoweb", sandbox.tokens["kaitoweb"], authority)
    return cluster_services.ensure_cluster(
        name=name, kind=ClusterKind.SANDBOX, kubeconfig_text=text
    )


def wish(cluster, name):
    """As the form leaves it, without the form."""
    key = uuid.uuid4()
    manifest = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", **matrix.workspace(name)}
    manifest["metadata"]["annotations"] = {OPERATION_ANNOTATION: str(key)}
    return Operation.objects.create(
        pk=key,
        kind=OperationKind.CREATE,
        cluster=cluster,
        namespace="default",
        name=name,
        manifest=manifest,
        person_name="dora",
        idempotency_key=str(key),
    )


def carried_out(wished):
    """The row after one more attempt, due now."""
    Operation.objects.filter(pk=wished.pk).update(not_before=None)
    operations.carry_out(wished.pk)
    wished.refresh_from_db()
    return wished


def test_answer_lost_after_the_deed_is_found_and_not_repeated(ground):
    """F17: 504 although the object was made."""
    wished = wish(connected(ground), "a")
    ground.knobs.fail(504, reason="Timeout", match=POSTS, times=1, when="after")
    assert carried_out(wished).status == OperationStatus.QUEUED
    assert carried_out(wished).status == OperationStatus.SUCCEEDED
    assert wished.uid == ground.uid("a")
    assert len(ground.knobs.requests(method="POST", path="/apis/kaito.sh")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_operation_comes_again_when_the_server_asks_for_it(ground, status):
    """F17: Retry-After, to a tenth."""
    wished = wish(connected(ground), "a")
    ground.knobs.fail(status, headers={"Retry-After": "7"}, match=POSTS, times=1)
    before = time.time()
    carried_out(wished)
    asked = wished.not_before.timestamp()
    assert before + 7 <= asked + 0.1
    assert asked <= time.time() + 7.7
    assert carried_out(wished).status == OperationStatus.SUCCEEDED


def test_black_hole_leaves_threads_to_other_clusters(ground, monkeypatch):
    """Four threads, eight wishes for a cluster that takes everything and says nothing, one for another."""
    monkeypatch.setattr(gateways, "WRITE", (25, 25))
    with Wire(ground.wire.target) as other:
        hole, well = connected(ground, "hole"), connected(ground, "well", other)
        lost = [wish(hole, f"lost-{n}") for n in range(8)]
        wanted = wish(well, "wanted")
        ground.wire.freeze()
        with ThreadPoolExecutor(4) as workers:
            runs = [workers.submit(_in_thread, each.pk) for each in (*lost, wanted)]
            wait_for(lambda: _status(wanted) == OperationStatus.SUCCEEDED)
            assert not runs[0].done()
            assert {_status(each) for each in lost} == {"queued", "running"}
            ground.wire.cut()
            ground.wire.thaw()
    assert ground.uid("wanted")


def _in_thread(key):
    try:
        operations.carry_out(key)
    finally:
        connection.close()


def _status(wished):
    return Operation.objects.values_list("status", flat=True).get(pk=wished.pk)


def test_pages_ask_no_cluster(ground, client, django_user_model):
    """F18: however slow the API server is, pages are not."""
    connected(ground)
    ground.knobs.delay(5)
    client.force_login(django_user_model.objects.create_user("bob"))
    for path in ("/", "/clusters/", "/workspaces/"):
        client.get(path, follow=True)
    assert ground.knobs.requests(path="/api") == []
