"""The banner of every page: what is wrong is said in words, with hostile words kept as words, and only when it differs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse
from django.utils import timezone

from clusters.models import ClusterState, WatchLease
from clusters.wording import KAITO_DOCS
from tests.kaitoweb.test_injection import EVIL, evil_of
from tests.workspaces import builders as b
from workspaces import feed

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(20)]

HTMX = {"HX-Request": "true"}
LONG_AGO = timedelta(minutes=7)


def stale(status, *, error="It went wrong.", detail=""):
    since = (timezone.now() - LONG_AGO).isoformat()
    told = {"state": "stale", "since": since, "error": error, "status": status}
    return told | {"detail": detail}


def broken(state, **more):
    """A cluster in each state that there is; watched, but where the watcher is what is missing."""
    then = timezone.now() - LONG_AGO
    fields = {
        "unwatched": {"last_contact_at": then, "created_at": then},
        "unreachable": {"state": ClusterState.UNREACHABLE, "last_contact_at": then},
        "failing": {"state": ClusterState.UNREACHABLE, "streams": {"workspaces": stale(503)}},
        "rejected": {"state": ClusterState.DENIED, "streams": {"workspaces": stale(401)}},
        "forbidden": {"state": ClusterState.DENIED, "streams": {"workspaces": stale(403)}},
        "kaito-missing": {
            "state": ClusterState.KAITO_MISSING,
            "streams": {"workspaces": stale(404)},
        },
        "silent": {"last_contact_at": then},
        "new": {"state": ClusterState.UNKNOWN},
        "partial": {"streams": {"pods": stale(403)}},
        "behind": {"streams": {"pods": stale(503)}},
        "narrow": {"streams": {"workspaces": {"state": "ok", "namespaces": ["a", "b"]}}},
        "polled": {"streams": {"workspaces": {"state": "ok", "polling": True}}},
    }[state]
    made = b.make_cluster(**fields | more)
    if "created_at" in fields:
        type(made).objects.filter(pk=made.pk).update(created_at=fields["created_at"])
    else:
        end = timezone.now() + timedelta(seconds=9)
        WatchLease.objects.create(cluster=made, holder="w", token=1, expires_at=end)
    return made


STATES = ("unwatched", "unreachable", "failing", "rejected", "forbidden")
STATES += ("kaito-missing", "silent", "new", "partial", "behind", "narrow", "polled")
STANDING = {"narrow", "polled"}  # said where many workspaces are looked at
OLD = set(STATES) - {"new", "partial", "behind"} - STANDING


MANY = {"/workspaces/", "/deploy/"}
EVERYWHERE = {
    "unreachable",
    "forbidden",
    "polled",
}  # on all pages; the others on two, since words are words


def soup(response):
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def told(page):
    return [e["data-trouble"] for e in page.select("#troubles [data-trouble]")]


def pages(workspace, operation):
    detail = reverse("workspaces:detail", args=["sandbox", workspace.namespace, workspace.name])
    return [
        reverse("workspaces:list"),
        detail,
        f"{detail}delete/",
        reverse("workspaces:deploy"),
        reverse("workspaces:operation", args=[operation.pk]),
        f"{reverse('playground:page')}?workspace={workspace.uid}",
    ]


@pytest.mark.parametrize("state", STATES)
def test_every_page_says_what_is_wrong(client, alice, state):
    client.force_login(alice)
    cluster = broken(state)
    workspace = b.make_workspace(cluster=cluster)
    operation = b.make_operation(cluster, alice, name="wished")

    for address in pages(workspace, operation)[: None if state in EVERYWHERE else 2]:
        page = soup(client.get(address))
        is_many = address in MANY
        assert told(page) == ([state] if is_many or state not in STANDING else []), address
        assert page.select_one("#troubles").has_attr("data-old") == (state in OLD), address
        assert page.select_one("[role=status] #troubles") is not None

    card = soup(client.get(reverse("clusters:list"))).select(
        f"#cluster-{cluster.pk} [data-trouble]"
    )
    assert [e["data-trouble"] for e in card] == [state]


@pytest.mark.parametrize("state", STATES)
def test_what_a_cluster_says_of_its_trouble_stays_text(client, alice, state):
    client.force_login(alice)
    cluster = broken(state, last_error=EVIL, identity={"username": EVIL, "groups": []})
    for stream in cluster.streams.values():
        stream |= {"error": EVIL, "detail": EVIL}
    cluster.save()

    for address in (reverse("workspaces:list"), reverse("clusters:list")):
        html = client.get(address).content.decode()
        assert evil_of(html.replace(f'href="{KAITO_DOCS}"', "")) == []


def test_a_healthy_cluster_leaves_the_banner_empty_but_listening(client, bob):
    client.force_login(bob)
    b.make_cluster()

    banner = soup(client.get(reverse("workspaces:list"))).select_one("#troubles")

    assert (told(banner), banner.get_text(strip=True)) == ([], "")
    assert banner["hx-trigger"] == "live:clusters from:body, every 15s"
    assert banner["data-live-topics"] == "clusters"


def test_the_banner_is_sent_again_only_when_it_says_something_else(client, bob):
    client.force_login(bob)
    cluster = broken("unreachable")
    first = soup(client.get(reverse("workspaces:list"))).select_one("#troubles")["hx-get"]

    same = client.get(first, headers=HTMX)
    type(cluster).objects.update(state=ClusterState.OK, last_contact_at=timezone.now())
    healed = soup(client.get(first, headers=HTMX))

    assert (same.status_code, same.content) == (204, b"")
    assert (told(healed), healed.div.has_attr("data-old")) == ([], False)
    assert client.get(healed.div["hx-get"], headers=HTMX).status_code == 204


def test_the_banner_is_about_the_cluster_of_the_page(client, bob):
    client.force_login(bob)
    broken("unreachable")
    b.make_cluster("fine")

    def clusters_old(query):
        page = soup(client.get(reverse("workspaces:list") + query))
        return page.select_one("#troubles").get("data-old")

    assert (clusters_old(""), clusters_old("?cluster=fine")) == ("sandbox", None)


def test_the_badge_counts_clusters_that_are_old(client, bob):
    client.force_login(bob)
    for name in ("a", "b"):
        broken("unreachable", name=name)

    assert (
        soup(client.get(reverse("workspaces:list"))).select_one("#troubles")["data-old"]
        == "2 clusters"
    )


def test_a_rule_can_be_copied(client, bob):
    client.force_login(bob)
    broken("partial")

    trouble = soup(client.get(reverse("workspaces:list"))).select_one("[data-trouble=partial]")

    text = trouble.select_one(trouble.button["data-copy"]).text
    assert text.startswith("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n")
    assert 'resources: ["pods"]' in text


def test_a_page_says_that_the_right_for_it_is_missing(client, dora):
    client.force_login(dora)
    right = {"verb": "create", "group": "", "resource": "services/proxy", "purpose": ""}
    cluster = b.make_cluster(capabilities={"rights": [{**right, "allowed": False}]})
    workspace = b.make_workspace(cluster=cluster)

    page = soup(client.get(f"{reverse('playground:page')}?workspace={workspace.uid}"))

    assert told(page) == ["lacking"]
    again = client.get(page.select_one("#troubles")["hx-get"], headers=HTMX)
    assert again.status_code == 204
    assert told(soup(client.get(reverse("workspaces:list")))) == []


def test_only_who_may_renew_a_sign_in_is_led_to_it(client, alice, bob):
    broken("rejected")

    def links(person):
        client.force_login(person)
        page = soup(client.get(reverse("workspaces:list")))
        return [a["href"] for a in page.select("#troubles a")]

    assert links(alice) == ["/clusters/connect/?renew=sandbox"]
    assert links(bob) == []


def test_a_dead_queue_is_said_where_something_is_asked_for(client, alice, settings):
    settings.REDIS_URL = "unix:///nonexistent.sock"
    feed._Asked.again_at = 0.0
    client.force_login(alice)
    workspace = b.make_workspace()
    wish = b.make_operation(workspace.cluster, alice, name="wished")

    page = soup(client.get(reverse("workspaces:operation", args=[wish.pk])))

    assert told(page) == ["queue"]
    assert page.select_one("#state h2").text == "The queue is down"
    assert "Your request is kept, and will be sent" in page.select_one("#state").text
    assert told(soup(client.get(reverse("workspaces:list")))) == []


@pytest.mark.parametrize(("tab", "is_told"), [("pods", True), ("logs", True), ("events", False)])
def test_a_tab_says_that_what_stands_under_it_is_not_whole(client, bob, tab, is_told):
    client.force_login(bob)
    workspace = b.make_workspace(cluster=broken("partial"))
    detail = reverse("workspaces:detail", args=["sandbox", workspace.namespace, workspace.name])

    section = soup(client.get(f"{detail}?tab={tab}")).find(id="tab")

    assert bool(section.select("[data-trouble=partial]")) == is_told


@pytest.mark.parametrize(
    ("state", "heading"),
    [
        ("forbidden", "Not allowed to look"),
        ("kaito-missing", "No KAITO, no workspaces"),
        ("new", "Being read for the first time"),
        ("unreachable", "Nothing is known here"),
        ("unwatched", "Nothing is known here"),
        ("partial", "No workspace yet"),
    ],
)
def test_an_empty_list_is_not_one_thing(client, bob, state, heading):
    client.force_login(bob)
    broken(state)

    assert (
        soup(client.get(reverse("workspaces:list"))).select_one(".empty-state h2").text == heading
    )


def test_the_banner_is_for_who_is_signed_in(client):
    broken("unreachable")

    assert client.get(reverse("troubles")).status_code == 302
    assert soup(client.get(reverse("accounts:sign_in"))).select("#troubles") == []
