"""Whatever a cluster, a person or a model's server says is text on our pages: no element, no script, no address of theirs.

And what is secret is on none of them.
"""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from django.conf import settings as django_settings
from django.urls import reverse

import audit.services
from audit.models import Entry
from audit.types import Actor, Outcome, Target
from clusters.credentials import seal
from clusters.models import ClusterState
from tests.workspaces import builders as b
from workspaces import parsing
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(30)]

EVIL = "\"'><x-evil onclick=evil()></x-evil><img src=evil onerror=evil()><script>evil()</script>&lt;b&gt;"
LINK = "javascript:evil()"
SECRETS = {
    "token": "canary-kubeconfig-token",
    "password": "hunter2-canary-password",
    "hugging face": "hf_canarycanarycanary0123",
    "key": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
}
OURS = [reverse("clusters:connect")]  # holds nothing but our own words
TABS = ("pods", "logs", "events", "conditions", "manifest", "history")


def hostile_template():
    """A pod template as somebody writes it who has read nothing about secrets."""
    env = [
        {"name": "HF_TOKEN", "value": SECRETS["hugging face"]},
        {"name": "DB_PASSWORD", "value": SECRETS["password"]},
        {"name": EVIL, "value": EVIL},
    ]
    container = {
        "name": EVIL,
        "image": EVIL,
        "command": ["/bin/sh", "-c", f"login --password={SECRETS['password']}"],
        "env": env,
    }
    return {"metadata": {"annotations": {EVIL: LINK}}, "spec": {"containers": [container]}}


def hostile_rows(person, story):
    """Everything that may be text is hostile; names too, since who writes into the database may be anyone."""
    cluster = b.make_cluster(
        name="hostile",
        endpoint=f"https://{EVIL}",
        namespaces=[EVIL],
        identity={"username": EVIL, "groups": [EVIL]},
        capabilities={"kubernetes": EVIL, "kaito": EVIL, "served": {EVIL: [EVIL]}},
        state=ClusterState.UNREACHABLE,
        last_error=EVIL,
        created_by=EVIL[:150],
        sealed_credentials=seal({"token": SECRETS["token"], "key": SECRETS["key"]}),
    )
    annotations = {
        EVIL: LINK,
        "note": f"Bearer {SECRETS['token']}",
        "kaitoweb/last-applied-by": EVIL,
    }
    made = b.make_workspace(
        cluster=cluster,
        story=story,
        template=hostile_template(),
        annotations=annotations,
        instance_type=EVIL,
        fields={
            "owner": EVIL[:150],
            "external_address": LINK,
            "managers": [{"manager": EVIL, "operation": EVIL, "time": EVIL, "paths": [EVIL]}],
        },
    )
    raw = parsing.redacted(made.raw)
    raw["status"]["conditions"] = [
        b.raw_condition(EVIL, "False", EVIL, EVIL),
        b.raw_condition("ResourceReady", "False", EVIL, EVIL),
    ]
    raw["status"]["workerNodes"] = [EVIL]
    Workspace.objects.update(raw=raw, model=EVIL, headline=EVIL, instance_type=EVIL)
    _hostile_entry()
    _hostile_dependents(cluster)
    b.make_event(cluster, EVIL, EVIL, type="Warning", source=EVIL)
    b.make_transition(made, "phase", EVIL[:64], before=EVIL[:64], reason=EVIL, message=EVIL)
    operation = b.make_operation(
        cluster,
        person,
        name="wished",
        status="failed",
        error=EVIL,
        error_detail=EVIL,
        reason=EVIL,
        manifest=b.raw_workspace("wished", preset=EVIL, instance_type=EVIL, namespace=EVIL),
    )
    return cluster, made, operation


def _hostile_entry():
    """With secrets in it, which the audit takes out itself."""
    audit.services.record(
        actor=Actor(key="u1", name=EVIL),
        action="workspace.create",
        outcome=Outcome.FAILED,
        target=Target(kind="Workspace", cluster="hostile", namespace=EVIL, name=EVIL),
        before={EVIL: EVIL, "password": SECRETS["password"]},
        after=hostile_template(),
        reason=f"{EVIL} {SECRETS['hugging face']}",
        detail={"why": f"Bearer {SECRETS['token']}", EVIL: SECRETS["key"]},
    )


