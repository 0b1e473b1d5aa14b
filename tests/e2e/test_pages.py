"""Every page, in both themes and at both widths: zero axe findings, nothing wider than the screen, usable by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DETAIL = "/workspaces/sandbox/team-a/qwen2-5-coder-7b/"
PAGES = [
    "/workspaces/",
    "/workspaces/?q=nothing-like-it",
    "/deploy/",
    "/deploy/?recipe=cpu-container",
    *(
        f"{DETAIL}?tab={tab}"
        for tab in ("pods", "logs", "events", "conditions", "manifest", "history")
    ),
    f"{DETAIL}delete/",
    "/workspaces/sandbox/default/llama-3-3-70b/",
    "/workspaces/sandbox/kaito-custom-cpu-inference/bloomz-560m-workspace/",
    "/playground/",
    "/clusters/",
    "/clusters/connect/",
    "/no-such-page/",
]


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_accessible_and_fits(make_page, sign_in, axe, theme, width):
    page = sign_in(make_page(theme=theme, width=width))
    for address in PAGES:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        axe(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_sign_in_page_and_its_error(make_page, axe, theme):
    page = make_page(theme=theme, width=390)
    page.goto("/deploy/")
    axe(page)
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("correct")
    expect(page.get_by_label("User name")).to_have_value("admin")
    axe(page)


def test_the_theme_switch_overrides_and_is_kept(make_page, sign_in):
    page = sign_in(make_page(theme="light"))
    html = page.locator("html")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    page.reload()

    expect(html).to_have_attribute("data-bs-theme", "dark")


def test_a_workspace_is_opened_by_keyboard_alone(make_page, sign_in):
    page = sign_in(make_page())
    page.goto("/workspaces/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "qwen2-5-coder-7b":
            break
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{DETAIL}")


def test_pages_work_without_javascript(browser, stack):
    context = browser.new_context(base_url=stack.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/workspaces/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Deploy a model").click()
    page.locator("#deploy-form [name=name]").fill("no-script")
    page.get_by_role("button", name="Deploy", exact=False).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("no-script")

    page.goto("/workspaces/sandbox/default/no-script/delete/")
    page.get_by_label("Type no-script to confirm").fill("no-script")
    page.get_by_role("button", name="Delete workspace", exact=False).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("no-script")
    context.close()
