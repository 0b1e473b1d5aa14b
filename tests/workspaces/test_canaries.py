"""Secrets in every place where a cluster or a person may put them; then every table, the broker and the logs are searched."""

from dataclasses import replace

import pytest
from django.db import connection

from accounts.people import Caller
from clusters import leases, targets
from clusters.models import ClusterKind
from clusters.services import ensure_cluster
from clusters.translating import translate_reply
from clusters.watching import Seen
from kaitoweb.celery import app, broker_url
from tests.clusters.kubeconfigs import kubeconfig
from tests.workspaces import builders, memory
from tests.workspaces.builders import SPEC
from workspaces import mirror, operations, services
from workspaces.models import ClusterEvent, Dependent, Operation, Workspace

HF = "hf_CANARYabcdefghijklmnop"
JWT = "eyJCANARYhbGciOi.eyJCANARYpc3Mi.CANARYc2ln"
PEM = "-----BEGIN PRIVATE KEY-----\nCANARYMIIE\n-----END PRIVATE KEY-----"
WORDS = (
    f"pull failed: {HF}, {JWT} and {PEM}; GET https://me:CANARY@hub/x?sig=CANARY&a=1"
    " with Authorization: Bearer CANARY-1234"
)
CONTAINER = {
    "name": "phi-4",
    "image": "x:1",
    "command": ["/bin/sh", "-c", "DB_PASSWORD=CANARY serve --hf-token CANARY --api-key=CANARY"],
    "args": ["--api-key", "CANARY", "--token", "CANARY"],
    "env": [
        {"name": "HF_TOKEN", "value": "CANARY"},
        {"name": "HUGGING_FACE_HUB_TOKEN", "value": HF},
        {"name": "AZURE_CLIENT_SECRET", "value": "CANARY"},
        {"name": "ODD", "value": HF},
    ],
}
COPIED = {"kubectl.kubernetes.io/last-applied-configuration": '{"x": "CANARY"}', "note": WORDS}


@pytest.fixture
def broker(valkey, monkeypatch):
    monkeypatch.setattr(app.conf, "broker_url", broker_url(valkey.url))
    return valkey


def everything_kept():
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield from (f"{table}: {row}" for row in cursor.fetchall())


@pytest.mark.django_db
def test_no_secret_is_kept_or_logged_anywhere(
    broker, dora, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    caplog.set_level("DEBUG")
    by = Caller(person=dora)
    text = kubeconfig(server="https://10.0.0.1", user={"token": "CANARY"})
    cluster = ensure_cluster(name="real", kind=ClusterKind.KUBECONFIG, kubeconfig_text=text)
    token = leases.acquire(cluster, "w")
    api = memory.use(monkeypatch, memory.MemoryGateway())
    template = {"spec": {"containers": [CONTAINER]}, "metadata": {"annotations": COPIED}}
    failing = [builders.raw_condition("ResourceReady", "False", "NodeClaimNotReady", WORDS)]
    pod = builders.raw_pod(spec={"containers": [CONTAINER]}, status={"message": WORDS})
    objects = [
        (
            targets.WORKSPACES,
            builders.raw_workspace(
                template=template, annotations=COPIED, status={"conditions": failing}
            ),
        ),
        (targets.PODS, pod),
        (targets.EVENTS, builders.raw_event("Failed", WORDS)),
    ]

    with django_capture_on_commit_callbacks(execute=True):
        for target, raw in objects:
            mirror.apply(Seen(target=target, raw=raw), cluster=cluster, token=token)
        gone = services.delete_workspace(
            Workspace.objects.get(), by=by, key="1", reason=f"leaks {HF}"
        )
        made = services.deploy_workspace(
            replace(SPEC, name="other"), cluster=cluster, by=by, key="2", reason=WORDS
        )
    for wish, code in ((gone, 403), (made, 500)):
        api.script = [translate_reply(code, WORDS.encode())]
        operations.carry_out(wish.pk)

    assert (Dependent.objects.count(), ClusterEvent.objects.count()) == (1, 1)
    assert set(Operation.objects.values_list("status", flat=True)) == {"refused", "queued"}
    kept = list(everything_kept())
    queued = broker.client.lrange("kaitoweb:kaitoweb", 0, -1)
    assert len(queued) == 2
    assert [row for row in [*kept, *map(repr, queued), caplog.text] if "CANARY" in row] == []
