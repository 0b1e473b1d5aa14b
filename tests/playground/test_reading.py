from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import reading
from playground.types import Ended, InferenceError, Reasoning, Token, Usage
from tests.playground.builders import answer, delta, event

WORDS = ["Hallo", " wörld", " 👋🏽", " }", "\n\n", " data: x"]
STREAM = (
    b": welcome\n\n"
    + event(delta(role="assistant", content=""))
    + event(delta(reasoning="hm, é"))
    + b"".join(event(delta(content=word)) for word in WORDS).replace(b"\n", b"\r\n")
    + b'event: chunk\nid: 7\ndata: {"choices": [{"delta":\ndata: {"content": " split"}}]}\n\n'
    + event(delta("length"))
    + event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
    + event(b"[DONE]")
    + event(delta(content="after the end"))
)
PIECES = [
    Reasoning("hm, é"),
    *map(Token, WORDS),
    Token(" split"),
    Ended("length"),
    Usage(3, 9),
]


def read(chunks):
    reader = reading.StreamReader()
    pieces = [piece for chunk in chunks for piece in reader.feed(chunk)]
    return [*pieces, *reader.end()], reader


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


def state(reader):
    failed = reader.error and (reader.error.reason, reader.error.detail)
    return reader.is_over, reader.is_complete, reader.finish, failed


def test_reader_reads_a_whole_stream():
    pieces, reader = read([STREAM])

    assert pieces == PIECES
    assert state(reader) == (True, True, "length", None)


def test_reader_reads_the_same_byte_by_byte():
    assert read([STREAM[n : n + 1] for n in range(len(STREAM))])[0] == PIECES


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_reader_reads_the_same_however_it_is_cut(places):
    assert read(cut(STREAM, places))[0] == PIECES


LINES = st.sampled_from(
    [
        *(b"data: ", b"data:", b"data", b": x", b"\n", b"\r\n", b"\r", b"\n\n", b"[DONE]"),
        *(b'{"choices":[{"delta":{"content":"a"}}]}', b'{"error":"bad"}', b"{", b"\xff\xc3"),
        *(b'{"choices":[{"finish_reason":"stop"}]}', b'{"usage":{"completion_tokens":2}}'),
        *(b'{"choices":1}', b'{"choices":[null]}', b'{"choices":[{"delta":[]}]}', b"x" * 70),
    ]
)
BYTES = st.lists(LINES | st.binary(max_size=8), max_size=30).map(b"".join)


@given(BYTES, st.lists(st.integers(0, 400), max_size=8))
def test_reader_never_raises_and_never_depends_on_the_cutting(data, places):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MOST_LINE", 64)
        whole, cut_up = read([data]), read(cut(data, places))

    assert cut_up[0] == whole[0]
    assert state(cut_up[1]) == state(whole[1])


def test_reader_takes_a_stream_without_done_by_its_finish_reason():
    pieces, reader = read([answer("a", done=False)])

    assert pieces == [Token("a"), Ended("stop")]
    assert (reader.is_over, reader.is_complete) == (False, True)


def test_reader_knows_that_a_stream_was_cut_short():
    _, reader = read([answer("a", finish=None, done=False)])

    assert not reader.is_complete


def test_reader_takes_a_last_event_without_its_empty_line():
    assert read([event(delta(content="a")).rstrip()])[0] == [Token("a")]


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reader_keeps_reasoning_apart_whatever_it_is_called(key):
    assert read([event(delta(**{key: "hm"}, content="yes"))])[0] == [Reasoning("hm"), Token("yes")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"error": "CUDA out of memory"}, "CUDA out of memory"),
        ({"error": {"message": "boom", "type": "InternalServerError", "code": 500}}, "boom"),
        ({"object": "error", "message": "flat", "code": 500}, "flat"),
    ],
)
def test_reader_ends_at_an_error_in_the_stream(data, words):
    pieces, reader = read([answer("a", finish=None, done=False), event(data), answer("b")])

    assert pieces == [Token("a")]
    assert (reader.error.reason, reader.error.detail) == ("failed", words)
    assert not reader.is_complete


def test_reader_gives_up_on_an_endless_line():
    reader = reading.StreamReader()

    for _ in range(40):
        reader.feed(b"x" * 65536)

    assert (reader.is_over, reader.error.reason) == (True, "unreadable")


def test_reader_gives_up_on_an_endless_event():
    reader = reading.StreamReader()

    for _ in range(40):
        reader.feed(b"data: " + b"x" * 65536 + b"\n")

    assert reader.error.reason == "unreadable"


def test_reader_replaces_bytes_that_are_no_text():
    assert read([b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n'])[0] == [
        Token("a\ufffdb")
    ]


def test_reader_lets_no_event_name_or_other_field_through():
    data = {
        "choices": [{"delta": {"content": "x", "tool_calls": [1]}, "html": "<b>"}],
        "execute": 1,
    }

    assert read([b"event: execute\n" + event(data)])[0] == [Token("x")]


def sorted_out(chunks):
    thoughts = reading.Thoughts()
    pieces = [piece for chunk in chunks for piece in thoughts.take(chunk)] + thoughts.end()
    thought = "".join(p.text for p in pieces if isinstance(p, Reasoning))
    return thought, "".join(p.text for p in pieces if isinstance(p, Token))


THOUGHTS = [
    ("<think>hm</think>yes", ("hm", "yes")),
    ("\n <think>\nhm < 3 </thin k></think>\nyes", ("\nhm < 3 </thin k>", "\nyes")),
    ("no <think>x</think>", ("", "no <think>x</think>")),
    ("<thin", ("", "<thin")),
    ("<think>never ends", ("never ends", "")),
    ("<think>a</think></think>b", ("a", "</think>b")),
    ("  ", ("", "  ")),
]


@pytest.mark.parametrize(("text", "expected"), THOUGHTS)
def test_thoughts_are_told_from_the_answer_at_every_cut(text, expected):
    for place in range(len(text) + 1):
        assert sorted_out([text[:place], text[place:]]) == expected
    assert sorted_out(text) == expected


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("An answer.", "An answer."),
        ("", ""),
        ("{'a': 1} is a dict", "{'a': 1} is a dict"),
        (
            str({"generated_text": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "it's \"ok\"\n"}]}),
            "it's \"ok\"\n",
        ),
        (str({"role": "assistant", "content": "é 'quoted'"}), "é 'quoted'"),
        ("{'role': 'assistant', 'content': broken}", "{'role': 'assistant', 'content': broken}"),
        ("{'role': 'assistant', 'content': '\\N{no such}'}", "{'role': 'assistant', 'content': '\\N{no such}'}"),
    ],
)  # fmt: skip
def test_chat_answer_is_read(result, text):
    assert reading.read_chat_answer(json.dumps({"Result": result}).encode()) == text


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"Result": 7}', b'{"other": "x"}'])
def test_chat_answer_that_is_none_is_refused(body):
    with pytest.raises(InferenceError) as caught:
        reading.read_chat_answer(body)

    assert caught.value.reason == "unreadable"


@given(st.text(max_size=200))
def test_chat_answer_survives_any_text(text):
    content = str({"generated_text": [{"role": "assistant", "content": text}]})

    assert reading.read_chat_answer(json.dumps({"Result": content}).encode()) == text
