from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from accounts.people import Caller
from audit.models import Entry
from clusters import gateway as gateways
from clusters import services
from clusters.credentials import unseal
from clusters.errors import Refused, Unreachable
from clusters.gateway import Gateway
from clusters.models import Cluster, ClusterKind
from tests.clusters.kubeconfigs import kubeconfig
from tests.clusters.scripted import refuses
from tests.servers import run_sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox() as running:
        yield running


@pytest.fixture
def reaching(monkeypatch, sandbox):
    """Every gateway leads to the sandbox, whatever address was typed: the page refuses the sandbox's own."""

    def reach(user="kaitoweb"):
        connection = services.parse_kubeconfig(sandbox.kubeconfig(user))
        inner = services._built("sandbox", ClusterKind.SANDBOX, connection)
        monkeypatch.setattr(gateways, "Gateway", lambda cluster: Gateway(inner))

    return reach


def entries():
    return [(e.actor_name, e.action, e.outcome, e.cluster) for e in Entry.objects.order_by("seq")]


def refused(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value.message, caught.value.field


def connect(person, text=None, *, name="prod", context=""):
    return services.connect_cluster(
        text or kubeconfig(), name=name, context=context, by=Caller(person)
    )


def test_connect_keeps_what_works_and_what_it_is(alice, reaching):
    reaching()

    cluster = connect(alice)

    cluster = Cluster.objects.get(pk=cluster.pk)
    assert (cluster.name, cluster.kind, cluster.endpoint) == (
        "prod",
        "kubeconfig",
        "https://10.1.2.3:6443",
    )
    assert unseal(cluster.sealed_credentials) == {"token": "canary-token"}
    assert (cluster.state, cluster.created_by, cluster.last_contact_at is None) == (
        "ok",
        "alice",
        False,
    )
    assert cluster.identity["username"] == "system:serviceaccount:kaitoweb:kaitoweb"
    assert entries() == [("alice", "cluster.connect", "succeeded", "prod")]


def test_connect_finds_out_what_is_missing(alice, reaching):
    reaching("viewer")

    cluster = connect(alice)

    denied = {
        (r["verb"], r["resource"]) for r in cluster.capabilities["rights"] if not r["allowed"]
    }
    assert denied >= {("create", "workspaces"), ("delete", "workspaces")}
    assert ("list", "workspaces") not in denied


def test_connect_refuses_who_is_no_administrator(dora):
    assert refused(connect, dora) == ("Only administrators may connect a cluster.", "")
    assert entries() == [("dora", "access.refused", "refused", "prod")]
    assert not Cluster.objects.exists()


@pytest.mark.parametrize("name", ["", "Prod", "a/b", "-a", "a" * 64, "a.b", "a\n"])
def test_connect_refuses_names_that_fit_no_address(alice, name):
    assert refused(connect, alice, name=name)[1] == "name"


def test_connect_refuses_a_taken_name(alice, reaching):
    reaching()
    connect(alice)

    assert refused(connect, alice) == ("A cluster of this name is connected already.", "name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (kubeconfig(user={"exec": {"command": "x"}}), "Line 10: exec is not accepted."),
        (
            kubeconfig(server="https://127.0.0.1:1"),
            "This address is the machine that kaitoweb runs on.",
        ),
        (
            kubeconfig(server="https://169.254.169.254"),
            "This address belongs to the network's own services",
        ),
        (kubeconfig(server="http://10.0.0.1"), "The address must begin with https://"),
    ],
)
def test_connect_refuses_what_must_not_be_dialled_and_says_so_in_the_audit(alice, text, message):
    words, field = refused(connect, alice, text)

    assert (words[: len(message)], field) == (message, "kubeconfig")
    (entry,) = Entry.objects.all()
    assert (entry.action, entry.detail) == (
        "access.refused",
        {"wanted": "cluster.connect", "why": words},
    )


def test_connect_keeps_nothing_that_does_not_answer(alice, server, monkeypatch):
    server.script("list", refuses(401, "Unauthorized", message="Unauthorized"))
    monkeypatch.setattr(gateways, "Gateway", lambda cluster: Gateway(server.cluster()))

    assert refused(connect, alice) == (
        "The cluster does not accept kaitoweb's credentials. Unauthorized",
        "kubeconfig",
    )
    assert not Cluster.objects.exists()


