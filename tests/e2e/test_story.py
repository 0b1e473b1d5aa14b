"""What the new user does, from signing in to seeing the workspace gone; then what the auditor sees."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def deploy(page, name, *, search="qwen2.5-coder-7b"):
    page.get_by_role("link", name="Deploy a model").click()
    page.get_by_role("searchbox", name="Search models").fill(search)
    page.get_by_role("radio", name=re.compile("Qwen2.5-Coder-7B-Instruct")).check(force=True)
    field = page.locator("#deploy-form [name=name]")
    expect(field).to_have_value("qwen2-5-coder-7b-instruct")
    field.fill(name)
    page.locator("#deploy-form [name=namespace]").fill("team-a")
    expect(page.locator("#manifest")).to_contain_text(f"name: {name}")
    page.get_by_role("button", name="Deploy", exact=False).click()
    page.wait_for_url(f"**/workspaces/sandbox/team-a/{name}/")


def ask(page, text):
    page.locator("#prompt").fill(text)
    page.keyboard.press("Enter")


def workspaces(stack):
    listed = json.loads(stack.kubectl("get", "workspaces", "-A", "-o", "json").stdout)
    return {item["metadata"]["name"]: item for item in listed["items"]}


def test_from_the_form_to_the_first_token_and_away(make_page, sign_in, stack, axe, theme):
    name = f"story-{theme}"
    page = sign_in(make_page(theme=theme))
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    for seeded in ("qwen2-5-coder-7b", "phi-4-mini", "llama-3-3-70b", "bloomz-560m-workspace"):
        expect(page.get_by_role("link", name=seeded, exact=True)).to_be_visible()
    axe(page)

    deploy(page, name)
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.locator(".kw-head")).to_contain_text("Ready")
    made = workspaces(stack)[name]
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kaitoweb"
    assert made["inference"]["preset"]["name"] == "qwen2.5-coder-7b-instruct"
    axe(page)

    page.get_by_role("link", name="Open playground").click()
    ask(page, "repeat 5 please")
    answer = page.locator(".turn").last
    expect(answer.locator("[data-text]")).to_have_text("please1 please2 please3 please4 please5")
    expect(answer.locator("[data-facts]")).to_contain_text("tokens/s")
    axe(page)

    page.goto(f"/workspaces/sandbox/team-a/{name}/")
    page.get_by_role("link", name="Delete").click()
    page.get_by_label(re.compile("^Type .* to confirm")).fill(name)
    page.get_by_label("Why, for the audit").fill("the story ends")
    page.get_by_role("button", name=re.compile("^Delete workspace")).click()
    expect(page.locator(".kw-head")).to_contain_text("Deleted")
    assert name not in workspaces(stack)
    axe(page)

    page.goto("/workspaces/")
    expect(page.get_by_role("link", name="qwen2-5-coder-7b", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)

    page.get_by_role("link", name="Audit").click()
    page.locator("#searchbar").fill(name)
    page.keyboard.press("Enter")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(5)
    said = [
        (row.locator(".field-action").inner_text(), row.locator(".field-outcome").inner_text())
        for row in rows.all()
    ]
    assert said == [
        ("workspace.delete", "succeeded"),
        ("workspace.delete", "requested"),
        ("prompt.run", "succeeded"),
        ("workspace.create", "succeeded"),
        ("workspace.create", "requested"),
    ]
    assert {row.locator(".field-actor_name").inner_text() for row in rows.all()} == {"admin"}
    axe(page)


def test_kaitos_refusal_stands_beside_its_field_and_nothing_is_lost(make_page, sign_in):
    page = sign_in(make_page())
    page.goto("/deploy/?recipe=cpu-container")
    page.locator("#deploy-form [name=name]").fill("Not A Name")
    page.locator("#deploy-form [name=reason]").fill("just to see")

    page.get_by_role("button", name="Deploy", exact=False).click()

    field = page.locator("#deploy-form [name=name]")
    expect(field).to_have_value("Not A Name")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#deploy-form [name=reason]")).to_have_value("just to see")
    page.get_by_role("button", name="Use not-a-name").click()
    expect(field).to_have_value("not-a-name")


def test_cpu_container_of_the_original_document_answers_by_chat(make_page, sign_in, stack):
    page = sign_in(make_page())
    page.goto("/deploy/?recipe=cpu-container")
    expect(page.locator("#manifest")).to_contain_text("Standard_D16s_v5")
    page.locator("#deploy-form [name=name]").fill("bloomz-two")

    page.get_by_role("button", name="Deploy", exact=False).click()

    page.wait_for_url("**/workspaces/sandbox/kaito-custom-cpu-inference/bloomz-two/")
    expect(page.locator(".kw-head")).to_contain_text("Ready")
    made = workspaces(stack)["bloomz-two"]
    container = made["inference"]["template"]["spec"]["containers"][0]
    assert container["image"] == "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8"
    page.get_by_role("link", name="Open playground").click()
    ask(page, "repeat 3 words")
    expect(page.locator(".turn").last.locator("[data-text]")).to_have_text("words1 words2 words3")
