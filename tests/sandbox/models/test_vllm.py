import threading
import time

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.models import vllm_requests
from tests.modelservers import run_models

NAME = "phi-4-mini-instruct"


@pytest.fixture(scope="module")
def server():
    with run_models(max_model_len=64) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=f"{server.url}/vllm/{NAME}", timeout=4) as client:
        yield client


def chat(text, **fields):
    return {"model": NAME, "messages": [{"role": "user", "content": text}], **fields}


def events(body):
    return [line.removeprefix("data: ") for line in body.split("\n\n") if line]


def chunks(body):
    return [orjson.loads(event) for event in events(body) if event != "[DONE]"]


def samples(text):
    return {
        (sample.name, sample.labels.get("finished_reason")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_is_empty(client):
    response = client.get("/health")

    assert (response.status_code, response.content) == (200, b"")


def test_version_answers(client):
    assert list(client.get("/version").json()) == ["version"]


def test_adapters_are_models_with_a_parent(server):
    with httpx.Client(base_url=f"{server.url}/vllm/{NAME};style;tone", timeout=4) as client:
        cards = client.get("/v1/models").json()["data"]
        answer = client.post("/v1/chat/completions", json=chat("Hello there", model="tone")).json()
        refused = client.post("/v1/chat/completions", json=chat("Hello", model="other"))

    assert [(card["id"], card["parent"]) for card in cards] == [
        (NAME, None),
        ("style", NAME),
        ("tone", NAME),
    ]
    assert answer["model"] == "tone"
    assert refused.status_code == 404


def test_models_says_name_owner_and_context(client):
    (card,) = client.get("/v1/models").json()["data"]

    assert (card["id"], card["owned_by"], card["max_model_len"], card["parent"]) == (
        NAME,
        "vllm",
        64,
        None,
    )


def test_name_with_a_slash_is_one_segment(server):
    models = httpx.get(f"{server.url}/vllm/microsoft%2Fphi-4/v1/models").json()

    assert models["data"][0]["id"] == "microsoft/phi-4"


def test_openapi_tells_the_dialect(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert "post" in paths["/v1/chat/completions"]
    assert "/chat" not in paths


def test_chat_answers_with_usage(client):
    answer = client.post("/v1/chat/completions", json=chat("hello there")).json()

    assert answer["id"].startswith("chatcmpl-")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == NAME
    assert answer["choices"][0]["message"]["content"] == "You said: hello there"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 2, "total_tokens": 6, "completion_tokens": 4}


def test_chat_without_model_uses_the_served_one(client):
    body = {"messages": [{"role": "user", "content": "hi"}]}

    assert client.post("/v1/chat/completions", json=body).json()["model"] == NAME


def test_chat_takes_content_in_parts(client):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    answer = client.post("/v1/chat/completions", json=chat(parts)).json()

    assert answer["choices"][0]["message"]["content"] == "You said: one\ntwo"


def test_request_id_becomes_the_completion_id(client):
    answer = client.post(
        "/v1/chat/completions", json=chat("hi"), headers={"X-Request-Id": "abc"}
    ).json()

    assert answer["id"] == "chatcmpl-abc"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_output_limit_ends_with_length(client, field):
    answer = client.post("/v1/chat/completions", json=chat("repeat 9 w", **{field: 3})).json()

    assert answer["choices"][0]["message"]["content"] == "w1 w2 w3"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


def test_stop_string_ends_and_is_named(client):
    answer = client.post("/v1/chat/completions", json=chat("repeat 9 w", stop=[" w4"])).json()

    choice = answer["choices"][0]
    assert choice["message"]["content"] == "w1 w2 w3"
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", " w4")


@pytest.mark.parametrize(
    ("said", "meant"), [({}, (0.2, 0.9)), ({"temperature": 0, "top_p": 1}, (0, 1))]
)
def test_sampling_left_unsaid_is_the_models_own(said, meant):
    body = vllm_requests.read_request(
        {"messages": [{"role": "user", "content": "x"}]} | said, vllm_requests.CHAT, "served"
    )

    sampling = vllm_requests.read_sampling(body, 16)

    assert (sampling.temperature, sampling.top_p) == meant


def test_stream_is_role_then_words_then_done(client):
    response = client.post("/v1/chat/completions", json=chat("hi", stream=True))

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert events(response.text)[-1] == "[DONE]"
    parts = chunks(response.text)
    assert {part["object"] for part in parts} == {"chat.completion.chunk"}
    assert len({part["id"] for part in parts}) == 1
    deltas = [part["choices"][0]["delta"] for part in parts]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta["content"] for delta in deltas] == ["", "You", " said:", " hi", ""]
    assert [part["choices"][0]["finish_reason"] for part in parts] == [None] * 4 + ["stop"]
    assert not any("usage" in part for part in parts)


def test_stream_gives_usage_when_asked(client):
    body = chat("hi", stream=True, stream_options={"include_usage": True})
    last = chunks(client.post("/v1/chat/completions", json=body).text)[-1]

    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 1, "total_tokens": 4, "completion_tokens": 3}


