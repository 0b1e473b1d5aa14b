from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.test import AsyncClient, Client

from audit.models import Entry
from playground import connections, queries, views
from tests.clusters.scripted import answers, refuses
from tests.workspaces import builders as b
from workspaces.models import Workspace

PRESET = "sandbox/team-a/qwen2-5-coder-7b"
CPU = "sandbox/kaito-custom-cpu-inference/bloomz-560m-workspace"
SCRIPTED = "sandbox/team-a/phi-4"
STANDSTILLS = [
    (refuses(503, message="no endpoints available"), "The workspace is waiting for a node: no pod stands behind its service yet."),
    (refuses(503, message="error trying to reach service: connect: connection refused"), "The model is still loading: its server does not listen yet."),
    (answers(404, b""), "The model is not there yet: its server answers so while it downloads the weights."),
    (answers(429, {"error": {"message": "queue"}}), "The model is busy: others are asking too. Try again in a moment."),
    (answers(200, {"data": []}), "The model’s server does not say what its model is called."),
]  # fmt: skip

pytestmark = pytest.mark.django_db(transaction=True)


class Document(HTMLParser):
    """Texts and attributes of a page."""

    def __init__(self, response):
        super().__init__()
        self.elements = []
        self.text = ""
        self._skipped = 0
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, **wanted):
        names = {k.replace("_", "-"): v for k, v in wanted.items()}
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(k) == v for k, v in names.items())
        ]

    def one(self, tag, **wanted):
        (found,) = self.all(tag, **wanted)
        return found


def page(client, query=""):
    response = client.get(f"/playground/{query}")
    assert response.status_code == 200
    return Document(response)


@pytest.fixture
def reader(client, bob):
    client.force_login(bob)
    return client


async def signed_in(person, **options):
    client = AsyncClient(**options)
    await client.aforce_login(person)
    return client


