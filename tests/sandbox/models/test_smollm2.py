import asyncio
import time

import httpx
import orjson
import pytest

from sandbox.models.answers import whole
from sandbox.models.engines import EngineMissing, Sampling
from sandbox.models.server import make_engine
from sandbox.models.smollm2 import FOLDER, SmolLM2, is_installed
from tests.modelservers import run_models

real_model = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not is_installed(), reason=f"the model is not installed in {FOLDER}"),
]


@pytest.fixture(scope="module")
def server():
    with run_models("smollm2") as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=f"{server.url}/vllm/tiny", timeout=30) as client:
        yield client


def chat(text, **fields):
    return {"messages": [{"role": "user", "content": text}], **fields}


def content(client, text, **fields):
    answer = client.post("/v1/chat/completions", json=chat(text, **fields)).json()
    return answer["choices"][0]["message"]["content"]


def mark(test):
    for each in real_model:
        test = each(test)
    return test


def test_missing_model_is_said_in_a_sentence(tmp_path):
    with pytest.raises(EngineMissing, match=r"^The model is not installed: .*`echo`\.$"):
        SmolLM2(tmp_path)


def test_auto_takes_the_real_model_where_it_is_installed():
    assert make_engine("auto").name == ("smollm2" if is_installed() else "echo")


@mark
def test_stream_answers_the_question(client):
    body = chat("Is a tomato a fruit or a vegetable?", temperature=0, max_tokens=20, stream=True)
    response = client.post("/v1/chat/completions", json=body)

    events = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: {")]
    deltas = [orjson.loads(event)["choices"][0]["delta"]["content"] for event in events]
    assert "".join(deltas).startswith("A tomato is")
    assert len(deltas) > 10


@mark
def test_sampling_is_really_applied(client):
    text = "Tell me a story"
    hot = {"temperature": 1.5, "max_tokens": 12}

    greedy = [content(client, text, max_tokens=12, temperature=0) for _ in range(2)]
    seeded = [content(client, text, **hot, seed=seed) for seed in (1, 2)]
    only_likeliest = content(client, text, **hot, top_k=1)

    assert greedy[0] == greedy[1] == only_likeliest
    assert seeded[0] != seeded[1]


@mark
def test_limits_are_the_engines(client):
    count = client.post("/tokenize", json=chat("word " * 2500)).json()
    response = client.post("/v1/chat/completions", json=chat("word " * 2500))

    assert count["max_model_len"] == 2048
    assert count["count"] > 2048
    assert response.status_code == 400
    assert "maximum context length is 2048 tokens" in response.json()["error"]["message"]


@mark
def test_chat_cuts_the_prompt_and_leaves_out_the_echo(server):
    kwargs = {"max_length": 3, "max_new_tokens": 8, "do_sample": False}
    body = {"prompt": "Say hello", "return_full_text": False, "generate_kwargs": kwargs}
    url = f"{server.url}/chat008/tiny/chat"

    short = httpx.post(url, json=body, timeout=30).json()
    long = httpx.post(url, json=body | {"prompt": "Say hello to everybody"}, timeout=30).json()

    assert short["Result"]
    assert "Say hello" not in short["Result"]
    assert httpx.post(url, json=body | {"prompt": "Say hello to"}, timeout=30).json() == long


@mark
@pytest.mark.parametrize("text", ["Tell a long story", "word " * 1900])
def test_leaving_frees_the_models_slot(text):
    """While it speaks, and while it still reads a prompt of some seven seconds."""
    took_s, unit_s = asyncio.run(_leave_and_wait(text))

    assert took_s < 4 * unit_s  # 0.03 and 0.2 s, where the unit is 0.9


async def _leave_and_wait(text):
    """How long its slot stayed at work, and how long this machine needs now to read 240 words."""
    engine = SmolLM2()
    await engine.start()
    began = time.monotonic()
    await whole(engine.generate(await engine.tokenize("word " * 240), Sampling(max_tokens=1)))
    unit_s = time.monotonic() - began
    prompt = await engine.tokenize(text)
    reader = asyncio.create_task(whole(engine.generate(prompt, Sampling(max_tokens=1500))))
    while not await _is_busy(engine):
        assert not reader.done(), "answered before its slot was seen at work"
        await asyncio.sleep(0.005)
    reader.cancel()
    left = time.monotonic()
    while await _is_busy(engine):
        await asyncio.sleep(0.01)
    took_s = time.monotonic() - left
    await engine.stop()
    return took_s, unit_s


async def _is_busy(engine):
    async with engine._http.get("/slots") as response:
        return any(slot["is_processing"] for slot in await response.json())