def test_stream_arrives_word_by_word():
    with run_models(speed=1) as server:
        url = f"{server.url}/vllm/{NAME}/v1/chat/completions"
        body = chat("repeat 10 w", stream=True)
        arrivals = []
        with httpx.stream("POST", url, json=body) as response:
            for _ in response.iter_lines():
                arrivals.append(time.monotonic())

    assert arrivals[-1] - arrivals[0] > 0.1


def test_completions_stops_at_16_tokens_by_default(client):
    body = {"model": NAME, "prompt": "repeat 40 w"}
    answer = client.post("/v1/completions", json=body).json()

    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert answer["usage"]["completion_tokens"] == 16
    assert answer["choices"][0]["finish_reason"] == "length"


def test_completions_streams_text(client):
    body = {"prompt": "hi", "stream": True}
    parts = chunks(client.post("/v1/completions", json=body).text)

    assert "".join(part["choices"][0]["text"] for part in parts) == "You said: hi"


def test_tokenize_and_detokenize_are_inverse(client):
    tokens = client.post("/tokenize", json={"model": NAME, "prompt": "a b a"}).json()
    text = client.post("/detokenize", json={"model": NAME, "tokens": tokens["tokens"]}).json()

    assert (tokens["count"], tokens["max_model_len"]) == (3, 64)
    assert text == {"prompt": "a b a"}


def test_unknown_model_is_not_found(client):
    response = client.post("/v1/chat/completions", json=chat("hi", model="gpt-4"))

    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "message": "The model `gpt-4` does not exist.",
            "type": "NotFoundError",
            "param": "model",
            "code": 404,
        }
    }


def test_unknown_path_is_not_found(client):
    response = client.get("/chat")

    assert response.status_code == 404
    assert response.json()["error"] == {
        "message": "Not Found",
        "type": "Not Found",
        "param": None,
        "code": 404,
    }


@pytest.mark.parametrize(
    ("words", "max_tokens", "requested", "counted"),
    [(70, None, 1, 64), (60, 10, 10, 55), (5, 64, 64, 1)],
)
def test_too_long_is_refused_with_both_numbers(client, words, max_tokens, requested, counted):
    body = chat("w " * (words - 1) + "w", max_tokens=max_tokens)
    response = client.post("/v1/chat/completions", json=body)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["message"] == (
        f"This model's maximum context length is 64 tokens. However, you requested {requested} "
        f"output tokens and your prompt contains at least {counted} input tokens, for a total of "
        f"at least {requested + counted} tokens. Please reduce the length of the input prompt or "
        f"the number of requested output tokens. (parameter=input_tokens, value={counted})"
    )
    assert (error["type"], error["code"]) == ("BadRequestError", 400)


def test_rest_of_the_context_is_the_default_limit(client):
    answer = client.post("/v1/chat/completions", json=chat("repeat 99 w")).json()

    assert answer["usage"]["total_tokens"] == 64
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": -0.1}, "temperature must be non-negative, got -0.1."),
        ({"temperature": 2.5}, "temperature must be in [0, 2], got 2.5."),
        ({"top_p": 0}, "top_p must be in (0, 1], got 0.0."),
        ({"top_k": -2}, "top_k must be 0 (disable), or at least 1, got -2."),
        ({"min_p": 1.5}, "min_p must be in [0, 1], got 1.5."),
        ({"presence_penalty": 3}, "presence_penalty must be in [-2, 2], got 3.0."),
        ({"repetition_penalty": 0}, "repetition_penalty must be greater than zero, got 0.0."),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0."),
        ({"stop": [""]}, "stop cannot contain an empty string."),
        ({"n": 2}, "n must be 1: the sandbox gives one answer at a time, got 2."),
        ({"min_tokens": 5}, "The sandbox's model server does not support `min_tokens`."),
        ({"messages": []}, "list object has no element 0"),
        (
            {"stream_options": {"include_usage": True}},
            "Stream options can only be defined when `stream=True`.",
        ),
        (
            {"tools": [{"type": "function"}]},
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        ),
    ],
)
def test_nonsense_is_refused(client, fields, message):
    response = client.post("/v1/chat/completions", json=chat("hi", **fields))

    assert response.status_code == 400
    assert response.json()["error"]["message"] == message