def _hostile_dependents(cluster):
    waiting = {"waiting": {"reason": EVIL, "message": EVIL}}
    pod = b.raw_pod(
        number=7,
        phase=EVIL,
        containers=[b.raw_container(EVIL, state=waiting, image=EVIL)],
        conditions=[b.raw_condition(EVIL, "False", EVIL, EVIL)],
        spec={"nodeName": EVIL, "containers": [{"name": EVIL, "image": EVIL}]},
    )
    claim = b.raw_claim(
        name="evil", node=EVIL, conditions=[b.raw_condition("Launched", "False", EVIL, EVIL)]
    )
    service = b.raw_service()
    service["spec"] |= {"clusterIP": EVIL, "type": EVIL}
    service["status"] = {"loadBalancer": {"ingress": [{"hostname": LINK}, {"ip": EVIL}]}}
    for raw in (pod, claim, service):
        b.make_dependent(cluster, raw)


def addresses(made, operation):
    detail = reverse("workspaces:detail", args=["hostile", made.namespace, made.name])
    entry = Entry.objects.order_by("-seq").first()
    return [
        reverse("workspaces:list"),
        f"{reverse('workspaces:list')}?q={EVIL.replace('&', '%26')}&cluster=hostile&namespace=x",
        *(f"{detail}?tab={tab}" for tab in TABS),
        *(f"{detail}?code={language}" for language in ("curl", "python", "javascript")),
        f"{detail}delete/",
        f"{reverse('workspaces:deploy')}?from={operation.pk}",
        f"{reverse('workspaces:deploy')}?name={EVIL}&preset={EVIL}&namespace={EVIL}&label={EVIL}",
        reverse("workspaces:operation", args=[operation.pk]),
        f"{reverse('playground:page')}?workspace=hostile/{made.namespace}/{made.name}",
        f"{reverse('clusters:list')}?open={made.cluster_id}",
        reverse("clusters:disconnect", args=[made.cluster_id]),
        reverse("clusters:connect"),
        reverse("admin:audit_entry_changelist"),
        reverse("admin:audit_entry_change", args=[entry.seq]),
        reverse("admin:clusters_cluster_changelist"),
        reverse("admin:clusters_cluster_change", args=[made.cluster_id]),
    ]


def text_of(html):
    """Without the header, which shows the same on every page."""
    soup = BeautifulSoup(html, "html.parser")
    return (soup.main or soup).get_text()


def evil_of(html):
    """What a browser would make of it that is not ours."""
    soup = BeautifulSoup(html, "html.parser")
    found = [str(e)[:200] for e in soup.find_all(["x-evil", "u-evil", "iframe", "object", "style"])]
    found += [str(e)[:200] for e in soup.select("img:not([src^='/static/'])")]
    for element in soup.find_all(True):
        for name, value in element.attrs.items():
            words = " ".join(value) if isinstance(value, list) else value
            is_address = name in {
                "href",
                "src",
                "action",
                "formaction",
                "hx-get",
                "hx-post",
                "hx-delete",
            }
            if (
                name.startswith("on")
                or "evil" in name
                or (is_address and not re.match(r"[/#?]", words))
            ):
                found.append(f"{element.name} {name}={words[:80]}")
        if element.name == "script" and not element.get("src"):
            found.append(str(element)[:200])
    return found


@pytest.mark.parametrize("story", ["ready", "quota", "pull", "gated", "deleting", "gone"])
def test_nothing_that_a_cluster_says_becomes_an_element(client, alice, story):
    alice.username = EVIL.replace("x-evil", "u-evil")[:150]
    alice.save(update_fields=["username"])
    client.force_login(alice)
    _, made, operation = hostile_rows(alice, story)

    asked, shown = addresses(made, operation), set()
    for address in asked:
        for headers in ({}, {"hx-request": "true"}):
            response = client.get(address, headers=headers, follow=True)
            assert response.status_code == 200, address
            html = response.content.decode()
            shown |= {address} if EVIL in text_of(html) else set()
            assert evil_of(html) == [], address
            assert [name for name, secret in SECRETS.items() if secret in html] == [], address
            assert django_settings.SECRET_KEY not in html
    # Seen as text: else this would prove nothing. Who asks stands on every page, and is counted apart.
    assert sorted(set(asked) - shown) == sorted(OURS)
