from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from asgiref.sync import async_to_sync

from accounts.people import Caller
from audit.models import Entry
from playground import connections, relaying
from playground.recording import Run
from playground.types import Failed, Finished, Started, Token
from tests.clusters.scripted import answers
from tests.playground.builders import CARD, answer, delta, event, route, sse, wish
from tests.workspaces import builders as b
from workspaces.types import Dialect

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "my secret prompt"


@pytest.fixture
def run(server, bob):
    server.script("list", answers(200, CARD))
    workspace = b.make_workspace(name="phi-4", uid="uid-1")
    by = Caller(bob, source_ip="127.0.0.1", request_id="abc")
    return Run(by=by, workspace=workspace, dialect=Dialect.VLLM, route=route(server.cluster()))


def relayed(run, *, leave_after=None):
    """Events of one prompt; whoever leaves closes the generator."""

    async def collect():
        found = []
        try:
            async with aclosing(relaying.relay(run, wish(SECRET))) as events:
                async for event in events:
                    found.append(event)
                    if isinstance(event, leave_after or ()):
                        break
        finally:
            await connections.close_all()
        return found

    return async_to_sync(collect)()


def entry():
    (found,) = Entry.objects.filter(action="prompt.run")
    return found


def test_run_leaves_one_entry_without_a_word_of_it(run, server):
    usage = {"prompt_tokens": 3, "completion_tokens": 7}
    server.script("call", sse(answer("my", " secret", " answer", usage=usage)))

    relayed(run)

    found = entry()
    assert (found.actor_name, found.outcome, found.kind, found.cluster, found.uid) == (
        *("bob", "succeeded", "Workspace", "sandbox", "uid-1"),
    )
    first = found.detail.pop("first_token_ms")
    assert 0 <= first <= found.duration_ms
    assert found.detail == {
        "dialect": "openai-vllm",
        "prompt_tokens": 3,
        "tokens": 7,
        "finish": "stop",
    }
    assert "secret" not in str(vars(found))


def test_failed_run_says_why_in_one_word(run, server):
    server.script("call", answers(429, {"error": {"message": "Too many secrets"}}))

    relayed(run)

    found = entry()
    assert (found.outcome, found.detail) == (
        "failed",
        {"dialect": "openai-vllm", "error": "busy"},
    )


def test_stopped_run_is_no_failure(run, server):
    server.script("call", sse(event(delta(content="a")), then="hold"))

    assert [type(e) for e in relayed(run, leave_after=Token)] == [Started, Token]

    found = entry()
    assert (found.outcome, found.detail["finish"], found.detail["tokens"]) == (
        *("succeeded", "stopped", 1),
    )


def test_run_without_a_route_says_so(run):
    lost = Run(by=run.by, workspace=run.workspace, dialect=run.dialect, route=None)

    (event,) = relayed(lost)

    assert event.error.reason == "no-service"
    assert entry().detail["error"] == "no-service"


def test_unforeseen_failures_end_the_stream_with_words(run, monkeypatch, caplog):
    monkeypatch.setattr(relaying.inference, "run", None)

    (event,) = relayed(run)

    assert event.error.message == "kaitoweb failed; its log says why."
    assert caplog.messages == ["A prompt to team-a/phi-4 failed"]


def test_fifth_prompt_of_one_person_has_to_wait(run, server):
    server.script("call", sse(event(delta(content="a")), then="hold"))

    async def five():
        open_ones = [relaying.relay(run, wish()) for _ in range(4)]
        try:
            started = [await anext(events) for events in open_ones]
            async with asyncio.timeout(2):
                refused = [e async for e in relaying.relay(run, wish())]
        finally:
            for events in open_ones:
                await events.aclose()
        again = relaying.relay(run, wish())
        first = await anext(again)
        await again.aclose()
        await connections.close_all()
        return started, refused, first

    started, (refused,), first = async_to_sync(five)()

    assert {type(e) for e in started} == {Started}
    assert refused.error.reason == "too-many"
    assert isinstance(first, Started)
    assert dict(relaying._open) == {}


@pytest.mark.parametrize(
    ("stream", "last"),
    [(answer("a", "b"), Finished), (answer("a", "b", finish=None, done=False), Failed)],
)
def test_whole_answer_is_collected(run, server, stream, last):
    server.script("call", sse(stream))

    async def collect():
        try:
            return await relaying.collected(relaying.relay(run, wish()))
        finally:
            await connections.close_all()

    text, event = async_to_sync(collect)()

    assert (text, type(event)) == ("ab", last)
