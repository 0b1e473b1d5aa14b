from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from clusters import gateway as gateways
from clusters import services
from clusters.gateway import Gateway
from clusters.models import Cluster, ClusterKind
from tests.clusters.kubeconfigs import kubeconfig
from tests.servers import run_sandbox

pytestmark = pytest.mark.django_db
LIST, CONNECT = reverse("clusters:list"), reverse("clusters:connect")
HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox() as running:
        yield running


@pytest.fixture
def reaching(monkeypatch, sandbox):
    """Every gateway leads to the sandbox, whatever address was typed: the page refuses the sandbox's own."""
    connection = services.parse_kubeconfig(sandbox.kubeconfig("kaitoweb"))
    inner = services._built("sandbox", ClusterKind.SANDBOX, connection)
    monkeypatch.setattr(gateways, "Gateway", lambda cluster: Gateway(inner))


@pytest.fixture
def admin(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def viewer(client, bob):
    client.force_login(bob)
    return client


def cluster(**values):
    heard = {"state": "ok", "last_contact_at": timezone.now()}
    return Cluster.objects.create(
        **{"name": "one", "kind": "kubeconfig", "endpoint": "https://10.0.0.1", **heard, **values}
    )


def recorded():
    """The audit but for the sign-in of the test's person."""
    return Entry.objects.exclude(action="sign-in").order_by("seq")


def soup(response):
    return BeautifulSoup(response.content, "html.parser")


def words(element):
    return " ".join(element.get_text(" ", strip=True).split())


def errors(response):
    """What stands under the fields, without what is said under every refused kubeconfig."""
    said = (words(e) for e in soup(response).select(".invalid-feedback"))
    return [
        s.removesuffix(" It may hold secrets, so what you gave is not shown again.") for s in said
    ]


def post(client, **data):
    return client.post(CONNECT, {"name": "prod", "kubeconfig": "", "context": "", **data})


def test_list_shows_each_cluster_to_everyone_signed_in(viewer):
    first = cluster(
        name="one",
        identity={"username": "me"},
        capabilities={"kubernetes_version": "v1.37.0", "kaito_version": "0.10 or later"},
    )
    cluster(name="two", state="unreachable", last_error="Nothing answers.")

    page = soup(viewer.get(LIST))

    assert [words(h) for h in page.select("main h2")] == ["one", "two"]
    facts = {
        words(d.dt): words(d.dd) for d in page.select_one(f"#cluster-{first.pk}").select("dl > div")
    }
    assert facts == {
        "Address": "https://10.0.0.1",
        "Signed in as": "me",
        "Kubernetes": "v1.37.0",
        "KAITO": "0.10 or later",
        "Namespaces": "unknown",
    }
    trouble = page.select_one("[data-trouble=unreachable]")
    assert words(trouble).startswith("two cannot be reached since")
    assert words(trouble).endswith("Nothing answers.")
    assert page.select("main form, main a.btn-primary") == []


def test_list_without_clusters_says_what_to_do(admin):
    page = soup(admin.get(LIST))

    assert (words(page.h2), page.select_one(".empty-state a")["href"]) == (
        "No cluster is connected",
        CONNECT,
    )


def test_list_wants_a_person(client):
    assert client.get(LIST).status_code == 302


def test_list_gives_htmx_the_health_of_one(viewer):
    one = cluster()

    part = soup(viewer.get(f"{LIST}?health={one.pk}", headers=HTMX))

    assert [e.get("id") for e in part.find_all(recursive=False)] == [f"cluster-{one.pk}-health"]
    assert viewer.get(f"{LIST}?health=99999", headers=HTMX).status_code == 404


def test_list_shows_missing_rights_with_the_role_to_copy(admin):
    rights = [
        {
            "verb": "create",
            "group": "kaito.sh",
            "resource": "workspaces",
            "purpose": "deploy",
            "allowed": False,
        }
    ]
    one = cluster(capabilities={"rights": rights})

    page = soup(admin.get(LIST))

    assert (
        words(page.select_one(".card > details > summary"))
        == "What kaitoweb may do there 1 right missing"
    )
    assert 'apiGroups: ["kaito.sh"]' in page.select_one(f"#role-{one.pk}").text


def test_connect_page_offers_the_role_for_an_account(admin):
    page = soup(admin.get(CONNECT))

    assert "kind: ClusterRole" in page.select_one("#account").text


def test_connect_connects_and_shows_the_cluster(admin, reaching):
    response = post(admin, kubeconfig=kubeconfig())

    made = Cluster.objects.get()
    assert response.url == f"{LIST}?open={made.pk}#cluster-{made.pk}"
    page = soup(admin.get(response.url))
    assert page.select_one(".card > details").has_attr("open")
    assert "system:serviceaccount:kaitoweb:kaitoweb" in words(page.dl)
    assert words(page.select_one("#messages .toast")) == "prod is connected."


def test_connect_takes_a_file(admin, reaching):
    post(admin, upload=SimpleUploadedFile("config", kubeconfig().encode()))

    assert Cluster.objects.get().name == "prod"


def test_connect_asks_for_a_context_and_keeps_the_rest_sealed(admin, reaching):
    response = post(admin, kubeconfig=kubeconfig(contexts=["one", "two"]))

    page = soup(response)
    assert (response.status_code, errors(response)) == (
        422,
        ["The kubeconfig has 2 contexts. Choose one."],
    )
    assert [r["value"] for r in page.select("[name=context]")] == ["one", "two"]
    assert page.select_one("[name=name]")["value"] == "prod"
    assert "canary" not in response.content.decode()
    draft = page.select_one("[name=draft]")["value"]

    assert post(admin, draft=draft, context="two").status_code == 302


def test_connect_opens_no_draft_of_somebody_else(admin, reaching, alice, django_user_model):
    draft = soup(post(admin, kubeconfig=kubeconfig(contexts=["one", "two"]))).select_one(
        "[name=draft]"
    )["value"]
    admin.force_login(django_user_model.objects.create_superuser("eve", password="eve-password"))

    response = post(admin, draft=draft, context="two")

    assert errors(response) == ["Paste a kubeconfig, or choose a file."]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["Paste a kubeconfig, or choose a file."]),
        ({"name": "", "kubeconfig": kubeconfig()}, ["Give it a name: it stands in addresses and in the audit."]),
        ({"name": "Prod", "kubeconfig": kubeconfig()}, ["Use lower-case letters, digits and dashes; begin and end with a letter or digit; at most 63."]),
        ({"kubeconfig": "a: ["}, ["Line 1: This is not YAML: expected the node content, but found '<stream end>'."]),
        ({"kubeconfig": kubeconfig(server="https://127.0.0.1:6443")}, ["This address is the machine that kaitoweb runs on. Only its operator can connect such a cluster (KAITOWEB_KUBECONFIG)."]),
        ({"kubeconfig": "x" * 300_000}, ["This is larger than 256 KiB; no kubeconfig is."]),
        ({"upload": SimpleUploadedFile("c", b"x" * 300_000)}, ["This is larger than 256 KiB; no kubeconfig is."]),
        ({"upload": SimpleUploadedFile("c", b"\xff\xfe")}, ["This is not a text file."]),
    ],
)  # fmt: skip
def test_connect_says_beside_the_field_what_is_refused(admin, given, expected):
    response = post(admin, **given)

    assert (response.status_code, errors(response)) == (422, expected)
    assert not Cluster.objects.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"name": "No", "kubeconfig": kubeconfig()}, 1),
        ({"kubeconfig": kubeconfig(server="https://127.0.0.1")}, 0),
    ],
)
def test_connect_keeps_a_kubeconfig_unless_it_is_at_fault(admin, given, kept):
    assert len(soup(post(admin, **given)).select("[name=draft]")) == kept


