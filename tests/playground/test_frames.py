from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from playground import frames
from playground.types import (
    Failed,
    Finished,
    InferenceError,
    ModelCard,
    Numbers,
    Reasoning,
    Started,
    Token,
)

NUMBERS = Numbers(
    total_ms=50, first_token_ms=10, prompt_tokens=3, tokens=5, is_counted=True, finish="stop"
)


def parsed(frame):
    name, data, end, rest = frame.decode().split("\n")
    assert (end, rest) == ("", "")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_frames_of_every_event():
    card = ModelCard(name="phi-4", context_tokens=4096)
    error = InferenceError("busy", "The model is busy.", "429")

    assert [parsed(frames.frame(e)) for e in (Started(card), Token("a"), Reasoning("b"))] == [
        ("start", {"model": "phi-4", "context_tokens": 4096}),
        ("token", {"text": "a"}),
        ("reasoning", {"text": "b"}),
    ]
    assert parsed(frames.frame(Failed(error, NUMBERS))) == (
        "error",
        {"message": "The model is busy.", "detail": "429"},
    )


def test_last_frame_carries_the_rendered_answer_and_its_numbers():
    assert parsed(frames.frame(Finished(NUMBERS), "<p>x</p>")) == (
        "done",
        {
            "html": "<p>x</p>",
            "facts": [
                *(["First token", "10 ms", ""], ["", "100", "tokens/s"], ["", "5", "tokens"]),
                ["ended by itself", "", ""],
            ],
            "used_tokens": 8,
        },
    )


def test_last_frame_claims_no_context_that_nobody_counted():
    assert parsed(frames.frame(Finished(Numbers(total_ms=5))))[1]["used_tokens"] is None


@given(st.text())
def test_frames_are_one_line_of_data_whatever_the_text(text):
    assert parsed(frames.frame(Token(text))) == ("token", {"text": text})
