from __future__ import annotations

import json

import pytest

from playground import forms
from playground.forms import WishForm
from playground.types import Role, Turn, Wish
from workspaces.types import Dialect

SAID = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def form(dialect=Dialect.CHAT, context=2048, **data):
    return WishForm({"prompt": "Hi", **data}, dialect=dialect, context=context)


def problem(**data):
    made = form(**data)
    return None if made.is_valid() else made.first_problem


def wished(**data):
    made = form(**data)
    assert made.is_valid(), made.errors
    return made.wish


def test_wish_is_rebuilt_from_known_fields():
    got = wished(
        history=SAID,
        system=" Be brief ",
        temperature="0.2",
        top_p=0.5,
        max_tokens="100",
        model="other",
        api_base="http://169.254.169.254/",
    )

    assert got == Wish(
        turns=(
            Turn(role=Role.USER, content="a"),
            Turn(role=Role.ASSISTANT, content="b"),
            Turn(role=Role.USER, content="Hi"),
        ),
        system="Be brief",
        temperature=0.2,
        top_p=0.5,
        max_tokens=100,
    )


def test_wish_leaves_out_what_is_empty():
    got = wished(temperature="", top_p="", max_tokens="", dialect=Dialect.VLLM)

    assert (got.temperature, got.top_p, got.max_tokens) == (None, None, 512)


def test_prompt_keeps_its_spaces():
    assert wished(prompt="  x\n ").turns[-1].content == "  x\n "


def test_history_may_be_text():
    assert wished(history=json.dumps(SAID)).turns[1].content == "b"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"prompt": ""}, "This field is required."),
        ({"prompt": " \n"}, "Write a prompt first."),
        ({"prompt": "x" * 65537}, "A prompt has at most 64 KiB."),
        ({"prompt": "é" * 32769}, "A prompt has at most 64 KiB."),
        ({"history": SAID * 32}, "A conversation has at most 64 turns; begin a new one."),
        ({"history": {"role": "user"}}, "The earlier turns cannot be read."),
        ({"history": "[{"}, "The earlier turns cannot be read."),
        ({"history": [{"role": "system", "content": "x"}]}, "The earlier turns cannot be read."),
        ({"history": [{"role": ["user"], "content": "x"}]}, "The earlier turns cannot be read."),
        ({"history": [{"role": "user", "content": ["x"]}]}, "The earlier turns cannot be read."),
        ({"history": ["x"]}, "The earlier turns cannot be read."),
        (
            {"history": [{"role": "user", "content": "x" * 60_000}] * 5},
            "Prompt, system prompt and earlier turns have at most 256 KiB; begin a new conversation.",
        ),
        ({"temperature": 2.1}, "Temperature: Ensure this value is less than or equal to 2."),
        ({"temperature": "nan"}, "Temperature: Enter a number."),
        ({"top_p": 0}, "Top p: Ensure this value is greater than or equal to 0.01."),
        ({"max_tokens": 0}, "Max tokens: Ensure this value is greater than or equal to 1."),
        ({"max_tokens": 2049}, "Max tokens: Ensure this value is less than or equal to 2048."),
        ({"max_tokens": "7.5"}, "Max tokens: Enter a whole number."),
    ],
)
def test_wish_is_bounded(data, words):
    assert problem(**data) == words


def test_most_turns_are_taken():
    assert len(wished(history=SAID * 31).turns) == forms.MOST_TURNS - 1


def test_vllm_judges_its_own_limit():
    assert wished(max_tokens=100_000, dialect=Dialect.VLLM).max_tokens == 100_000
