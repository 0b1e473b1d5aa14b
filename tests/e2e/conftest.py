"""A running program for the session, and pages that report what a person would not see: CSP violations, script errors."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e import stack as stacks

os.environ.setdefault(
    "DJANGO_ALLOW_ASYNC_UNSAFE", "true"
)  # playwright's sync API runs inside an event loop

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_REPORTS = """
addEventListener("securitypolicyviolation", e => console.error("CSP: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile));
"""


def _note(message, complaints):
    """An answer of 404 or 422 is what a test asked for; all else that the browser calls an error is one."""
    if message.type == "error" and not re.search(r"status of (404|422)", message.text):
        complaints.append(message.text)


def chromium_path():
    names = ["chromium", "chromium-browser", "google-chrome"]
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "No Chromium on PATH: install Debian's package `chromium`, as .ci/run does."
    return path


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {**browser_type_launch_args, "executable_path": chromium_path(), "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def stack():
    with stacks.running() as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.fixture
def make_page(browser, stack):
    """Makes pages in contexts of their own; at the end, none may have complained."""
    contexts, complaints = [], []

    def make(*, theme="light", width=1440, height=900, url=None):
        context = browser.new_context(
            base_url=url or stack.url,
            color_scheme=theme,
            viewport={"width": width, "height": height},
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.add_init_script(_REPORTS)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints
        contexts.append(context)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def sign_in(stack):
    def sign_in(page, *, password=None):
        page.goto("/")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill(password or stack.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in/" not in url)
        return page

    return sign_in


@pytest.fixture
def axe():
    """Asserts that axe finds nothing on the page."""

    def check(page):
        found = Axe().run(page, options={"preload": False}).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found] == []

    return check