async def replied(person, workspace, prompt="Hello", **more):
    """Events of one prompt, as (name, data)."""
    client = await signed_in(person)
    response = await client.post(
        "/playground/reply/",
        data=json.dumps({"workspace": workspace, "prompt": prompt, **more}),
        content_type="application/json",
    )
    if not response.streaming:
        return response
    text = b"".join([part async for part in response.streaming_content]).decode()
    await connections.close_all()
    found = re.findall(r"^event: (.+)\ndata: (.+)\n\n", text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def text_of(events):
    return "".join(data["text"] for name, data in events if name == "token")


# The page


def test_page_shows_what_the_dialect_honours(reader):
    b.make_workspace(name="phi-4")

    shown = page(reader)

    fields = {f["name"]: f for f in shown.all("input", type="number")}
    assert {n: (f["min"], f["max"], f["value"]) for n, f in fields.items()} == {
        "temperature": ("0", "2", ""),
        "top_p": ("0.01", "1", ""),
        "max_tokens": ("1", "16384", "512"),
    }
    assert shown.one("input", name="workspace")["value"] == "sandbox/team-a/phi-4"
    assert shown.one("div", id="play")["data-server"] == (
        "/playground/server/?workspace=sandbox/team-a/phi-4"
    )


def test_page_offers_the_prompts_of_the_document(reader):
    b.make_workspace()

    shown = page(reader)

    assert [e for e in queries.EXAMPLES if e not in shown.text] == []
    assert len([1 for tag, found in shown.elements if "data-example" in found]) == 3


def test_page_says_that_everything_is_one_text_for_the_older_server(reader):
    b.make_workspace(name="old")
    Workspace.objects.update(dialect="chat")

    assert "are written into it, before your prompt" in page(reader).text


def test_page_of_what_does_not_answer_waits_for_it(reader):
    made = b.make_workspace(name="phi-4", story="weights")

    shown = page(reader, "?workspace=sandbox/team-a/phi-4")

    play = shown.one("div", id="play")
    assert play["hx-trigger"] == f"live:workspace-{made.uid} from:body, every 60s"
    assert "phi-4 does not answer yet" in shown.text
    assert shown.all("textarea") == []


def test_page_greys_what_does_not_answer_and_says_why(reader):
    b.make_workspace(name="phi-4")
    b.make_workspace(name="llama", story="quota")

    shown = page(reader)

    (greyed,) = shown.all("a", aria_disabled="true")
    assert "href" not in greyed
    assert "Azure refused the GPU node: quota used up" in shown.text


def test_page_without_a_workspace_says_what_to_do(client, dora):
    client.force_login(dora)

    shown = page(client)

    assert "No model to talk to" in shown.text
    assert [a for a in shown.all("a", href="/deploy/") if "btn-primary" in a["class"]]


def test_page_is_the_fragment_for_htmx(reader):
    b.make_workspace(name="phi-4")

    response = reader.get("/playground/", headers={"HX-Request": "true"})

    assert response.content.decode().lstrip().startswith('<div id="play"')
    assert "HX-Request" in response["Vary"]


def test_page_refreshes_its_state_without_the_conversation(reader):
    b.make_workspace(name="phi-4")

    response = reader.get("/playground/?part=state", headers={"HX-Request": "true"})

    assert response.content.decode().lstrip().startswith('<span id="play-state"')


@pytest.mark.parametrize("query", ["?workspace=sandbox/team-a/none", "?workspace=x"])
def test_page_of_what_is_not_there_is_a_404(reader, query):
    b.make_workspace()

    assert reader.get(f"/playground/{query}").status_code == 404


@pytest.mark.parametrize("path", ["/playground/", "/playground/server/?workspace=x"])
def test_pages_are_for_those_who_are_signed_in(client, path):
    assert client.get(path)["Location"].startswith("/sign-in/")


def test_page_costs_the_same_whatever_its_size(reader, django_assert_num_queries):
    b.make_workspace(name="phi-4")
    reader.get("/playground/")
    with django_assert_num_queries(5):
        reader.get("/playground/")
    for number in range(3):
        b.make_workspace(name=f"more-{number}")

    with django_assert_num_queries(5):
        reader.get("/playground/")


# The reply as a stream


@pytest.mark.asyncio
async def test_reply_streams_the_answer_of_a_preset(cluster, bob):
    events = await replied(bob, PRESET, "repeat 12 word", max_tokens=8)

    assert events[0] == ("start", {"model": "qwen2.5-coder-7b-instruct", "context_tokens": 4096})
    assert text_of(events) == "word1 word2 word3 word4 word5 word6 word7 word8"
    name, done = events[-1]
    assert (name, done["html"]) == ("done", f"<p>{text_of(events)}</p>\n")
    assert done["facts"][2:] == [["", "8", "tokens"], ["stopped at the token limit", "", ""]]
    assert done["used_tokens"] == 11


@pytest.mark.asyncio
async def test_reply_of_the_older_server_comes_in_one_piece(cluster, bob):
    events = await replied(bob, CPU, "x " * 300 + "end", temperature=0, max_tokens=400)

    assert [name for name, _ in events] == ["start", "token", "done"]
    assert text_of(events) == "You said: " + "x " * 300 + "end"


@pytest.mark.asyncio
async def test_reply_sends_the_conversation_again(cluster, bob):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]

    events = await replied(bob, CPU, "Hi", history=said, system="Be brief")

    assert text_of(events) == ("You said: Be brief\n\nUser: a\nAssistant: b\nUser: Hi\nAssistant:")


