"""What a person sees of a fault, and that the page goes on by itself when it ends. On a program of its own, which is broken on purpose."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.e2e import faults
from tests.e2e import stack as stacks
from tests.e2e.test_live import MANIFEST

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SOON_MS = 45_000  # the machine may be slow; each takes some seconds on an idle one


@pytest.fixture(scope="module")
def broken():
    """The program that these tests break."""
    with stacks.running() as running:
        yield running


@pytest.fixture
def open_page(make_page, sign_in, broken):
    """A page of it. What the browser says of failed requests is what these tests are about."""
    opened = []

    def open_page(address):
        page = sign_in(make_page(url=broken.url), password=broken.password)
        page.goto(address)
        expect(page.locator("#live")).to_have_text("Live", timeout=SOON_MS)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        page.complaints.clear()


def trouble(page, kind):
    return page.locator(f"#troubles [data-trouble={kind}]")


def expect_healed(page, kind):
    expect(trouble(page, kind)).to_have_count(0, timeout=SOON_MS)
    expect(page.locator("#live")).to_have_text("Live", timeout=SOON_MS)


def test_a_cluster_that_falls_silent(open_page, broken, axe):
    page = open_page("/workspaces/")
    made = broken.kubectl("create", "-f", "-", input=json.dumps(MANIFEST))
    assert made.returncode == 0, made.stderr
    row = page.locator("tr", has_text="by-hand")
    expect(row).to_be_visible(timeout=SOON_MS)

    with faults.frozen(broken, "sandbox"):
        expect(trouble(page, "unreachable")).to_contain_text(
            re.compile(r"sandbox cannot be reached since \d\d:\d\d"), timeout=SOON_MS
        )
        expect(page.locator("#live")).to_have_text(re.compile(r"Not live: sandbox as of \d\d:\d\d"))
        expect(row).to_contain_text("as of")
        axe(page)

    expect_healed(page, "unreachable")
    expect(row).not_to_contain_text("as of", timeout=SOON_MS)


def test_a_right_that_is_taken_away_comes_back_by_the_rule_on_the_page(open_page, broken, axe):
    page = open_page("/workspaces/")

    with faults.without_rights(broken, "workspaces"):
        box = trouble(page, "forbidden")
        expect(box).to_contain_text("kaitoweb may not list workspaces", timeout=SOON_MS)
        box.locator("summary").click()
        box.get_by_role("button").click()
        axe(page)
        rule = page.evaluate("navigator.clipboard.readText()")

        applied = broken.kubectl("apply", "-f", "-", input=rule)

        assert applied.returncode == 0, applied.stderr
        expect_healed(page, "forbidden")


def test_a_cluster_without_kaito(open_page, broken, axe):
    page = open_page("/deploy/")
    button = page.get_by_role("button", name="Deploy", exact=True)
    expect(button).to_be_enabled()

    with faults.without_kaito(broken):
        expect(trouble(page, "kaito-missing")).to_contain_text(
            "KAITO is not installed", timeout=SOON_MS
        )
        expect(button).to_be_disabled(timeout=SOON_MS)
        axe(page)

    expect_healed(page, "kaito-missing")
    expect(button).to_be_enabled(timeout=SOON_MS)


def test_a_wish_is_kept_while_the_queue_is_down(open_page, broken, axe):
    page = open_page("/deploy/")
    page.locator("#deploy-form [name=name]").fill("kept")

    with faults.frozen(broken, "valkey"):
        page.get_by_role("button", name="Deploy", exact=True).click()
        expect(page.locator("#state h2")).to_have_text("The queue is down")
        expect(page.locator("#state")).to_contain_text("Your request is kept, and will be sent")
        expect(page.locator("#live")).to_have_text("Not live: polling")
        axe(page)
        begun = time.monotonic()
        page.goto("/workspaces/")
        took_s = time.monotonic() - begun
        expect(page.locator("tr", has_text="kept")).to_contain_text("Queued")
        page.go_back()

    page.wait_for_url("**/workspaces/sandbox/default/kept/", timeout=SOON_MS)
    expect(page.locator("#live")).to_have_text("Live", timeout=SOON_MS)
    assert took_s < 3  # each question to the dead queue is given half a second


def test_a_page_without_database_loads_itself_again(open_page, broken, axe):
    page = open_page("/workspaces/")

    with faults.without_database(broken):
        page.goto("/workspaces/")
        expect(page.get_by_role("heading", level=1)).to_have_text("The database is away")
        axe(page)

    expect(page.get_by_role("heading", level=1)).to_have_text("Workspaces", timeout=SOON_MS)
