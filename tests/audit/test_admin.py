from __future__ import annotations

import uuid

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from audit import services
from audit.models import Entry
from audit.types import Actor, Outcome

pytestmark = pytest.mark.django_db
LIST = reverse("admin:audit_entry_changelist")


def record(**changes):
    values = {
        "actor": Actor(key="u9", name="dora"),
        "action": "workspace.create",
        "outcome": Outcome.REQUESTED,
    }
    return services.record(**(values | changes))


def test_list_shows_and_searches_entries(client, alice):
    record(reason="for the demo")
    record(reason="something else")
    client.force_login(alice)

    page = BeautifulSoup(client.get(LIST, {"q": "demo"}).content, "html.parser")

    assert page.h1.text == "Audit"
    assert [td.text for td in page.select("td.field-reason")] == ["for the demo"]


def test_list_tells_the_time_to_the_second(client, alice):
    entry = record()
    client.force_login(alice)

    page = BeautifulSoup(client.get(LIST).content, "html.parser")

    assert page.select_one("td.field-when").text == f"{entry.time:%-d %b %Y, %H:%M:%S}"


def test_list_filters_by_outcome(client, alice):
    record()
    record(outcome=Outcome.REFUSED)
    client.force_login(alice)

    page = BeautifulSoup(client.get(LIST, {"outcome__exact": "refused"}).content, "html.parser")

    assert [td.text for td in page.select("td.field-outcome")] == ["refused"]


def test_entry_links_to_its_operation_and_has_no_save_button(client, alice):
    operation = uuid.uuid4()
    entry = record(operation_id=operation, after={"a": 1})
    client.force_login(alice)

    page = BeautifulSoup(
        client.get(reverse("admin:audit_entry_change", args=[entry.seq])).content, "html.parser"
    )

    assert page.select_one(".field-operation a")["href"] == f"/operations/{operation}/"
    assert page.select_one(".field-after_text pre").text == '{\n  "a": 1\n}'
    assert page.select("input[type=submit][name=_save], a.deletelink, a.historylink") == []


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_entries_cannot_be_written_by_the_admin(client, alice, verb):
    entry = record()
    client.force_login(alice)
    args = [] if verb == "add" else [entry.seq]

    response = client.post(reverse(f"admin:audit_entry_{verb}", args=args), {"post": "yes"})

    assert response.status_code == 403
    assert Entry.objects.filter(action="workspace.create").count() == 1


def test_entries_are_closed_to_staff(client, dora):
    client.force_login(dora)

    assert client.get(LIST).status_code == 403
