"""One run with the real small language model: what a person types is answered by it, streamed, and can be stopped."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e import stack as stacks

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def real():
    with stacks.running(model="smollm2", speed=50) as running:
        yield running


def test_a_real_model_answers_and_stops(make_page, sign_in, real):
    page = sign_in(make_page(url=real.url), password=real.password)
    page.goto("/workspaces/sandbox/team-a/qwen2-5-coder-7b/")
    page.get_by_role("link", name="Open playground").click()
    expect(page.locator("main")).to_contain_text("SmolLM2-135M")

    page.locator("#prompt").fill("Is a tomato a fruit or a vegetable?")
    page.keyboard.press("Enter")
    answer = page.locator(".turn").last
    expect(answer.locator("[data-facts]")).to_contain_text(re.compile(r"tokens"), timeout=60_000)
    expect(answer.locator("[data-text]")).to_contain_text(
        re.compile("tomato|fruit|vegetable", re.IGNORECASE)
    )

    page.locator("#prompt").fill("Tell me a very long story about a ship.")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator("[data-text]")).to_contain_text(
        re.compile(r"\w+ \w+"), timeout=60_000
    )
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.locator(".turn").last).to_contain_text("stopped", ignore_case=True)
