"""Reads what a model's server sends: event streams, and the /chat server's one answer. Pure; never raises on bytes.

However the bytes are cut into chunks, the same pieces come out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import orjson

from playground import failures
from playground.types import Ended, InferenceError, Piece, Reasoning, Token, Usage

MOST_LINE = 1024 * 1024  # bytes; an event of an honest server is a few hundred
_DONE = b"[DONE]"
# What a conversational pipeline returned, as Python's str() of a dict: its last message ends the text.
_LAST_CONTENT = re.compile(
    r"""'content': (?P<literal>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\}(?:\]\})?\s*\Z""", re.DOTALL
)


class StreamReader:
    """Bytes of an event stream in, pieces out.

    `is_over` after [DONE] or a failure; `error` is that failure. Lines end with LF or CRLF; comments and fields
    other than data are skipped, several data lines make one event.
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    def __init__(self) -> None:
        self.is_over = False
        self.finish = ""
        self.error: InferenceError | None = None
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    @property
    def is_complete(self) -> bool:
        """The server has said that this is all; KAITO's transformers server ends without [DONE]."""
        return self.error is None and (self.is_over or bool(self.finish))

    def feed(self, chunk: bytes) -> list[Piece]:
        if self.is_over:
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        pieces = [piece for line in lines for piece in self._line(line.removesuffix(b"\r"))]
        if len(self._rest) > MOST_LINE + len(b"\r"):
            self._fail(failures.unreadable())
        return pieces

    def end(self) -> list[Piece]:
        """No more bytes will come: what was not followed by an empty line counts too."""
        rest, self._rest = self._rest, b""
        return [*self._line(rest.removesuffix(b"\r")), *self._line(b"")]

    def _line(self, line: bytes) -> Iterator[Piece]:
        if self.is_over:
            return
        if not line:
            yield from self._event()
            return
        if line.startswith(b"data:"):
            self._data.append(line[5:])
            self._size += len(line)
        if len(line) > MOST_LINE or self._size > MOST_LINE:
            self._fail(failures.unreadable())

    def _event(self) -> Iterator[Piece]:
        data, self._data, self._size = b"\n".join(self._data), [], 0
        if data.strip() == _DONE:
            self.is_over = True
            return
        raw = _object(data)
        error = failures.stated_error(raw)
        if error is not None:
            self._fail(error)
            return
        for piece in _pieces(raw):
            if isinstance(piece, Ended):
                self.finish = piece.reason
            yield piece

    def _fail(self, error: InferenceError) -> None:
        self.is_over, self.error, self._rest = True, error, b""


class Thoughts:
    """Sorts an answer that begins with <think>…</think> into reasoning and text, over any cutting of it."""

    OPEN, CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._is_inside: bool | None = None  # None until the beginning is known

    def take(self, text: str) -> list[Token | Reasoning]:
        if self._is_inside is False:
            return [Token(text)] if text else []
        self._held += text
        if self._is_inside is None:
            return self._begin()
        return self._think()

    def end(self) -> list[Token | Reasoning]:
        held, self._held = self._held, ""
        if not held:
            return []
        return [Reasoning(held) if self._is_inside else Token(held)]

    def _begin(self) -> list[Token | Reasoning]:
        begun = self._held.lstrip()
        if self.OPEN.startswith(begun):
            return []
        self._is_inside = begun.startswith(self.OPEN)
        if not self._is_inside:
            return self.end()
        self._held = begun.removeprefix(self.OPEN)
        return self._think()

    def _think(self) -> list[Token | Reasoning]:
        thought, closing, after = self._held.partition(self.CLOSE)
        if closing:
            self._is_inside, self._held = False, ""
            return [p for p in (Reasoning(thought), Token(after)) if p.text]
        kept = _overlap(self._held, self.CLOSE)
        thought, self._held = self._held[: len(self._held) - kept], self._held[-kept:] * bool(kept)
        return [Reasoning(thought)] if thought else []


def read_chat_answer(body: bytes) -> str:
    """The text of the /chat server's answer. Raises InferenceError for what is none."""
    raw = _object(body)
    result = raw.get("Result")
    if not isinstance(result, str):
        raise failures.from_reply(200, body)
    return _last_message(result) if result.startswith(("{'generated_text'", "{'role'")) else result


def _last_message(result: str) -> str:
    """Only the one string is evaluated, never the nested whole, which could exhaust Python's parser."""
    found = _LAST_CONTENT.search(result)
    if found is None:
        return result
    try:
        return str(ast.literal_eval(found["literal"]))
    except (ValueError, SyntaxError):
        return result


def _pieces(raw: dict[str, Any]) -> Iterator[Piece]:
    choices = raw.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    if isinstance(choice, dict):
        yield from _said(choice)
    usage = raw.get("usage")
    if isinstance(usage, dict):
        yield Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _said(choice: dict[str, Any]) -> Iterator[Piece]:
    """Reasoning is called so by vLLM now, and reasoning_content by older ones and by transformers."""
    delta = choice.get("delta")
    delta = delta if isinstance(delta, dict) else {}
    for key, kind in (
        ("reasoning", Reasoning),
        ("reasoning_content", Reasoning),
        ("content", Token),
    ):
        text = delta.get(key)
        if isinstance(text, str) and text:
            yield kind(text)
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason:
        yield Ended(reason[:40])


def _object(data: bytes) -> dict[str, Any]:
    """An object, or nothing: a line that cannot be read is no reason to lose the rest."""
    try:
        raw = orjson.loads(data.decode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 10**9 else None


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    longest = min(len(text), len(mark) - 1)
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)
