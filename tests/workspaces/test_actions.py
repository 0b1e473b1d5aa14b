import uuid

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from audit.models import Entry
from clusters.errors import Invalid, Unreachable
from tests.workspaces import memory
from tests.workspaces.builders import make_cluster, make_operation, make_workspace
from workspaces import manifests
from workspaces.models import Operation

pytestmark = pytest.mark.django_db
DEPLOY, CHECK = "/deploy/", "/deploy/check/"
HTMX = {"HTTP_HX_REQUEST": "true"}
REFUSAL = (
    'admission webhook "validation.workspace.kaito.sh" denied the request: validation failed: '
    "invalid value: Unsupported inference preset name phi-4: inference.presetName\n"
    "something new that nobody has foreseen"
)


@pytest.fixture
def cluster():
    return make_cluster(namespaces=["default", "team-a"], default_namespace="team-a")


@pytest.fixture
def kaito(monkeypatch):
    return memory.use(monkeypatch, memory.MemoryGateway())


def parsed(response):
    return BeautifulSoup(response.content, "html.parser")


def words(element):
    return " ".join(element.get_text(" ").split())


def typed(client, address=DEPLOY, **changes):
    """What a browser sends from the page at `address`."""
    form = parsed(client.get(address)).find(id="deploy-form")
    values = {}
    for field in form.find_all(["input", "select"]):
        is_off = field.get("type") in ("radio", "checkbox") and not field.has_attr("checked")
        if field.get("name") and not is_off:
            option = field.find("option", selected=True) if field.name == "select" else field
            values[field["name"]] = option.get("value", "")
    return values | changes


def deployed(client, **changes):
    return client.post(DEPLOY, typed(client, **changes))


