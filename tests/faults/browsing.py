"""A signed-in person: what a browser sends, through the forms as they are, without the browser."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import httpx
from bs4 import BeautifulSoup, Tag

PRESET = "phi-4"
MACHINE = "Standard_NC24ads_A100_v4"
NAMESPACE = "default"
HF_TOKEN = "hf_canaryABCDEFGHIJKLMNOPQR"
REASON = f"it leaks {HF_TOKEN}"  # people paste such things


def http_client(url: str, *, timeout_s: float | None = 20) -> httpx.Client:
    """Speaks plain HTTP in the name of a proxy that ended TLS, and sends Secure cookies all the same."""
    client = httpx.Client(
        base_url=url,
        headers={"X-Forwarded-Proto": "https", "Origin": url.replace("http://", "https://")},
        timeout=httpx.Timeout(timeout_s, connect=5),
        trust_env=False,
    )

    def with_cookies(request: httpx.Request) -> None:
        pairs = (f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
        request.headers["Cookie"] = "; ".join(pairs)

    client.event_hooks = {"request": [with_cookies]}
    return client


@dataclass
class Person:
    """`accepted`: of each form that was answered as accepted the operation's id, or where it is not told the form's key."""

    client: httpx.Client
    accepted: list[str] = field(default_factory=list)
    _form: dict[str, str] = field(default_factory=dict)

    def sign_in(self, name: str, password: str) -> Person:
        page = self.client.get("/sign-in/")
        token = _soup(page).find(attrs={"name": "csrfmiddlewaretoken"})["value"]
        values = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        answer = self.client.post(page.url.path, data=values)
        assert answer.status_code == 302, (answer.status_code, answer.text[:500])
        return self

    def deploy_form(self, name: str) -> dict[str, str]:
        """What the deploy page would send for this name; a fresh key each time, the page is read once."""
        if not self._form:
            form = _soup(self.client.get(f"/deploy/?preset={PRESET}")).find(id="deploy-form")
            self._form = dict(_fields(form)) | {
                "instance_type": MACHINE,
                "namespace": NAMESPACE,
                "reason": REASON,
            }
        return self._form | {"name": name, "key": uuid.uuid4().hex}

    def deploy(self, name: str, values: dict[str, str] | None = None) -> httpx.Response:
        return self.send("/deploy/", values or self.deploy_form(name))

    def delete_form(self, name: str, page: httpx.Response | None = None) -> dict[str, str]:
        """In `page`, if that was asked for before."""
        form = _soup(page or self.client.get(self.delete_url(name))).find(id="question")
        return dict(_fields(form)) | {"confirm": name, "reason": REASON}

    def delete(self, name: str, values: dict[str, str] | None = None) -> httpx.Response:
        return self.send(self.delete_url(name), values or self.delete_form(name))

    def test_cluster(self, pk: int) -> httpx.Response:
        token = {"csrfmiddlewaretoken": self._form["csrfmiddlewaretoken"]}
        return self.client.post(f"/clusters/{pk}/test/", data=token)

    def renew_cluster(self, name: str, kubeconfig: str) -> httpx.Response:
        values = {"renew": name, "name": name, "kubeconfig": kubeconfig}
        token = {"csrfmiddlewaretoken": self._form["csrfmiddlewaretoken"]}
        return self.client.post("/clusters/connect/", data=values | token)

    def send(self, path: str, values: dict[str, str]) -> httpx.Response:
        answer = self.client.post(path, data=values)
        if answer.status_code == 302:
            place = answer.headers["location"].strip("/").split("/")
            assert place[0] != "sign-in"
            self.accepted.append(place[1] if place[0] == "operations" else values["key"])
        return answer

    @staticmethod
    def delete_url(name: str) -> str:
        return f"/workspaces/sandbox/{NAMESPACE}/{name}/delete/"


def _soup(answer: httpx.Response) -> BeautifulSoup:
    assert answer.status_code == 200, (answer.status_code, answer.text[:500])
    return BeautifulSoup(answer.text, "html.parser")


def _fields(form: Tag) -> list[tuple[str, str]]:
    """Names and values as a browser takes them."""
    found = []
    for each in form.find_all(["input", "select"]):
        is_off = each.get("type") in ("radio", "checkbox") and not each.has_attr("checked")
        if each.get("name") and not is_off:
            option = each.find("option", selected=True) if each.name == "select" else each
            found.append((each["name"], option.get("value", "") if option else ""))
    return found
