"""What a page weighs on the wire, together with its scripts."""

from __future__ import annotations

import gzip

import pytest
from bs4 import BeautifulSoup
from django.contrib.staticfiles import finders
from django.urls import reverse

from tests.workspaces import builders as b

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(20)]

PAGE_BYTES, SCRIPT_BYTES = 25_000, 70_000  # compressed
DETAIL = reverse("workspaces:detail", args=["sandbox", "team-a", "phi-4"])
PLAYGROUND = f"{reverse('playground:page')}?workspace=sandbox/team-a/phi-4"
PAGES = [reverse("workspaces:list"), reverse("workspaces:deploy"), reverse("clusters:list")]
PAGES += [PLAYGROUND, f"{DETAIL}?tab=manifest", f"{DETAIL}?tab=events", f"{DETAIL}?tab=logs"]


@pytest.fixture
def many(alice):
    """More than a page of workspaces, and one with a long life."""
    cluster = b.make_cluster()
    for number in range(60):
        b.make_workspace(cluster=cluster, name=f"model-{number}", story="ready")
    b.make_workspace(cluster=cluster, story="ready")
    for number in range(300):
        b.make_event(cluster, "Pulling", f"attempt {number} of {number * 7}, and so on")


@pytest.mark.parametrize("address", PAGES)
def test_page_and_its_scripts_are_light(client, alice, many, address):
    client.force_login(alice)

    response = client.get(address, headers={"accept-encoding": "gzip"})

    assert response["Content-Encoding"] == "gzip"
    assert len(response.content) <= PAGE_BYTES
    page = BeautifulSoup(gzip.decompress(response.content), "html.parser")
    scripts = [e["src"].removeprefix("/static/") for e in page.select("script[src]")]
    assert sum(_weight(name) for name in scripts) <= SCRIPT_BYTES


def _weight(name):
    with open(finders.find(name), "rb") as file:
        return len(gzip.compress(file.read()))


def test_streams_are_not_compressed(client, alice):
    """Compressing would hold events back."""
    client.force_login(alice)

    response = client.get(reverse("workspaces:events"), headers={"accept-encoding": "gzip"})
    response.close()

    assert response["Content-Encoding"] == "identity"
