"""Takes the pictures of README.md and docs/ from a sandbox of its own: `make screenshots`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e import stack as stacks
from tests.e2e.conftest import CHROMIUM_FLAGS, chromium_path

IMAGES = stacks.ROOT / "docs" / "images"
QWEN = "/workspaces/sandbox/team-a/qwen2-5-coder-7b/"
Theme = Literal["light", "dark"]
SHOTS: dict[str, tuple[Theme, str]] = {
    "workspaces": ("light", "/workspaces/"),
    "deploy": ("light", "/deploy/"),
    "workspace": ("dark", QWEN),
    "failed": ("light", "/workspaces/sandbox/default/llama-3-3-70b/"),
    "clusters": ("light", "/clusters/"),
}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with stacks.running(model="auto", speed=1) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        for name, (theme, address) in SHOTS.items():
            page = signed_in(browser, stack, theme)
            page.goto(address)
            _shoot(page, name)
        _playground(signed_in(browser, stack, "light"))
        browser.close()


def signed_in(browser: Browser, stack: stacks.Stack, theme: Theme) -> Page:
    page = browser.new_page(
        base_url=stack.url, color_scheme=theme, viewport={"width": 1280, "height": 800}
    )
    page.goto("/workspaces/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    return page


def _playground(page: Page) -> None:
    page.goto(QWEN)
    page.get_by_role("link", name="Open playground").click()
    page.locator("#prompt").fill("Answer briefly: What is cloud computing?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator("[data-facts]")).to_contain_text(
        "tokens/s", timeout=60_000
    )
    _shoot(page, "playground")


def _shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)  # fonts, the live badge, the first fragments
    path = Path(IMAGES / f"{name}.png")
    page.screenshot(path=path)
    print(path.relative_to(stacks.ROOT))


if __name__ == "__main__":
    main()
