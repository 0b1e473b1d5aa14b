from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from tests.workspaces import builders as b

pytestmark = pytest.mark.django_db

PAGE_QUERIES = 9  # session, person, and the list's own with the frame's clusters
HTMX = {"HX-Request": "true"}
URL = "/workspaces/sandbox/team-a/phi-4/"


def soup(response):
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def text(node):
    return " ".join(node.get_text(" ").split())


def test_workspace_list_shows_each_row_with_its_state(client, bob):
    client.force_login(bob)
    workspace = b.make_workspace(story="quota", fields={"owner": "alice"})

    page = soup(client.get("/workspaces/"))

    row = page.find(id=f"ws-{workspace.uid}")
    assert text(row.find(class_="status")) == "Failed"
    assert row.a["href"] == URL
    assert text(row.find_all("td")[1]) == "phi-4 Azure refused the GPU node: quota used up"
    assert row["hx-trigger"] == f"live:workspace-{workspace.uid} from:body"


def test_workspace_list_is_for_those_who_are_signed_in(client):
    response = client.get("/workspaces/")

    assert (response.status_code, response.url) == (302, "/sign-in/?next=/workspaces/")


def test_workspace_list_refuses_post(client, bob):
    client.force_login(bob)

    assert client.post("/workspaces/").status_code == 405


def test_workspace_list_answers_htmx_with_the_results_only(client, bob):
    client.force_login(bob)
    b.make_workspace()

    response = client.get("/workspaces/?state=ready&q=", headers=HTMX | {"HX-Trigger": "filters"})

    page = soup(response)
    assert [e["id"] for e in page.find_all(recursive=False)] == ["results"]
    assert response["HX-Push-Url"] == "/workspaces/?state=ready"
    assert "HX-Request" in response["Vary"]


def test_workspace_list_gives_the_whole_page_back_to_the_history(client, bob):
    client.force_login(bob)

    page = soup(client.get("/workspaces/", headers=HTMX | {"HX-History-Restore-Request": "true"}))

    assert page.find("main") is not None


def test_workspace_list_answers_for_one_row(client, bob):
    client.force_login(bob)
    live, gone = b.make_workspace(), b.make_workspace(name="gone", story="gone")

    row = soup(client.get(f"/workspaces/?row={live.uid}", headers=HTMX))
    nothing = client.get(f"/workspaces/?row={gone.uid}", headers=HTMX)

    assert [e["id"] for e in row.find_all("tr")] == [f"ws-{live.uid}"]
    assert nothing.content == b""


@pytest.mark.parametrize("count", [1, 3])
def test_workspace_list_needs_as_many_queries_for_three_rows_as_for_one(
    client, bob, count, django_assert_num_queries
):
    client.force_login(bob)
    for number in range(count):
        b.make_workspace(name=f"w{number}")

    with django_assert_num_queries(PAGE_QUERIES):
        client.get("/workspaces/")


@pytest.mark.parametrize(
    ("state", "heading"),
    [
        (None, "No cluster is connected"),
        ("ok", "No workspace yet"),
        ("unreachable", "Nothing is known here"),
    ],
)
def test_empty_list_says_what_to_do_next(client, bob, state, heading):
    client.force_login(bob)
    if state:
        b.make_cluster(state=state)

    assert text(soup(client.get("/workspaces/")).find(class_="empty-state").h2) == heading


def test_empty_cluster_among_others_is_no_filter(client, dora):
    client.force_login(dora)
    b.make_workspace()
    b.make_cluster("other", state="ok")

    state = soup(client.get("/workspaces/?cluster=other")).find(class_="empty-state")

    assert text(state.h2) == "No workspace in other yet"
    assert state.a["href"] == "/deploy/?cluster=other"


@pytest.mark.parametrize(("state", "is_old"), [("ok", False), ("unreachable", True)])
def test_what_was_last_known_of_a_cluster_says_how_old_it_is(client, bob, state, is_old):
    client.force_login(bob)
    heard = timezone.now() - timedelta(seconds=10)
    workspace = b.make_workspace(cluster=b.make_cluster(state=state, last_contact_at=heard))
    words = f"as of {heard:%H:%M} utc"

    heading = text(soup(client.get(URL)).select_one("#now .kw-head")).lower()
    row = text(soup(client.get("/workspaces/")).find(id=f"ws-{workspace.uid}").td).lower()

    assert (words in heading, words in row) == (is_old, is_old)


def test_empty_list_of_a_filter_offers_all(client, bob):
    client.force_login(bob)
    b.make_workspace()

    state = soup(client.get("/workspaces/?q=nothing")).find(class_="empty-state")

    assert (text(state.h2), state.a["href"]) == ("No workspace matches", "/workspaces/")


def test_only_deployers_are_offered_to_deploy(client, bob, dora):
    b.make_cluster()

    def offers(person):
        client.force_login(person)
        return len(soup(client.get("/workspaces/")).select('main a[href="/deploy/"]'))

    assert (offers(bob), offers(dora)) == (0, 2)


def test_queued_wish_is_a_row(client, dora):
    client.force_login(dora)
    wish = b.make_operation(b.make_cluster(), dora, name="soon")

    row = soup(client.get("/workspaces/")).find(id=f"operation-{wish.id}")

    assert text(row.find(class_="status")) == "Queued"
    assert row.a["href"] == f"/operations/{wish.id}/"