def test_connect_never_shows_a_kubeconfig_again(admin):
    response = post(admin, kubeconfig=kubeconfig(user={"token": "canary-token", "as": "x"}))

    assert "canary" not in response.content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_connect_refuses_a_viewer_and_records_it(viewer, method):
    assert getattr(viewer, method)(CONNECT).status_code == 403
    assert [(e.action, e.detail["wanted"]) for e in recorded()] == [
        ("access.refused", "cluster.connect")
    ]


def test_test_asks_the_cluster_and_answers_htmx_with_its_card(admin, sandbox):
    one = services.ensure_cluster(
        name="sandbox", kind=ClusterKind.SANDBOX, kubeconfig_text=sandbox.kubeconfig("kaitoweb")
    )

    response = admin.post(reverse("clusters:test", args=[one.pk]), headers=HTMX)

    part = soup(response)
    assert [e["id"] for e in part.find_all(recursive=False)] == [f"cluster-{one.pk}", "messages"]
    assert words(part.select_one(".toast")) == "sandbox answers."
    assert words(part.select_one(f"#cluster-{one.pk}-health .status")) == "Connected"


def test_test_says_why_it_failed_without_htmx_too(admin):
    one = cluster(endpoint="https://127.0.0.1:9")

    response = admin.post(reverse("clusters:test", args=[one.pk]), follow=True)

    page = soup(response)
    assert (
        words(page.select_one("#messages .toast"))
        == "one: Nothing answers at the cluster's address."
    )
    assert words(page.select_one(f"#cluster-{one.pk}-health .status")) == "Unreachable"


