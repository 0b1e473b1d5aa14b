"""The path of a wish, a fact and a token through the running program: latencies and memory.

Starts the whole program (echo model, its token every millisecond at speed 20) and speaks with it as a browser does.
"""

from __future__ import annotations

import json
import re
import ssl
import statistics
import time
import uuid
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import sync_playwright
from ruamel.yaml import YAML

from bench.tables import ms, quantile, table
from tests.e2e import stack as stacks
from tests.e2e.conftest import CHROMIUM_FLAGS, chromium_path

WISHES = 40
CHANGES = 30
PROMPTS = 60
WORKSPACE = "sandbox/team-a/qwen2-5-coder-7b"
API = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces"


def main() -> None:
    with stacks.running(model="echo", speed=20) as stack:
        person, cluster = _person(stack), _cluster(stack)
        accepted, made = _wishes(person, cluster)
        changes = _changes(stack, cluster)
        direct, through = _tokens(stack, person)
        memory = _memory(stack)
    table(
        "A wish and a fact",
        ["what", "p50", "p95", "p99", "runs"],
        [
            ["click on Deploy to the answer of the form", *_three(accepted)],
            ["click on Deploy to the object in the cluster", *_three(made)],
            ["change in the cluster to change on the screen", *_three(changes)],
        ],
    )
    added = [b - a for a, b in zip(direct, through, strict=True)]
    table(
        "Time to first token (OpenAI dialect, echo model)",
        ["what", "p50", "p95", "p99", "runs"],
        [
            ["asked directly at the model's server", *_three(direct)],
            ["through the playground and the API server's proxy", *_three(through)],
            ["added, run by run", *_three(added)],
        ],
    )
    print(f"\nratio of the medians: {statistics.median(through) / statistics.median(direct):.1f}")
    table("Memory, resident", ["process", "MB"], memory)


def _three(values: list[float]) -> list[object]:
    return [*(ms(quantile(values, q)) for q in (0.5, 0.95, 0.99)), len(values)]


def _person(stack: stacks.Stack) -> httpx.Client:
    client = httpx.Client(base_url=stack.url, timeout=30, trust_env=False)
    client.get("/sign-in/")
    answer = client.post(
        "/sign-in/", data={"username": "admin", "password": stack.password, **_token(client)}
    )
    assert answer.status_code == 302, answer.text
    return client


def _token(client: httpx.Client) -> dict[str, str]:
    page = client.get("/deploy/", follow_redirects=True).text
    return {
        "csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    }


def _cluster(stack: stacks.Stack) -> httpx.Client:
    config = YAML(typ="safe").load(stack.state / "sandbox" / "kubeconfig")
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    import base64

    authority = base64.b64decode(server["certificate-authority-data"]).decode()
    return httpx.Client(
        base_url=server["server"],
        headers={"Authorization": f"Bearer {user['token']}"},
        verify=ssl.create_default_context(cadata=authority),
        trust_env=False,
    )


def _wishes(person: httpx.Client, cluster: httpx.Client) -> tuple[list[float], list[float]]:
    accepted, made = [], []
    for number in range(WISHES):
        name = f"bench-{number}"
        fields = {
            "recipe": "preset",
            "cluster": "sandbox",
            "preset": "phi-4-mini-instruct",
            "name": name,
            "namespace": "default",
            "instance_type": "Standard_NC24ads_A100_v4",
            "key": uuid.uuid4().hex,
            **_token(person),
        }
        begun = time.perf_counter()
        answer = person.post("/deploy/", data=fields)
        accepted.append(time.perf_counter() - begun)
        assert answer.status_code == 302, re.sub(r"\s+", " ", answer.text)[:2000]
        while cluster.get(f"{API}/{name}").status_code != 200:
            time.sleep(0.002)
        made.append(time.perf_counter() - begun)
    _clear(cluster, "bench")
    begun = time.monotonic()
    while 'id="ws-' in person.get("/workspaces/?q=bench-").text:
        time.sleep(0.1)
    print(
        f"\nThe mirror was even with the cluster {time.monotonic() - begun:.1f} s after the last of {WISHES} deletions."
    )
    return accepted, made


def _clear(cluster: httpx.Client, prefix: str) -> None:
    """Delete the benchmark's workspaces and wait until the cluster has none of them."""
    names = [w["metadata"]["name"] for w in cluster.get(API).json()["items"]]
    for name in names:
        if name.startswith(f"{prefix}-"):
            cluster.delete(f"{API}/{name}")
    while any(w["metadata"]["name"].startswith(prefix) for w in cluster.get(API).json()["items"]):
        time.sleep(0.2)


def _changes(stack: stacks.Stack, cluster: httpx.Client) -> list[float]:
    """A workspace is made in the cluster; the moment its row stands in the open page, by the page's own clock."""
    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        page = browser.new_page(base_url=stack.url)
        page.goto("/workspaces/")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill(stack.password)
        page.keyboard.press("Enter")
        page.wait_for_selector("#live[data-state=live]")
        for number in range(CHANGES):
            name = f"seen-{number}"
            page.evaluate(
                """name => { window.seen = new Promise(done => {
                  const look = () => document.body.textContent.includes(name) && done(Date.now());
                  new MutationObserver(look).observe(document.body, {childList: true, subtree: true}); }); }""",
                name,
            )
            begun = time.time()
            cluster.post(API, json=_workspace(name)).raise_for_status()
            took.append(page.evaluate("() => window.seen") / 1000 - begun)
            time.sleep(0.5)
        browser.close()
    _clear(cluster, "seen")
    return took


def _workspace(name: str) -> dict:
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "resource": {
            "instanceType": "Standard_ND96isr_H200_v5",  # out of quota: few events beside the one measured
            "labelSelector": {"matchLabels": {"apps": name}},
        },
        "inference": {"preset": {"name": "phi-4"}},
    }