def test_workspace_detail_shows_the_cause_with_its_evidence_and_fixes(client, dora):
    client.force_login(dora)
    b.make_workspace(story="quota")

    page = soup(client.get(URL))

    assert text(page.find(id="h-cause")) == "Azure refused the GPU node: quota used up"
    assert b.QUOTA_TEXT in text(page.select_one(".cause pre"))
    assert [text(a) for a in page.select(".fix a")] == ["Open the form", "Delete…"]
    assert [text(li.find(class_="t")) for li in page.select(".stages .fail")] == [
        "GPU node , failed"
    ]


def test_workspace_detail_calms_while_nothing_is_wrong(client, bob):
    client.force_login(bob)
    b.make_workspace(story="weights")

    assert text(soup(client.get(URL)).select_one(".cause")).startswith("Nothing to do.")


def test_workspace_detail_tells_viewers_why_they_may_not_delete(client, bob):
    client.force_login(bob)
    b.make_workspace()

    button = soup(client.get(URL)).find(id="act-delete")

    assert (button.name, button.has_attr("disabled")) == ("button", True)
    assert button["title"].startswith("Your account may look")


@pytest.mark.parametrize("url", ["nothing/", "phi-4/?uid=of-another"])
def test_workspace_that_is_not_there_is_a_404(client, bob, url):
    client.force_login(bob)
    b.make_workspace()

    assert client.get(f"/workspaces/sandbox/team-a/{url}").status_code == 404


def test_workspace_detail_is_for_those_who_are_signed_in(client):
    b.make_workspace()

    assert client.get(URL).status_code == 302


@pytest.mark.parametrize(
    ("part", "ids"),
    [("now", ["now", "timeline"]), ("endpoint", ["endpoint"]), ("tab", ["tab"])],
)
def test_workspace_detail_answers_htmx_with_the_part(client, bob, part, ids):
    client.force_login(bob)
    b.make_workspace(story="node")

    page = soup(client.get(f"{URL}?part={part}", headers=HTMX))

    assert [e["id"] for e in page.find_all(recursive=False)] == ids


@pytest.mark.parametrize(
    ("tab", "found"),
    [
        ("pods", "phi-4-0"),
        ("events", "NodeClaimCreated"),
        ("conditions", "Normal while pending; no failure by itself"),
        ("manifest", "instanceType"),
        ("history", "Deploy: succeeded"),
        ("logs", "phi-4-0 / phi-4"),
    ],
)
def test_tabs_are_links_that_work_without_javascript(client, dora, tab, found):
    client.force_login(dora)
    workspace = b.make_workspace(story="weights")
    b.make_event(workspace.cluster, "NodeClaimCreated")
    b.make_operation(workspace.cluster, dora, uid=workspace.uid, status="succeeded")
    link = soup(client.get(URL)).find(id=f"tab-{tab}")

    section = soup(client.get(link["href"])).find(id="tab")

    assert found in text(section)
    assert text(section.find("a", attrs={"aria-current": "true"})).startswith(tab.capitalize())


def test_log_text_is_never_markup(client, bob):
    client.force_login(bob)
    workspace = b.make_workspace()
    b.make_event(workspace.cluster, "<b>x</b>", "<script>alert(1)</script>")

    section = soup(client.get(f"{URL}?tab=events")).find(id="tab")

    assert (section.find("script"), section.find("b")) == (None, None)
    assert "<script>alert(1)</script>" in text(section)


def test_gone_workspace_keeps_its_page(client, dora):
    client.force_login(dora)
    workspace = b.make_workspace(story="gone")
    b.make_operation(workspace.cluster, dora, kind="delete", uid=workspace.uid, status="succeeded")

    page = soup(client.get(URL))

    words = text(page.select_one(".cause"))
    assert words.startswith("Deleted 12:09 by dora")
    assert "freed 1 × Standard_NC24ads_A100_v4" in words
    assert page.find(id="act-delete") is None


def test_public_address_comes_with_a_warning(client, bob):
    client.force_login(bob)
    b.make_workspace(fields={"external_address": "203.0.113.7"})

    card = soup(client.get(URL)).find(id="endpoint")

    assert text(card.find(id="ep-public")) == "http://203.0.113.7"
    assert "KAITO asks for no key" in text(card.find(class_="alert"))


def test_look_into_the_log_of_an_unreachable_cluster_changes_nothing(client, bob):
    client.force_login(bob)
    cluster = b.make_cluster(endpoint="http://127.0.0.1:9")
    b.make_workspace(cluster=cluster, story="weights")

    page = soup(client.get(f"{URL}?part=now&look=1", headers=HTMX))

    assert "Downloading and loading the model" in text(page)


def test_open_deletion_is_said_on_the_page(client, dora):
    client.force_login(dora)
    workspace = b.make_workspace()
    wish = b.make_operation(workspace.cluster, dora, kind="delete", uid=workspace.uid)

    now = soup(client.get(URL)).find(id="now")

    assert text(now.find(class_="cause")).startswith("dora asked to delete it")
    assert f"live:operation-{wish.id}" in now["hx-trigger"]
