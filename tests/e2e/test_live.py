"""Pages that change by themselves, in several tabs, and say when they cannot."""

from __future__ import annotations

import json
import signal
import time

import psutil
import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

MANIFEST = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "by-hand", "namespace": "default"},
    "resource": {
        "instanceType": "Standard_NC24ads_A100_v4",
        "labelSelector": {"matchLabels": {"apps": "by-hand"}},
    },
    "inference": {"preset": {"name": "phi-4"}},
}


def test_what_kubectl_does_appears_in_every_open_page_and_goes_again(make_page, sign_in, stack):
    pages = [sign_in(make_page()), sign_in(make_page(width=390))]
    for page in pages:
        page.goto("/workspaces/")
        expect(page.locator("#live")).to_contain_text("Live")

    made = stack.kubectl("create", "-f", "-", input=json.dumps(MANIFEST))
    assert made.returncode == 0, made.stderr

    for page in pages:
        row = page.locator("tr", has_text="by-hand")
        expect(row).to_be_visible()
        expect(row).to_contain_text("Ready")
        expect(row).to_contain_text("outside")
    stack.kubectl("delete", "workspace", "by-hand", "-n", "default")
    for page in pages:
        expect(page.locator("tr", has_text="by-hand")).to_have_count(0)


def test_a_row_refreshes_in_place_and_keeps_the_focus(make_page, sign_in, stack):
    page = sign_in(make_page())
    page.goto("/workspaces/")
    link = page.get_by_role("link", name="qwen2-5-coder-7b", exact=True)
    link.focus()
    row = page.locator("tr", has=link)
    page.evaluate("row => row.dataset.old = 'yes'", row.element_handle())

    stack.kubectl(
        "annotate",
        "workspace",
        "qwen2-5-coder-7b",
        "-n",
        "team-a",
        f"touched={time.time()}",
        "--overwrite",
    )

    expect(row).not_to_have_attribute("data-old", "yes")
    expect(link).to_be_focused()


def test_logs_are_followed(make_page, sign_in):
    page = sign_in(make_page())
    page.goto("/workspaces/sandbox/team-a/qwen2-5-coder-7b/?tab=logs")

    expect(page.get_by_role("log")).to_contain_text("starting vLLM 0.25.1")


def test_the_page_says_that_it_is_not_live_and_heals(make_page, sign_in, stack):
    page = sign_in(make_page())
    page.goto("/workspaces/")
    badge = page.locator("#live")
    expect(badge).to_contain_text("Live")
    web = next(p for p in psutil.Process(stack.process.pid).children() if "uvicorn" in p.cmdline())

    web.send_signal(signal.SIGKILL)

    expect(badge).to_contain_text("Not live: as of")
    expect(badge).to_have_attribute("data-state", "live", timeout=40_000)
    page.complaints.clear()  # the browser's own words about the connection that was cut
