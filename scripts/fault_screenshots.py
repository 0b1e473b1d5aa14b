"""Takes the pictures of docs/reliability.md: a program of its own is broken in each way, and its pages are looked at."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from scripts.screenshots import IMAGES, signed_in
from tests.e2e import faults
from tests.e2e import stack as stacks
from tests.e2e.conftest import CHROMIUM_FLAGS, chromium_path

FAULTS = IMAGES / "faults"
WIDTH, TALLEST, BELOW = 1200, 620, 16  # px
PATIENCE_MS = 90_000


def main() -> None:
    FAULTS.mkdir(parents=True, exist_ok=True)
    with stacks.running() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        pictures = Pictures(browser, stack)
        pictures.take_of_the_cluster()
        pictures.take_of_kaitoweb()
        pictures.take_without_kaito()  # last: it takes all workspaces along
        browser.close()


class Pictures:
    def __init__(self, browser: Browser, stack: stacks.Stack) -> None:
        self.stack = stack
        self.page = signed_in(browser, stack, "light")
        self.page.set_viewport_size({"width": WIDTH, "height": 800})

    def take_of_the_cluster(self) -> None:
        page, stack = self.page, self.stack
        with faults.frozen(stack, "sandbox"):
            self._banner("unreachable", "/workspaces/")
        self._heal("/workspaces/")
        with faults.with_expired_token(stack):
            self._banner("rejected", "/workspaces/")
        self._heal("/workspaces/")
        with faults.without_rights(stack, "workspaces"):
            self._banner("forbidden", "/workspaces/", opened=True)
        self._heal("/workspaces/")
        with faults.without_rights(stack, "pods"):
            self._banner("partial", "/workspaces/sandbox/team-a/qwen2-5-coder-7b/")
            tab = page.locator("#tab")
            expect(tab.locator("[data-trouble=partial]")).to_be_visible(timeout=PATIENCE_MS)
            tab.screenshot(path=FAULTS / "pods.png")
        self._heal("/workspaces/")

    def take_of_kaitoweb(self) -> None:
        page, stack = self.page, self.stack
        page.goto("/deploy/")
        page.locator("#deploy-form [name=name]").fill("kept")
        with faults.frozen(stack, "valkey"):
            page.get_by_role("button", name="Deploy", exact=True).click()
            expect(page.locator("#live")).to_contain_text("polling", timeout=PATIENCE_MS)
            self._shoot("queue", page.locator("#state"))
        page.wait_for_url("**/kept/", timeout=PATIENCE_MS)
        with faults.frozen(stack, "worker"):
            self._banner("unwatched", "/workspaces/", opened=True)
        self._heal("/workspaces/")
        with faults.without_database(stack):
            page.goto("/workspaces/")
            page.locator(".empty-state").screenshot(path=FAULTS / "database.png")
        expect(page.get_by_role("heading", name="Workspaces")).to_be_visible(timeout=PATIENCE_MS)
        with faults.frozen(stack, "web"):
            expect(page.locator("#live")).to_contain_text("reconnecting", timeout=PATIENCE_MS)
            self._shoot("web", page.locator("h1"))
        self._heal("/workspaces/")

    def take_without_kaito(self) -> None:
        with faults.without_kaito(self.stack):
            self._banner("kaito-missing", "/deploy/", opened=True)

    def _banner(self, kind: str, address: str, *, opened: bool = False) -> None:
        page = self.page
        page.goto(address)
        box = page.locator(f"#troubles [data-trouble={kind}]")
        expect(box).to_be_visible(timeout=PATIENCE_MS)
        if opened:
            box.locator("summary").click()
        self._shoot(kind, page.locator("h1"))

    def _shoot(self, name: str, last: Locator) -> None:
        """From the top of the page down to `last`."""
        page: Page = self.page
        page.wait_for_timeout(1200)  # fonts, the badge, the last fragment
        box = last.bounding_box()
        bottom = box["y"] + box["height"] + BELOW if box else TALLEST
        path = FAULTS / f"{name}.png"
        height = min(bottom, TALLEST)
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        print(path.relative_to(stacks.ROOT))

    def _heal(self, address: str) -> None:
        self.page.goto(address)
        expect(self.page.locator("#live")).to_have_text("Live", timeout=PATIENCE_MS)
        expect(self.page.locator("#troubles .trouble")).to_have_count(0, timeout=PATIENCE_MS)


if __name__ == "__main__":
    main()
