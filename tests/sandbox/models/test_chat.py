import ast
import threading
import time

import httpx
import pytest

from tests.modelservers import run_models

MODEL = "bigscience%2Fbloomz-560m"


@pytest.fixture(scope="module")
def server():
    with run_models() as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=f"{server.url}/chat008/{MODEL}", timeout=4) as client:
        yield client


@pytest.fixture(scope="module")
def conversational(server):
    url = f"{server.url}/chat008-conversational/{MODEL}"
    with httpx.Client(base_url=url, timeout=4) as client:
        yield client


def result(client, prompt, **fields):
    response = client.post("/chat", json={"prompt": prompt, **fields})
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["Result"]
    return response.json()["Result"]


def words(count):
    return " ".join(f"w{number}" for number in range(count))


@pytest.mark.parametrize(
    ("path", "body"),
    [("/", {"message": "Server is running"}), ("/health", {"status": "Healthy"})],
)
def test_process_pages_answer(client, path, body):
    assert client.get(path).json() == body


def test_metrics_are_json_about_the_cpu(client):
    metrics = client.get("/metrics").json()

    assert metrics["gpu_info"] is None
    assert sorted(metrics["cpu_info"]) == [
        "load_percentage",
        "memory",
        "physical_cores",
        "total_cores",
    ]
    assert metrics["cpu_info"]["memory"]["total"].endswith(" GB")


def test_openapi_tells_the_dialect(client):
    description = client.get("/openapi.json").json()

    assert description["info"] == {"title": "FastAPI", "version": "0.1.0"}
    assert "/chat" in description["paths"]
    assert "/v1/chat/completions" not in description["paths"]


@pytest.mark.parametrize("path", ["/version", "/v1/models", "/healthz"])
def test_other_dialects_paths_are_unknown(client, path):
    response = client.get(path)

    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_get_chat_is_not_allowed(client):
    response = client.get("/chat")

    assert (response.status_code, response.json()) == (405, {"detail": "Method Not Allowed"})


def test_answer_begins_with_the_prompt_by_default(client):
    assert result(client, "hi") == "hiYou said: hi"


def test_return_full_text_false_leaves_the_prompt_out(client):
    assert result(client, "hi", return_full_text=False) == "You said: hi"


def test_prefix_is_fed_but_not_echoed(client):
    assert result(client, "hi", prefix="oh ") == "hiYou said: oh hi"


def test_prompt_is_cut_at_200_tokens_by_default_and_the_echo_hides_it(client):
    prompt = words(300)

    assert result(client, prompt, generate_kwargs={"max_new_tokens": 900}) == (
        f"{prompt}You said: {words(200)}"
    )


def test_max_length_cuts_the_prompt(client):
    kwargs = {"max_length": 2, "max_new_tokens": 50}

    assert result(client, "a b c d", return_full_text=False, generate_kwargs=kwargs) == (
        "You said: a b"
    )


def test_large_max_length_keeps_the_prompt(client):
    kwargs = {"max_length": 2048, "max_new_tokens": 900}

    assert result(client, words(300), return_full_text=False, generate_kwargs=kwargs) == (
        f"You said: {words(300)}"
    )


@pytest.mark.parametrize("kwargs", [{}, {"max_length": 10}, {"max_length": 999}])
def test_answer_has_256_tokens_whatever_max_length_says(client, kwargs):
    answer = result(client, "repeat 400 w", return_full_text=False, generate_kwargs=kwargs)

    assert len(answer.split()) == 256


def test_max_new_tokens_limits_the_answer(client):
    kwargs = {"max_new_tokens": 3}

    assert result(client, "repeat 9 w", return_full_text=False, generate_kwargs=kwargs) == (
        "w1 w2 w3"
    )


def test_several_sequences_are_concatenated(client):
    kwargs = {"num_return_sequences": 2}

    assert result(client, "hi", generate_kwargs=kwargs) == "hiYou said: hi" * 2


def test_null_generate_kwargs_sets_no_default(client):
    prompt = words(250)

    answer = result(client, prompt, return_full_text=False, generate_kwargs=None)
    assert answer == f"You said: {prompt}"


def test_other_top_level_keys_are_ignored(client):
    assert result(client, "hi", stream=True, temperature="hot") == "hiYou said: hi"