def test_disconnect_asks_first_and_then_does(admin):
    one = cluster(sealed_credentials="sealed")
    address = reverse("clusters:disconnect", args=[one.pk])

    assert words(soup(admin.get(address)).h1) == "Disconnect one?"
    assert Cluster.objects.get().disconnected_at is None

    assert admin.post(address).url == LIST
    assert Cluster.objects.get().sealed_credentials == ""
    assert [(e.action, e.outcome) for e in recorded()] == [("cluster.disconnect", "succeeded")]
    assert admin.get(address).status_code == 404


@pytest.mark.parametrize(
    ("view", "action"), [("test", "cluster.test"), ("disconnect", "cluster.disconnect")]
)
def test_verbs_refuse_a_viewer_and_get(viewer, view, action):
    one = cluster()
    address = reverse(f"clusters:{view}", args=[one.pk])

    assert viewer.post(address).status_code == 403
    assert [(e.detail["wanted"], e.cluster) for e in recorded()] == [(action, "one")]
    assert viewer.post(reverse(f"clusters:{view}", args=[one.pk + 1])).status_code == 404
    assert viewer.get(reverse("clusters:test", args=[one.pk])).status_code == 405


def test_admin_shows_no_credentials_and_changes_nothing(admin):
    one = cluster(sealed_credentials="canary-sealed")
    address = reverse("admin:clusters_cluster_change", args=[one.pk])

    response = admin.get(address)

    assert (response.status_code, "canary" in response.content.decode()) == (200, False)
    assert admin.post(address, {"name": "two"}).status_code == 403


def test_connect_renews_a_cluster_under_its_name(admin, reaching):
    post(admin, kubeconfig=kubeconfig())
    page = soup(admin.get(f"{CONNECT}?renew=prod"))
    name = page.select_one("#f-name")

    response = post(admin, kubeconfig=kubeconfig(user={"token": "fresh"}), renew="prod")

    assert (name["value"], name.has_attr("readonly")) == ("prod", True)
    assert page.select_one("input[name=renew]")["value"] == "prod"
    assert (response.status_code, Cluster.objects.get().revision) == (302, 2)


def test_connect_renews_nothing_that_is_not_there(admin):
    assert admin.get(f"{CONNECT}?renew=nothing").status_code == 404