def test_findings_of_a_former_connection_are_not_kept(alice, reaching):
    reaching()
    former = connect(alice)
    Cluster.objects.update(revision=2, state="unknown", capabilities={})

    services.refresh_findings(former)

    assert Cluster.objects.values_list("state", "capabilities").get() == ("unknown", {})


def test_no_secret_reaches_the_rows_or_the_audit(alice, reaching):
    reaching()
    connect(alice)

    rows = [*Cluster.objects.values(), *Entry.objects.values()]
    assert "canary" not in repr(rows)


def ensure(text, name="sandbox"):
    return services.ensure_cluster(name=name, kind=ClusterKind.SANDBOX, kubeconfig_text=text)


def test_ensure_connects_once(sandbox):
    first = ensure(sandbox.kubeconfig("kaitoweb"))
    again = ensure(sandbox.kubeconfig("kaitoweb"))

    assert (first.pk, again.revision, Cluster.objects.count()) == (again.pk, 1, 1)
    assert entries() == [("kaitoweb", "cluster.connect", "succeeded", "sandbox")]


def test_ensure_raises_the_revision_with_other_credentials(sandbox):
    first = ensure(sandbox.kubeconfig("kaitoweb"))

    again = ensure(sandbox.kubeconfig("viewer"))

    kept = Cluster.objects.get()
    assert (again.pk, kept.revision, unseal(kept.sealed_credentials)) == (
        first.pk,
        2,
        {"token": sandbox.tokens["viewer"]},
    )


def test_ensure_seals_again_after_a_new_secret_key(sandbox, settings):
    ensure(sandbox.kubeconfig("kaitoweb"))
    settings.SECRET_KEY = "another-" * 10

    again = ensure(sandbox.kubeconfig("kaitoweb"))

    assert (again.revision, unseal(again.sealed_credentials)["token"]) == (
        2,
        sandbox.tokens["kaitoweb"],
    )


def test_ensure_connects_anew_after_a_disconnect(alice, sandbox):
    first = ensure(sandbox.kubeconfig())
    services.disconnect_cluster(first, by=Caller(alice))

    assert ensure(sandbox.kubeconfig()).pk != first.pk


def test_ensure_refuses_a_name_that_fits_no_address(sandbox):
    assert refused(ensure, sandbox.kubeconfig(), "My cluster")[1] == "name"


def test_test_keeps_what_is_found(alice, sandbox):
    cluster = ensure(sandbox.kubeconfig("kaitoweb"))

    findings = services.test_cluster(cluster, by=Caller(alice))

    kept = Cluster.objects.get()
    assert (kept.state, kept.last_error) == ("ok", "")
    assert kept.capabilities["kubernetes_version"] == findings.kubernetes_version
    assert "default" in kept.namespaces


def test_test_keeps_why_it_failed(alice, server):
    server.script("list", refuses(500, "InternalError"))
    cluster = Cluster.objects.create(name="a", kind="kubeconfig", endpoint=server.url)

    with pytest.raises(Unreachable):
        services.test_cluster(cluster, by=Caller(alice))

    kept = Cluster.objects.get()
    assert (kept.state, kept.last_error) == (
        "unreachable",
        "The cluster answered with an error (500).",
    )


def test_test_and_disconnect_refuse_who_is_no_administrator(dora):
    cluster = Cluster.objects.create(name="a", kind="kubeconfig", endpoint="https://10.0.0.1")

    assert refused(services.test_cluster, cluster, by=Caller(dora)) == (
        "Only administrators may test a cluster.",
        "",
    )
    assert refused(services.disconnect_cluster, cluster, by=Caller(dora)) == (
        "Only administrators may disconnect a cluster.",
        "",
    )
    assert [e.detail["wanted"] for e in Entry.objects.order_by("seq")] == [
        "cluster.test",
        "cluster.disconnect",
    ]


def test_disconnect_forgets_the_credentials_once(alice, sandbox):
    cluster = ensure(sandbox.kubeconfig())

    services.disconnect_cluster(cluster, by=Caller(alice))
    services.disconnect_cluster(cluster, by=Caller(alice))

    kept = Cluster.objects.get()
    assert (kept.sealed_credentials, kept.revision, kept.disconnected_at is None) == ("", 2, False)
    assert entries()[1:] == [("alice", "cluster.disconnect", "succeeded", "sandbox")]