def test_neutral_values_of_unsupported_fields_pass(client):
    body = chat("hi", n=1, min_tokens=0, logprobs=False, response_format={"type": "text"}, top_k=-1)

    assert client.post("/v1/chat/completions", json=body).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"), [(b"{", "json_invalid"), (b"[]", "model_attributes_type")]
)
def test_body_that_is_no_object_is_refused(client, content, kind):
    error = client.post("/v1/chat/completions", content=content).json()["error"]

    assert (error["type"], error["code"]) == ("Bad Request", 400)
    assert f"'type': '{kind}'" in error["message"]


def test_missing_messages_are_named(client):
    error = client.post("/v1/chat/completions", json={"model": NAME}).json()["error"]

    assert error["message"].startswith("1 validation error:\n")
    assert "'loc': ('body', 'messages')" in error["message"]


def test_metrics_count_what_happened(server):
    with httpx.Client(base_url=f"{server.url}/vllm/counted", timeout=4) as client:
        body = {"messages": [{"role": "user", "content": "repeat 5 w"}]}
        client.post("/v1/chat/completions", json=body)
        client.post("/v1/chat/completions", json=body | {"max_tokens": 2})
        found = samples(client.get("/metrics").text)

    assert found["vllm:prompt_tokens_total", None] == 6
    assert found["vllm:generation_tokens_total", None] == 7
    assert found["vllm:request_success_total", "stop"] == 1
    assert found["vllm:request_success_total", "length"] == 1
    assert found["vllm:num_requests_running", None] == 0
    assert found["vllm:time_to_first_token_seconds_count", None] == 2


def test_leaving_frees_the_slot_and_the_next_in_line_runs():
    with run_models(slots=1, speed=1) as server:
        base = f"{server.url}/vllm/{NAME}"
        url = f"{base}/v1/chat/completions"
        with httpx.stream("POST", url, json=chat("repeat 3000 w", stream=True)) as response:
            lines = response.iter_lines()
            next(lines)
            found = samples(httpx.get(f"{base}/metrics").text)
            assert found["vllm:num_requests_running", None] == 1

        started = time.monotonic()
        answer = httpx.post(url, json=chat("repeat 1 w")).json()

    assert answer["usage"]["completion_tokens"] == 1
    assert time.monotonic() - started < 4  # 0.05 s on an idle machine


def test_long_queue_is_refused_with_429():
    with run_models(slots=1, speed=1) as server:
        base = f"{server.url}/vllm/{NAME}"
        url = f"{base}/v1/chat/completions"
        threads = [threading.Thread(target=_ask_and_leave, args=(url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        _wait_until(lambda: samples(httpx.get(f"{base}/metrics").text), waiting=2)

        response = httpx.post(url, json=chat("hi"))
        models = httpx.get(f"{base}/v1/models")
        rejected = samples(httpx.get(f"{base}/metrics").text)[
            "kaito_ratelimit_rejected_total", None
        ]
        for thread in threads:
            thread.join()

    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert response.json() == {
        "error": {
            "message": "Too many requests: waiting queue (2) exceeds max-num-seqs (1).",
            "type": "requests",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    assert models.status_code == 200
    assert rejected == 1


def _ask_and_leave(url):
    try:
        httpx.post(url, json=chat("repeat 3000 w"), timeout=1.2)
    except httpx.ReadTimeout:
        return


def _wait_until(read, *, waiting):
    deadline = time.monotonic() + 1
    while read()["vllm:num_requests_waiting", None] != waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_loading_knows_only_metrics(server):
    base = f"{server.url}/vllm-loading/{NAME}"

    found = samples(httpx.get(f"{base}/metrics").text)
    assert found["kaito_model_download_speed_bytes_per_second", None] > 0
    assert 0 < found["kaito_model_download_remaining_seconds", None] <= 0.5
    for path in ("/health", "/v1/models", "/openapi.json"):
        response = httpx.get(base + path)
        assert (response.status_code, response.content) == (404, b"")


def test_healthz_is_of_the_process(server):
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok", "model": "echo"}