def _tokens(stack: stacks.Stack, person: httpx.Client) -> tuple[list[float], list[float]]:
    """Alternately asked directly and through the program, so that both see the same machine."""
    line = next(
        line for line in stack.lines if line.startswith("   model") and "listening on" in line
    )
    model = f"{line.rpartition(' ')[2]}/vllm/qwen2.5-coder-7b-instruct"
    body = {
        "model": "qwen2.5-coder-7b-instruct",
        "stream": True,
        "messages": [{"role": "user", "content": "repeat 3 words"}],
    }
    token = _token(person)["csrfmiddlewaretoken"]
    wish = {"workspace": WORKSPACE, "prompt": "repeat 3 words", "history": []}
    headers = {"x-csrftoken": token, "content-type": "application/json"}
    direct, through = [], []
    with httpx.Client(timeout=30, trust_env=False) as plain:
        for _ in range(PROMPTS):
            direct.append(
                _first(plain, f"{model}/v1/chat/completions", body, {}, b'"content":"words1')
            )
            through.append(_first(person, "/playground/reply/", wish, headers, b"words1"))
    return direct, through


def _first(client: httpx.Client, url: str, body: dict, headers: dict, sign: bytes) -> float:
    begun, took, seen = time.perf_counter(), None, b""
    with client.stream(
        "POST",
        url,
        content=json.dumps(body),
        headers={"content-type": "application/json", **headers},
    ) as answer:
        for chunk in answer.iter_raw():
            seen += chunk
            if took is None and sign in seen:
                took = time.perf_counter() - begun
    assert took is not None, seen[:500]
    return took


def _memory(stack: stacks.Stack) -> list[list[object]]:
    names = {
        r"valkey\.sock": "valkey",
        "sandbox_model": "model server (echo; SmolLM2 adds about 320)",
        r"manage\.py sandbox": "sandbox",
        "beat --schedule": "beat",
        "worker --pool": "worker with watcher",
        "uvicorn": "web",
        r"manage\.py up": "supervisor (manage.py up)",
    }
    rows = []
    for process in [
        psutil.Process(stack.process.pid),
        *psutil.Process(stack.process.pid).children(),
    ]:
        words = " ".join(Path(part).name for part in process.cmdline())
        name = next((label for word, label in names.items() if re.search(word, words)), words)
        rows.append([name, f"{process.memory_info().rss / 1e6:.0f}"])
    return sorted(rows)