@pytest.mark.asyncio
async def test_reply_is_harmless_html_at_the_end(cluster, bob):
    events = await replied(bob, PRESET, "<img src=x onerror=alert(1)> **b**")

    assert events[-1][1]["html"] == (
        "<p>You said: &lt;img src=x onerror=alert(1)&gt; <strong>b</strong></p>\n"
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(("step", "words"), STANDSTILLS)
async def test_reply_says_why_there_is_none(server, scripted_workspace, bob, step, words):
    server.script("list", step)

    ((name, data),) = await replied(bob, SCRIPTED)

    assert (name, data["message"]) == ("error", words)


@pytest.mark.asyncio
async def test_reply_is_neither_kept_nor_compressed_nor_buffered(cluster, bob):
    client = await signed_in(bob)

    response = await client.post(
        "/playground/reply/",
        data=json.dumps({"workspace": PRESET, "prompt": "Hi"}),
        content_type="application/json",
    )

    headers = ("Content-Type", "Cache-Control", "Content-Encoding", "X-Accel-Buffering")
    assert [response[h] for h in headers] == ["text/event-stream", "no-store", "identity", "no"]
    assert [part async for part in response.streaming_content]
    await connections.close_all()


@pytest.mark.asyncio
async def test_reply_gives_signs_of_life(cluster, bob, monkeypatch):
    monkeypatch.setattr(views, "BEAT_S", 0.001)
    client = await signed_in(bob)

    response = await client.post(
        "/playground/reply/",
        data=json.dumps({"workspace": CPU, "prompt": "repeat 40 word"}),
        content_type="application/json",
    )
    parts = [part async for part in response.streaming_content]
    await connections.close_all()

    assert b": still waiting\n\n" in parts


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"prompt": ""}, "This field is required."),
        ({"temperature": 9}, "Temperature: Ensure this value is less than or equal to 2."),
        ({"history": 7}, "The earlier turns cannot be read."),
    ],
)
async def test_reply_refuses_what_makes_no_sense(cluster, bob, data, words):
    response = await replied(bob, PRESET, **{"prompt": "Hi", **data})

    assert (response.status_code, response.json()) == (400, {"message": words})


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b'{"prompt": "\\ud800"}'])
async def test_reply_refuses_what_it_cannot_read(bob, body):
    client = await signed_in(bob)

    response = await client.post("/playground/reply/", data=body, content_type="application/json")

    assert (response.status_code, response.json()) == (
        400,
        {"message": "The request cannot be read."},
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("asked", ["sandbox/team-a/none", "", 7, None, ["x"]])
async def test_reply_knows_nothing_of_what_is_not_there(cluster, bob, asked):
    assert (await replied(bob, asked)).status_code == 404


@pytest.mark.asyncio
async def test_reply_is_for_those_who_are_signed_in():
    response = await AsyncClient().post(
        "/playground/reply/", data="{}", content_type="application/json"
    )

    assert response["Location"].startswith("/sign-in/")


@pytest.mark.asyncio
async def test_reply_wants_a_token_against_forgery(cluster, bob):
    client = await signed_in(bob, enforce_csrf_checks=True)

    refused = await client.post(
        "/playground/reply/", data='{"prompt": "x"}', content_type="text/plain"
    )

    assert refused.status_code == 403


def test_reply_refuses_get(reader):
    assert reader.get("/playground/reply/").status_code == 405


# What the model's server says of itself


@pytest.mark.asyncio
async def test_server_tells_the_model_and_its_limit(cluster, bob):
    client = await signed_in(bob)

    response = await client.get(f"/playground/server/?workspace={PRESET}")
    await connections.close_all()

    assert response.json() == {"model": "qwen2.5-coder-7b-instruct", "context_tokens": 4096}


@pytest.mark.asyncio
@pytest.mark.parametrize(("step", "words"), STANDSTILLS)
async def test_server_says_why_it_does_not_answer(server, scripted_workspace, bob, step, words):
    server.script("list", step)
    client = await signed_in(bob)

    response = await client.get(f"/playground/server/?workspace={SCRIPTED}")
    await connections.close_all()

    assert (response.status_code, response.json()["error"]["message"]) == (200, words)


# Without JavaScript


def test_plain_form_gets_the_whole_page_with_the_answer(cluster, reader):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "*b*"}]

    response = reader.post(
        "/playground/reply/",
        {
            "workspace": PRESET,
            "prompt": "Say <b>x</b>",
            "history": json.dumps(said),
            "temperature": "0.5",
            "top_p": "",
            "max_tokens": "99",
            "system": "Be brief",
        },
    )

    shown = Document(response)
    assert response.status_code == 200
    assert "You said: Say <b>x</b>" in shown.text
    assert "ended by itself" in shown.text
    assert json.loads(shown.one("input", name="history")["value"]) == [
        *said,
        {"role": "user", "content": "Say <b>x</b>"},
        {"role": "assistant", "content": "You said: Say <b>x</b>"},
    ]
    fields = {f["name"]: f["value"] for f in shown.all("input", type="number")}
    assert fields == {"temperature": "0.5", "top_p": "", "max_tokens": "99"}
    assert Entry.objects.filter(action="prompt.run").count() == 1


def test_plain_form_keeps_what_was_typed_when_it_is_refused(cluster, reader):
    response = reader.post(
        "/playground/reply/", {"workspace": PRESET, "prompt": "Keep me", "temperature": "9"}
    )

    assert response.status_code == 400
    assert "Temperature: Ensure this value is less than or equal to 2." in Document(response).text
    assert "Keep me</textarea>" in response.content.decode()


def test_plain_form_shows_why_there_is_no_answer(server, scripted_workspace, reader):
    server.script("list", refuses(503, message="no endpoints available"))

    response = reader.post("/playground/reply/", {"workspace": SCRIPTED, "prompt": "Keep me"})

    shown = Document(response)
    assert "The workspace is waiting for a node" in shown.text
    assert "Keep me</textarea>" in response.content.decode()
    assert shown.one("input", name="history")["value"] == "[]"


def test_plain_form_wants_a_token_against_forgery(cluster, bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    refused = client.post("/playground/reply/", {"workspace": PRESET, "prompt": "Hi"})

    assert refused.status_code == 403
