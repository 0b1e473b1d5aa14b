import httpx
import orjson
import pytest

from sandbox.models.tfs import internal_id
from tests.modelservers import run_models

NAME = "phi-4-mini-instruct"


@pytest.fixture(scope="module")
def server():
    with run_models() as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=f"{server.url}/tfs/{NAME}", timeout=4) as client:
        yield client


def chat(text="hi", **fields):
    return {"messages": [{"role": "user", "content": text}], **fields}


def content(client, **fields):
    answer = client.post("/v1/chat/completions", json=chat(**fields)).json()
    return answer["choices"][0]["message"]["content"]


def test_models_are_owned_by_kaito(client):
    (card,) = client.get("/v1/models").json()["data"]

    assert (card["id"], card["owned_by"]) == (NAME, "kaito")
    assert "max_model_len" not in card


def test_health_answers(client):
    assert client.get("/health").json() == {"status": "Healthy"}


def test_metrics_are_json(client):
    assert list(client.get("/metrics").json()) == ["gpu_info", "cpu_info"]


@pytest.mark.parametrize("path", ["/version", "/chat", "/v1/completions"])
def test_other_dialects_paths_are_unknown(client, path):
    assert client.get(path).json() == {"detail": "Not Found"}
    assert path not in client.get("/openapi.json").json()["paths"]


def test_answer_names_the_internal_model(client):
    answer = client.post("/v1/chat/completions", json=chat(model=NAME)).json()

    assert answer["model"] == "/workspace/tfs/weights@main"
    assert answer["choices"][0]["message"]["content"] == "You said: hi"
    assert answer["usage"] == {"prompt_tokens": 1, "total_tokens": 4, "completion_tokens": 3}


def test_internal_model_name_is_accepted(client):
    response = client.post("/v1/chat/completions", json=chat(model=internal_id(NAME)))

    assert response.status_code == 200


def test_other_model_is_refused(client):
    response = client.post("/v1/chat/completions", json=chat(model="gpt-4"))

    assert response.status_code == 400
    assert response.json()["detail"].startswith("Server is pinned to ")


def test_missing_messages_are_a_plain_500(client):
    response = client.post("/v1/chat/completions", json={"model": NAME})

    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_fields_of_vllm_are_unexpected(client):
    response = client.post("/v1/chat/completions", json=chat(top_k=5, min_p=0.1))

    assert response.status_code == 422
    assert response.json() == {"detail": "Unexpected fields in the request: {'min_p', 'top_k'}"}


def test_max_tokens_limits_and_max_completion_tokens_does_not(client):
    assert content(client, text="repeat 4 w", max_tokens=2) == "w1 w2"
    assert content(client, text="repeat 4 w", max_completion_tokens=2) == "w1 w2 w3 w4"


def test_generation_config_is_a_json_string(client):
    assert content(client, text="repeat 4 w", generation_config='{"max_new_tokens": 3}') == (
        "w1 w2 w3"
    )


def test_ignored_fields_are_accepted(client):
    assert content(client, n=3, presence_penalty=9, response_format={"type": "x"}) == "You said: hi"


def test_stream_has_usage_and_no_done(client):
    headers = {"x-request-id": "req-1"}
    body = chat(stream=True)
    response = client.post("/v1/chat/completions", json=body, headers=headers)

    lines = [line for line in response.text.split("\n\n") if line]
    parts = [orjson.loads(line.removeprefix("data: ")) for line in lines]
    assert {part["id"] for part in parts} == {"req-1"}
    assert parts[0]["choices"][0]["delta"] == {"role": "assistant"}
    text = "".join(part["choices"][0]["delta"].get("content", "") for part in parts)
    assert text == "You said: hi"
    assert parts[-1]["choices"][0]["finish_reason"] == "stop"
    assert parts[-1]["usage"]["completion_tokens"] == 3
    assert not any("usage" in part for part in parts[:-1])