def test_deploy_page_offers_models_machines_and_the_manifest(client, dora, cluster):
    client.force_login(dora)

    page = parsed(client.get(DEPLOY))

    assert page.h1.text == "Deploy a model"
    assert len(page.select("#models input[type=radio]")) == 12
    assert page.select_one("#models input[checked]")["value"] == "phi-4-mini-instruct"
    assert page.select_one("#machines input[checked]")["value"] == "Standard_NV36ads_A10_v5"
    lines = [line.text for line in page.select("#yaml .l")]
    assert "\n".join(lines) + "\n" == manifests.to_yaml(
        {
            "apiVersion": "kaito.sh/v1beta1",
            "kind": "Workspace",
            "metadata": {
                "name": "phi-4-mini-instruct",
                "namespace": "team-a",
                "labels": {"app.kubernetes.io/managed-by": "kaitoweb"},
            },
            "resource": {
                "instanceType": "Standard_NV36ads_A10_v5",
                "labelSelector": {"matchLabels": {"apps": "phi-4-mini-instruct"}},
            },
            "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        }
    )


@pytest.mark.parametrize("address", [DEPLOY, CHECK, f"/operations/{uuid.UUID(int=7)}/"])
def test_pages_ask_a_stranger_to_sign_in(client, address):
    response = client.post(address) if address == CHECK else client.get(address)

    assert (response.status_code, response.url) == (302, f"/sign-in/?next={address}")


def test_deploy_makes_one_operation_and_goes_to_it(client, dora, cluster, kaito):
    client.force_login(dora)

    response = deployed(client, name="mine", reason="to try")

    operation = Operation.objects.get()
    assert (response.status_code, response.url) == (302, f"/operations/{operation.pk}/")
    assert (operation.name, operation.namespace, operation.reason) == ("mine", "team-a", "to try")
    assert kaito.writes == [("create", "mine")]
    entries = Entry.objects.filter(action="workspace.create")
    assert [(e.outcome, e.operation_id) for e in entries] == [("requested", operation.pk)]


def test_form_sent_twice_is_one_operation(client, dora, cluster, kaito):
    client.force_login(dora)
    values = typed(client)

    urls = {client.post(DEPLOY, values).url for _ in range(2)}

    assert len(urls) == 1
    assert Operation.objects.count() == 1


def test_deploy_shows_our_own_objection_and_asks_nothing(client, dora, cluster, kaito):
    client.force_login(dora)

    response = deployed(client, name="My.Model", namespace="team-a")

    page = parsed(response)
    assert response.status_code == 422
    assert page.find(id="f-name")["value"] == "My.Model"
    assert page.find(id="f-name")["aria-invalid"] == "true"
    notes = "Lower-case letters, digits and hyphens only. Use my-model"
    assert words(page.find(id="notes-name")) == notes
    assert words(page.find(id="blocker")) == "Mend the name first"
    assert (kaito.writes, Operation.objects.count()) == ([], 0)


def test_deploy_shows_kaitos_refusal_beside_its_field_and_the_rest_on_top(
    client, dora, cluster, kaito
):
    client.force_login(dora)
    kaito.script = [Invalid("BadRequest", "KAITO refused it.", 400, REFUSAL)]

    response = deployed(client, preset="phi-4", instance_type="Standard_NC24ads_A100_v4")

    page = parsed(response)
    assert response.status_code == 422
    line = "invalid value: Unsupported inference preset name phi-4: inference.presetName"
    told = f"KAITO does not know this model. {line} something new that nobody has foreseen"
    assert words(page.find(id="notes-preset")) == told
    assert Operation.objects.count() == 0


def test_deploy_shows_what_no_field_is_to_blame_for_on_top(client, dora, cluster, kaito):
    client.force_login(dora)
    kaito.script = [Invalid("BadRequest", "KAITO refused it.", 400, "never heard of: it")]

    page = parsed(deployed(client))

    assert words(page.find(id="top")) == "KAITO refused it. never heard of: it"


def test_deploy_goes_on_when_the_cluster_does_not_answer(client, dora, cluster, kaito):
    client.force_login(dora)
    kaito.script = [Unreachable("Timeout", "The cluster did not answer in time.")]

    response = deployed(client)

    shown = parsed(client.get(response.url))
    assert Operation.objects.count() == 1
    assert words(shown.find(id="messages")) == (
        "The cluster did not answer in time."
        " KAITO has not judged the manifest; it will be sent as soon as it can."
    )


def test_deploy_refuses_a_viewer_and_records_it(client, bob, dora, cluster, kaito):
    client.force_login(dora)
    values = typed(client)
    client.force_login(bob)

    response = client.post(DEPLOY, values)

    assert (response.status_code, kaito.writes, Operation.objects.count()) == (403, [], 0)
    entry = Entry.objects.get(action="access.refused")
    assert (entry.actor_name, entry.detail["wanted"]) == ("bob", "workspace.create")


def test_viewer_sees_the_form_with_the_button_disabled(client, bob, cluster):
    client.force_login(bob)

    page = parsed(client.get(DEPLOY))

    assert page.select_one("#bar button").has_attr("disabled")
    assert words(page.find(id="blocker")) == "Your account may look, but not deploy"


def test_deploy_page_without_a_cluster_says_what_to_do(client, alice):
    client.force_login(alice)

    page = parsed(client.get(DEPLOY))

    assert page.h2.text == "No cluster is connected"
    assert page.select_one(".empty-state a")["href"] == reverse("clusters:connect")


def test_search_answers_htmx_with_the_cards(client, dora, cluster):
    client.force_login(dora)

    response = client.get(
        DEPLOY, {"q": "llama 3.3", "preset": "phi-4"}, **HTMX, HTTP_HX_TARGET="models"
    )

    cards = [radio["value"] for radio in parsed(response).select("#models input[type=radio]")]
    assert cards == ["phi-4", "llama-3.3-70b-instruct"]
    assert parsed(response).h1 is None


def test_check_answers_htmx_with_the_parts_that_changed(client, dora, cluster):
    client.force_login(dora)
    values = typed(client, name="My.Model")

    answer = parsed(client.post(CHECK, values, **HTMX))

    parts = [e["id"] for e in answer.find_all(recursive=False)]
    assert parts[:2] == ["memory", "top"]
    assert parts[-4:] == ["machines", "manifest", "outlook", "bar"]
    assert all(e["hx-swap-oob"] == "true" for e in answer.find_all(recursive=False))
    assert "field-name" not in parts
    assert words(answer.find(id="notes-name")).startswith("Lower-case letters")
    assert [line.text for line in answer.select("#yaml .err")] == ["  name: My.Model"]


def test_check_sends_the_fields_that_a_new_model_changes(client, dora, cluster):
    client.force_login(dora)
    values = typed(client, preset="llama-3.1-8b-instruct")

    answer = parsed(client.post(CHECK, values, **HTMX))

    assert answer.find(id="f-name")["value"] == "llama-3-1-8b-instruct"
    assert not answer.find(id="field-secret").has_attr("hidden")
    assert answer.select_one("#models .big input")["value"] == "llama-3.1-8b-instruct"


def test_check_without_htmx_shows_the_whole_page_mended(client, dora, cluster):
    client.force_login(dora)
    values = typed(client, name="My.Model", set="name=my-model")

    page = parsed(client.post(CHECK, values))

    assert page.h1.text == "Deploy a model"
    assert page.find(id="f-name")["value"] == "my-model"


def test_check_gives_the_manifest_as_a_file(client, dora, cluster):
    client.force_login(dora)
    values = typed(client, download="yaml")

    response = client.post(CHECK, values)

    disposition = 'attachment; filename="phi-4-mini-instruct.yaml"'
    assert response["Content-Disposition"] == disposition
    assert response.content.decode().startswith("apiVersion: kaito.sh/v1beta1\nkind: Workspace\n")


def test_check_refuses_get(client, dora):
    client.force_login(dora)

    assert client.get(CHECK).status_code == 405


def delete_address(workspace):
    return f"/workspaces/{workspace.cluster.name}/{workspace.namespace}/{workspace.name}/delete/"


def answers(client, workspace, **changes):
    form = parsed(client.get(delete_address(workspace))).find(id="question")
    hidden = {f["name"]: f["value"] for f in form.select("input[type=hidden]")}
    return hidden | {"confirm": workspace.name, "reason": "done"} | changes


def test_delete_says_what_goes(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster)

    page = parsed(client.get(delete_address(workspace)))

    assert page.h1.text == "Delete phi-4?"
    assert [words(item) for item in page.select(".checks li")][0:3] == [
        "1 VM Standard_NC24ads_A100_v4 , and what it costs Azure bills it until released,"
        " usually some minutes from now: aks-ws3f9c1a2b7-vmss000000",
        "The endpoint phi-4.team-a Whoever uses it gets no answer from then on",
        "What KAITO has made for it NodeClaim ws3f9c1a2b7; Pod phi-4-0; Service phi-4;"
        " and the weights it downloaded",
    ]


def test_delete_promises_no_machine_that_never_came(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster, story="quota")

    page = parsed(client.get(delete_address(workspace)))

    machine = "Standard_NC24ads_A100_v4"
    assert words(page.select_one(".checks li")) == (
        f"The order for 1 VM {machine} None has joined the cluster;"
        " one that is just starting is released as well"
    )
    assert words(page.select_one("button.btn-danger")) == "Delete workspace"


def test_delete_makes_one_operation_and_goes_back(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster)

    response = client.post(delete_address(workspace), answers(client, workspace))

    operation = Operation.objects.get()
    assert response.status_code == 302
    assert response.url.startswith("/workspaces/sandbox/team-a/phi-4/")
    assert (operation.kind, operation.uid, operation.reason) == ("delete", workspace.uid, "done")
    assert Entry.objects.filter(action="workspace.delete", outcome="requested").count() == 1


def test_delete_answers_htmx_with_a_redirect(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster)

    response = client.post(delete_address(workspace), answers(client, workspace), **HTMX)

    assert response["HX-Redirect"].startswith("/workspaces/sandbox/team-a/phi-4/")


def test_delete_asks_htmx_in_a_part(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster)

    part = parsed(client.get(delete_address(workspace), **HTMX))

    assert [e["id"] for e in part.find_all(recursive=False)] == ["question"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"confirm": "phi"}, "That is not phi-4."),
        ({"confirm": ""}, "Type the name of the workspace."),
        (
            {"uid": "another"},
            "Another workspace has taken this name since you opened the page. Look at it first.",
        ),
    ],
)
def test_delete_is_refused_until_it_is_meant(client, dora, cluster, changes, sentence):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster)

    response = client.post(delete_address(workspace), answers(client, workspace, **changes))

    told = [words(e) for e in parsed(response).select(".alert, .invalid-feedback")]
    assert (response.status_code, told) == (422, [sentence])
    assert Operation.objects.count() == 0


