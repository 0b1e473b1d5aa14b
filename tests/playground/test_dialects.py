from __future__ import annotations

import pytest

from playground import dialects
from tests.playground.builders import wish
from workspaces.types import Dialect

SPOKEN = [Dialect.CHAT, Dialect.VLLM, Dialect.TRANSFORMERS]


def limits(dialect, context=None):
    return {
        p.name: (p.minimum, p.maximum, p.default) for p in dialects.parameters(dialect, context)
    }


def test_chat_parameters_show_the_defaults_of_its_server():
    assert limits(Dialect.CHAT) == {
        "temperature": (0, 2, 1),
        "top_p": (0.01, 1, 1),
        "max_tokens": (1, 4096, 256),
    }


@pytest.mark.parametrize("dialect", [Dialect.VLLM, Dialect.TRANSFORMERS])
def test_openai_parameters_leave_sampling_to_the_model(dialect):
    assert limits(dialect, 16384) == {
        "temperature": (0, 2, None),
        "top_p": (0.01, 1, None),
        "max_tokens": (1, 16384, 512),
    }


@pytest.mark.parametrize("dialect", SPOKEN)
def test_parameters_never_ask_for_more_than_the_model_sees(dialect):
    assert limits(dialect, 100)["max_tokens"] == (1, 100, 100)


def test_vllm_is_asked_for_a_stream_and_for_its_count():
    asked = wish("Hi", said=("a", "b"), system="Be brief", temperature=0.0, top_p=0.5)

    assert dialects.request_body(Dialect.VLLM, asked, "phi-4") == {
        "model": "phi-4",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 64,
        "temperature": 0.0,
        "top_p": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_transformers_are_sent_nothing_that_they_ignore():
    assert dialects.request_body(Dialect.TRANSFORMERS, wish("Hi"), "phi-4") == {
        "model": "phi-4",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 64,
        "stream": True,
    }


def test_chat_is_asked_so_that_it_neither_cuts_nor_repeats_the_prompt():
    assert dialects.request_body(Dialect.CHAT, wish("Hi", temperature=0.7, top_p=0.9), "") == {
        "prompt": "Hi",
        "messages": [{"role": "user", "content": "Hi"}],
        "return_full_text": False,
        "generate_kwargs": {
            "max_new_tokens": 64,
            "max_length": 2 + 64 + 16,
            "temperature": 0.7,
            "top_p": 0.9,
        },
    }


def test_chat_takes_temperature_zero_as_greedy():
    asked = wish("Hi", temperature=0.0, top_p=0.9)

    assert dialects.request_body(Dialect.CHAT, asked, "")["generate_kwargs"] == {
        "max_new_tokens": 64,
        "max_length": 82,
        "do_sample": False,
    }


@pytest.mark.parametrize("prompt", ["x" * 5000, "👋🏽" * 500, "é"])
def test_chat_has_room_for_one_token_a_byte(prompt):
    body = dialects.request_body(Dialect.CHAT, wish(prompt), "")

    assert body["generate_kwargs"]["max_length"] >= len(prompt.encode()) + 64


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (wish("Hi"), "Hi"),
        (wish("Hi", system="Be brief"), "Be brief\n\nHi"),
        (wish("Hi", said=("a", "b")), "User: a\nAssistant: b\nUser: Hi\nAssistant:"),
        (
            wish("Hi", said=("a", "b"), system="Be brief"),
            "Be brief\n\nUser: a\nAssistant: b\nUser: Hi\nAssistant:",
        ),
    ],
)
def test_chat_is_told_everything_in_one_text(asked, text):
    assert dialects.folded(asked) == text


def test_notes_say_what_the_older_server_does_with_a_conversation():
    assert "written into it" in dialects.notes(Dialect.CHAT)[0]
    assert [dialects.streams(d) for d in SPOKEN] == [False, True, True]
