"""What a dialect may ask of an engine: count tokens, render a conversation, and generate.

An engine is asked only through token ids, so that limits and usage are counted in one way.
Engines do not queue: `sandbox.models.serving` admits at most `slots` generations at a time.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict

FinishReason = Literal["stop", "length"]


class Message(TypedDict):
    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to choose tokens. The defaults change nothing: the model's own distribution."""

    max_tokens: int
    temperature: float = 1.0  # 0: always the likeliest token
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A bit of an answer. `tokens` counts from the beginning; the last piece has `finish`."""

    text: str
    tokens: int
    finish: FinishReason | None = None
    stop_reason: str | None = None  # the stop string that ended it


class EngineMissing(Exception):
    """The model is not installed; the message says what to do."""


class EngineFailed(Exception):
    """The engine could not answer this request."""


class Engine(Protocol):
    name: str
    max_model_len: int  # prompt and answer together, for each of the slots
    slots: int

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def tokenize(self, text: str) -> list[int]: ...

    async def detokenize(self, tokens: Sequence[int]) -> str: ...

    async def render(self, messages: Sequence[Message]) -> str:
        """The prompt that asks for the next message of this conversation."""

    def generate(
        self, prompt: Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]: ...