def test_command_connects_and_says_so(sandbox, tmp_path, capsys):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig("kaitoweb"))

    call_command("connect_cluster", "sandbox", kubeconfig=str(path), kind="sandbox")

    assert capsys.readouterr().out == f"sandbox is connected: {sandbox.url}\n"
    assert Cluster.objects.get().state == "ok"


def test_command_puts_a_cluster_in_the_sandboxs_place(sandbox, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig("kaitoweb"))
    call_command("connect_cluster", "sandbox", kubeconfig=str(path), kind="sandbox")

    call_command("connect_cluster", "prod", kubeconfig=str(path), replace_sandbox=True)

    connected = Cluster.objects.filter(disconnected_at=None)
    assert list(connected.values_list("name", flat=True)) == ["prod"]
    assert entries() == [
        ("kaitoweb", "cluster.connect", "succeeded", "sandbox"),
        ("kaitoweb", "cluster.connect", "succeeded", "prod"),
        ("kaitoweb", "cluster.disconnect", "succeeded", "sandbox"),
    ]


def test_command_keeps_a_cluster_that_does_not_answer_yet(tmp_path, capsys):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(server="https://127.0.0.1:9"))

    call_command("connect_cluster", "later", kubeconfig=str(path))

    assert capsys.readouterr().err.startswith(
        "later is kept, but: Nothing answers at the cluster's address."
    )
    assert Cluster.objects.get().state == "unreachable"


def test_command_refuses_in_words(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text("no")

    with pytest.raises(CommandError, match="^This is not a kubeconfig: it names no clusters.$"):
        call_command("connect_cluster", "x", kubeconfig=str(path))
    with pytest.raises(CommandError, match="No such file"):
        call_command("connect_cluster", "x", kubeconfig=str(tmp_path / "none"))


def test_renew_puts_fresh_credentials_in_place_and_keeps_the_row(alice, reaching):
    reaching()
    cluster = connect(alice)
    Cluster.objects.filter(pk=cluster.pk).update(state="denied", last_error="Unauthorized.")
    fresh = kubeconfig(user={"token": "fresh-token"})

    services.renew_cluster(cluster, fresh, context="", by=Caller(alice))

    row = Cluster.objects.get()
    assert (row.pk, row.state, row.last_error) == (cluster.pk, "ok", "")
    assert (unseal(row.sealed_credentials), row.revision) == ({"token": "fresh-token"}, 2)
    assert entries()[-1] == ("alice", "cluster.renew", "succeeded", "prod")


@pytest.mark.parametrize(
    ("person", "text", "words"),
    [
        ("dora", kubeconfig(), "Only administrators may renew a sign-in."),
        ("alice", kubeconfig(server="https://10.9.9.9"), "This leads to https://10.9.9.9, and"),
        ("alice", "nonsense", "This is not a kubeconfig"),
    ],
)
def test_renew_refuses_and_leaves_everything_as_it_was(
    request, alice, reaching, person, text, words
):
    reaching()
    cluster = connect(alice)
    by = Caller(request.getfixturevalue(person))

    message, _ = refused(services.renew_cluster, cluster, text, context="", by=by)

    assert message[: len(words)] == words
    assert Cluster.objects.get().revision == 1
    assert entries()[-1][1:3] == ("access.refused", "refused")


def test_renew_keeps_nothing_that_does_not_answer(alice, reaching, server, monkeypatch):
    reaching()
    cluster = connect(alice)
    server.script("list", refuses(401, "Unauthorized", message="Unauthorized"))
    monkeypatch.setattr(gateways, "Gateway", lambda cluster: Gateway(server.cluster()))

    refused(services.renew_cluster, cluster, kubeconfig(), context="", by=Caller(alice))

    assert Cluster.objects.get().revision == 1


@pytest.mark.parametrize(
    "change", [{"disconnected_at": "2026-11-01T00:00Z"}, {"endpoint": "https://10.9.9.9"}]
)
def test_renew_leaves_alone_what_was_changed_meanwhile(alice, reaching, monkeypatch, change):
    reaching()
    cluster = connect(alice)
    reached = gateways.Gateway

    def meanwhile(asked):
        Cluster.objects.update(**change)
        return reached(asked)

    monkeypatch.setattr(gateways, "Gateway", meanwhile)

    message, _ = refused(
        services.renew_cluster, cluster, kubeconfig(), context="", by=Caller(alice)
    )

    assert message == "prod was disconnected, or moved, meanwhile."
    assert Cluster.objects.get().revision == 1
