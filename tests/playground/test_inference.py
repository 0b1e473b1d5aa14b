from __future__ import annotations

import pytest

from playground import inference
from playground.types import Failed, Finished, ModelCard, Started, Token
from tests.clusters.scripted import Scripted, answers, refuses, silence
from tests.playground.builders import (
    CARD,
    answer,
    delta,
    event,
    route,
    run,
    sse,
    text_of,
    thought_of,
    wish,
)
from workspaces.types import Dialect

USAGE = {"prompt_tokens": 3, "completion_tokens": 7}


@pytest.fixture
def there(server):
    server.script("list", answers(200, CARD))
    return route(server.cluster())


def ended(events):
    last = events[-1]
    return last.error.reason if isinstance(last, Failed) else "finished"


def test_run_gives_the_answer_as_it_comes(server, there):
    server.script("call", sse(answer("Hello", " you", usage=USAGE)))

    events = run(there, Dialect.VLLM)

    assert events[:-1] == [
        Started(ModelCard(name="phi-4", context_tokens=4096)),
        Token("Hello you"),
    ]
    numbers = events[-1].numbers
    assert (numbers.prompt_tokens, numbers.tokens, numbers.is_counted, numbers.finish) == (
        *(3, 7, True, "stop"),
    )


def test_run_asks_the_service_by_its_own_name_for_the_model(server, there):
    server.script("call", sse(answer("x")))

    run(there, Dialect.VLLM, wish("Hi"))

    sent = server.asked[-1]
    assert (sent.method, sent.path, sent.json["model"]) == (
        "POST",
        "/api/v1/namespaces/team-a/services/phi-4:http/proxy/v1/chat/completions",
        "phi-4",
    )
    assert sorted(sent.headers) == [
        *("accept", "accept-encoding", "authorization", "connection", "content-length"),
        *("content-type", "host", "user-agent"),
    ]


def test_run_measures_the_first_token_and_the_whole(server, there):
    words = [event(delta(content=w)) for w in "abcde"]
    server.script("call", sse(*words, answer("f"), every_s=0.1))

    numbers = run(there, Dialect.VLLM)[-1].numbers

    assert 0 < numbers.first_token_ms < numbers.total_ms
    assert numbers.total_ms >= 500
    assert numbers.total_ms - numbers.first_token_ms >= 250  # 500 but on a machine that stalls
    assert (numbers.tokens, numbers.is_counted) == (6, False)


def test_run_joins_what_came_together(server, there):
    server.script("call", sse(answer("a", "b", "c")))

    assert run(there, Dialect.VLLM)[1:-1] == [Token("abc")]


def test_run_tells_thoughts_from_the_answer(server, there):
    words = ("<thi", "nk>hm", "</think>", "yes")
    server.script("call", sse(*[event(delta(content=w)) for w in words], answer("!")))

    events = run(there, Dialect.VLLM)

    assert (thought_of(events), text_of(events)) == ("hm", "yes!")


def test_run_takes_a_transformers_stream_without_done(server, there):
    server.script("call", sse(answer("a", done=False)))

    assert ended(run(there, Dialect.TRANSFORMERS)) == "finished"


@pytest.mark.parametrize("then", ["end", "cut"])
def test_run_never_takes_a_cut_answer_for_a_whole_one(server, there, then):
    server.script("call", sse(answer("Half an", finish=None, done=False), then=then))

    events = run(there, Dialect.VLLM)

    assert (text_of(events), ended(events)) == ("Half an", "cut-short")


def test_run_keeps_what_came_before_an_error(server, there):
    begun = answer("Half an", finish=None, done=False)
    server.script("call", sse(begun, event({"error": "CUDA out of memory"}), event(b"[DONE]")))

    events = run(there, Dialect.VLLM)

    assert (text_of(events), ended(events)) == ("Half an", "failed")
    assert events[-1].error.detail == "CUDA out of memory"


