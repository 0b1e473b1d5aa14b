"""`make run` with somebody's own cluster: deployed in the form, accepted by a real API server, shown, and deleted."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from bs4 import BeautifulSoup

from sandbox.kubeconfig import kubeconfig
from tests.conformance.product import deployed_token
from tests.conformance.targets import wait_until
from tests.e2e import stack as stacks

pytestmark = pytest.mark.timeout(240)

LIMIT_S = 60


class Person:
    """Somebody with a browser that knows no script."""

    def __init__(self, client):
        self.client = client

    def page(self, path):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text[:500]
        return BeautifulSoup(answer.text, "html.parser")

    def send(self, path, selector, **typed):
        """Fill the form on the page at `path` and send it; where the answer's redirect leads."""
        form = self.page(path).select_one(selector)
        address = form.get("action") or path
        answer = self.client.post(address, data=_values(form) | typed)
        assert answer.history, BeautifulSoup(answer.text, "html.parser").select_one("#main").text
        return answer.url.path


def _values(form):
    """What a browser would send without a click."""
    values = {}
    for field in form.select("input[name], select[name], textarea[name]"):
        is_off = field.get("type") in ("radio", "checkbox") and not field.has_attr("checked")
        if not is_off:
            option = field.select_one("option[selected]") if field.name == "select" else field
            values[field["name"]] = option.get("value", "") if option else ""
    return values


@contextlib.contextmanager
def started(path):
    folder = path.parent / "state"
    folder.mkdir()
    environment = stacks.environment(folder, stacks.free_port())
    stack = stacks.launch(environment | {"KAITOWEB_KUBECONFIG": str(path)})
    try:
        yield stacks.wait_until_ready(stack)
    finally:
        if stack.process.poll() is None:
            stack.stop()


@pytest.fixture
def person(apiserver_target, tmp_path):
    """Signed in as admin, to a kaitoweb that has the rights of deploy/rbac.yaml."""
    api = apiserver_target
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(api.url, "kaitoweb", deployed_token(api), api.ca))
    with (
        started(path) as stack,
        httpx.Client(base_url=stack.url, follow_redirects=True, timeout=30) as client,
    ):
        made = Person(client)
        made.send("/sign-in/", "form", username="admin", password=stack.password)
        yield made


def test_from_the_form_to_the_list_and_away(apiserver_target, person):
    api = apiserver_target
    namespace = api.namespace()
    path = f"/apis/kaito.sh/v1beta1/namespaces/{namespace}/workspaces/story"

    person.send(
        "/deploy/?preset=phi-4-mini-instruct", "#deploy-form", name="story", namespace=namespace
    )

    found = wait_until(lambda: _found(api, path), LIMIT_S)
    assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kaitoweb"
    assert found["metadata"]["managedFields"][0]["manager"] == "kaitoweb"
    wait_until(lambda: "story" in _names(person), LIMIT_S)

    place = f"/workspaces/cluster/{namespace}/story/delete/"
    person.send(place, "#question", confirm="story", reason="the story ends")

    wait_until(lambda: _found(api, path) is None, LIMIT_S)
    wait_until(lambda: "story" not in _names(person), LIMIT_S)


def _found(api, path):
    answer = api.admin.get(path)
    return answer.json() if answer.status_code == 200 else None


def _names(person):
    return [link.text for link in person.page("/workspaces/").select("#main a")]