def test_delete_of_what_is_being_deleted_says_so(client, dora, cluster):
    client.force_login(dora)
    workspace = make_workspace(cluster=cluster, story="deleting")

    response = client.post(delete_address(workspace), answers(client, workspace))

    told = [words(e) for e in parsed(response).select(".alert")]
    assert (response.status_code, told) == (422, ["phi-4 is already being deleted."])


@pytest.mark.parametrize("method", ["get", "post"])
def test_delete_refuses_a_viewer_and_records_it(client, bob, cluster, method):
    client.force_login(bob)
    workspace = make_workspace(cluster=cluster)

    response = getattr(client, method)(delete_address(workspace))

    assert (response.status_code, Operation.objects.count()) == (403, 0)
    assert Entry.objects.get(action="access.refused").detail["wanted"] == "workspace.delete"


def test_delete_of_an_unknown_workspace_is_a_404(client, dora, cluster):
    client.force_login(dora)

    assert client.get("/workspaces/sandbox/team-a/none/delete/").status_code == 404


def test_operation_waits_and_asks_again_by_itself(client, dora, cluster):
    client.force_login(dora)
    operation = make_operation(cluster, dora)

    page = parsed(client.get(f"/operations/{operation.pk}/"))

    assert page.main["data-live-topics"] == f"operation-{operation.pk},workspaces"
    assert page.find(id="state")["hx-get"] == f"/operations/{operation.pk}/"
    assert page.find(id="state").h2.text == "Waiting for a worker"
    assert page.noscript.meta["http-equiv"] == "refresh"