def test_run_survives_bytes_that_are_no_text(server, there):
    torn = event(delta(content="é")).replace(b"\\u00e9", "é".encode())
    at = torn.index("é".encode()) + 1
    broken = b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'
    server.script("call", sse(torn[:at], torn[at:], broken, answer("!"), every_s=0.01))

    assert text_of(run(there, Dialect.VLLM)) == "é\ufffd!"


def test_run_gives_up_on_a_line_without_end(server, there):
    server.script("call", sse(answer("a", done=False, finish=None), *[b"x" * 2**20] * 10))

    events = run(there, Dialect.VLLM)

    assert (text_of(events), ended(events)) == ("a", "unreadable")


def test_run_gives_up_on_an_answer_without_end(server, there, monkeypatch):
    monkeypatch.setattr(inference, "MOST_ANSWER", 100)
    server.script("call", sse(*[event(delta(content="x" * 30))] * 10, every_s=0.01))

    events = run(there, Dialect.VLLM)

    assert (len(text_of(events)), ended(events)) == (90, "unreadable")


def test_run_gives_up_when_the_model_falls_silent(server, there, settings):
    settings.KAITOWEB_PROMPT_IDLE_S = 0.1
    server.script("call", sse(answer("a", done=False, finish=None), then="hold"))

    events = run(there, Dialect.VLLM)

    assert (text_of(events), ended(events)) == ("a", "silent")
    assert events[-1].numbers.total_ms < 1000


def test_run_gives_up_when_the_model_never_answers(server, there, settings):
    settings.KAITOWEB_PROMPT_IDLE_S = 0.1
    server.script("call", silence())

    assert ended(run(there, Dialect.CHAT)) == "silent"


def test_run_does_not_wait_for_the_end_after_done(server, there):
    server.script("call", sse(answer("a"), then="hold"))

    events = run(there, Dialect.VLLM)

    assert ended(events) == "finished"
    assert events[-1].numbers.total_ms < 1000


def test_run_reads_an_error_that_says_200(server, there):
    server.script("call", answers(200, {"error": {"message": "boom"}}))

    events = run(there, Dialect.VLLM)

    assert (ended(events), events[-1].error.detail) == ("unreadable", "boom")


@pytest.mark.parametrize("dialect", [Dialect.VLLM, Dialect.CHAT])
def test_run_says_a_prompt_once_whatever_happens(server, there, dialect):
    server.script("call", refuses(503, message="connect: connection refused"))

    events = run(there, dialect)

    assert (ended(events), server.count("call")) == ("loading", 1)


def test_run_asks_anew_who_serves_after_a_refusal(server, there):
    server.script("call", answers(404, {"error": {"message": "The model `x` does not exist."}}))

    run(there, Dialect.VLLM)
    run(there, Dialect.VLLM)

    assert server.count("list") == 2


def test_run_follows_no_redirect(server, there):
    server.script("call", answers(302, b"", headers=["Location: http://169.254.169.254/"]))

    assert ended(run(there, Dialect.VLLM)) == "unreadable"
    assert server.count("call") == 1


def test_run_refuses_more_tokens_than_the_model_sees(server, there):
    events = run(there, Dialect.VLLM, wish(max_tokens=4097))

    assert events[-1].error.message == "This model can see 4,096 tokens in all; ask for fewer."
    assert server.count("call") == 0


def test_run_says_that_nothing_answers():
    nobody = Scripted(url="http://127.0.0.1:1")

    assert ended(run(route(nobody.cluster()), Dialect.CHAT)) == "no-connection"


def test_run_takes_the_older_server_s_answer_in_one_piece(server, there):
    server.script("call", answers(200, {"Result": "<think>hm</think>A fruit."}))

    events = run(there, Dialect.CHAT)

    assert (thought_of(events), text_of(events)) == ("hm", "A fruit.")
    assert isinstance(events[-1], Finished)
    numbers = events[-1].numbers
    assert (numbers.first_token_ms, numbers.tokens, numbers.finish) == (None, None, "")


def test_run_reads_the_older_server_s_plain_failure(server, there):
    server.script("call", answers(500, b"Internal Server Error"))

    events = run(there, Dialect.CHAT)

    assert (ended(events), events[-1].error.detail) == ("failed", "Internal Server Error")