@pytest.mark.parametrize(
    "body",
    [
        {"generate_kwargs": {"temperature": 0}},
        {"generate_kwargs": {"temperature": -1}},
        {"generate_kwargs": {"top_k": -1}},
        {"generate_kwargs": {"top_p": -0.5}},
        {"generate_kwargs": {"typical_p": 0}},
        {"generate_kwargs": {"min_p": 2}},
        {"generate_kwargs": {"repetition_penalty": 0}},
        {"generate_kwargs": {"max_new_tokens": 0}},
        {"generate_kwargs": {"max_new_tokens": "many"}},
        {"generate_kwargs": {"num_return_sequences": 2, "do_sample": False}},
        {"generate_kwargs": {"max_tokens": 5}},
        {"generate_kwargs": {"stop_strings": ["x"]}},
        {"handle_long_generation": "cut"},
    ],
)
def test_what_generate_throws_is_a_plain_500(client, body):
    response = client.post("/chat", json={"prompt": "hi", **body})

    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == "Internal Server Error"


def test_greedy_decoding_ignores_temperature_zero(client):
    kwargs = {"do_sample": False, "temperature": 0}

    assert result(client, "hi", generate_kwargs=kwargs) == "hiYou said: hi"


def test_prompt_beyond_the_context_is_a_plain_500():
    with run_models(max_model_len=10) as server:
        response = httpx.post(f"{server.url}/chat008/m/chat", json={"prompt": words(11)})

    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_hole_keeps_the_end_of_a_long_prompt():
    body = {
        "prompt": "a b c d e f g h",
        "return_full_text": False,
        "handle_long_generation": "hole",
        "generate_kwargs": {"max_new_tokens": 6},
    }
    with run_models(max_model_len=10) as server:
        answer = httpx.post(f"{server.url}/chat008/m/chat", json=body).json()

    assert answer == {"Result": "You said:  f g h"}


@pytest.mark.parametrize("prompt", [None, ""])
def test_prompt_is_required(client, prompt):
    response = client.post("/chat", json={"prompt": prompt})

    assert response.status_code == 400
    assert response.json() == {"detail": "Text generation parameter prompt required"}


def test_wrong_types_are_listed_with_422(client):
    body = {"prompt": 5, "generate_kwargs": {"max_length": "x", "temperature": "warm"}}
    response = client.post("/chat", json=body)

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "string_type",
                "loc": ["body", "prompt"],
                "msg": "Input should be a valid string",
                "input": 5,
            },
            {
                "type": "int_parsing",
                "loc": ["body", "generate_kwargs", "max_length"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
                "input": "x",
            },
            {
                "type": "float_parsing",
                "loc": ["body", "generate_kwargs", "temperature"],
                "msg": "Input should be a valid number, unable to parse string as a number",
                "input": "warm",
            },
        ]
    }


def test_invalid_json_is_422(client):
    response = client.post("/chat", content=b"{")

    assert response.status_code == 422
    assert response.json()["detail"][0]["type"] == "json_invalid"


def test_conversation_answers_with_the_text_of_a_dict(conversational):
    messages = [{"role": "user", "content": "it's me"}]
    answer = conversational.post("/chat", json={"messages": messages}).json()["Result"]

    assert ast.literal_eval(answer) == {
        "generated_text": [
            {"role": "user", "content": "it's me"},
            {"role": "assistant", "content": "You said: it's me"},
        ]
    }


def test_conversation_needs_messages(conversational):
    response = conversational.post("/chat", json={"prompt": "hi"})

    assert response.status_code == 400
    assert response.json() == {"detail": "Conversational parameter messages required"}


def test_message_without_content_is_422(conversational):
    response = conversational.post("/chat", json={"messages": [{"role": "user"}]})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "messages", 0, "content"]


def test_one_answer_at_a_time():
    took = {}

    def ask(url, key):
        httpx.post(url, json={"prompt": "repeat 10 w"})
        took[key] = time.monotonic() - started

    with run_models(speed=1) as server:
        urls = {key: f"{server.url}/chat008/{key[0]}/chat" for key in ("a1", "a2", "b1")}
        threads = [threading.Thread(target=ask, args=(urls[key], key)) for key in urls]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert max(took["a1"], took["a2"]) > 0.4
    assert max(took["a1"], took["a2"]) - took["b1"] > 0.1


def test_leaving_frees_the_model():
    with run_models(speed=1) as server:
        url = f"{server.url}/chat008/m/chat"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json={"prompt": "repeat 200 w"}, timeout=0.2)
        started = time.monotonic()
        httpx.post(url, json={"prompt": "repeat 1 w"})

    assert time.monotonic() - started < 4  # 0.05 s on an idle machine