@pytest.mark.parametrize("htmx", [False, True])
def test_operation_moves_on_when_the_workspace_appears(client, dora, cluster, htmx):
    client.force_login(dora)
    operation = make_operation(cluster, dora, status="succeeded")
    make_workspace(cluster=cluster, fields={"operation_id": operation.pk})

    response = client.get(f"/operations/{operation.pk}/", **(HTMX if htmx else {}))

    url = response["HX-Redirect"] if htmx else response.url
    assert url.startswith("/workspaces/sandbox/team-a/phi-4/")


def test_refused_operation_leads_back_to_the_form(client, dora, cluster):
    client.force_login(dora)
    operation = make_operation(
        cluster, dora, status="refused", error="KAITO refused it.", error_detail="its words"
    )

    part = parsed(client.get(f"/operations/{operation.pk}/", **HTMX))

    assert [e["id"] for e in part.find_all(recursive=False)] == ["state"]
    assert not part.find(id="state").has_attr("hx-get")
    assert (part.h2.text, words(part.select_one(".plain"))) == ("KAITO refused it.", "its words")
    assert part.select_one("a.btn-primary")["href"] == f"/deploy/?from={operation.pk}"


def test_unknown_operation_is_a_404(client, dora):
    client.force_login(dora)

    assert client.get(f"/operations/{uuid.uuid4()}/").status_code == 404
