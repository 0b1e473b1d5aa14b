"""What crosses a door inside this room: a wish to a model, and what happens on the way to its answer.

Frozen values only; imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One prompt with all that goes with it; None leaves a parameter to the model's own value."""

    turns: tuple[Turn, ...]  # the last one is the prompt
    max_tokens: int
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a server says of its model; the older /chat server says nothing."""

    name: str = ""
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How one answer went; None for what is not known."""

    total_ms: int
    first_token_ms: int | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None
    is_counted: bool = False  # by the model's server; else pieces were counted here
    finish: str = ""  # stop, length …, as the server says it

    @property
    def tokens_per_s(self) -> float | None:
        """After the first token, whose wait is told apart."""
        if self.first_token_ms is None or not self.tokens or self.tokens < 2:
            return None
        spent_ms = self.total_ms - self.first_token_ms
        return (self.tokens - 1) * 1000 / spent_ms if spent_ms > 0 else None


class InferenceError(Exception):
    """`message` is ours and fit for a page; `detail` holds the other side's words; `reason` is one word for the audit."""

    def __init__(self, reason: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Started:
    card: ModelCard


@dataclass(frozen=True, slots=True)
class Token:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The model's own word that it has finished, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Failed:
    error: InferenceError
    numbers: Numbers


Piece = Token | Reasoning | Usage | Ended
Event = Started | Token | Reasoning | Finished | Failed
