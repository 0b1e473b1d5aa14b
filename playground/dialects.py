"""The ways to speak to a model: what each server honours, and how a wish is put to it. Pure.

The quirks are those of KAITO's servers:
https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playground.types import Role, Turn, Wish
from workspaces.types import Dialect

MODELS_PATH = "/v1/models"
PATHS = {
    Dialect.CHAT: "/chat",
    Dialect.VLLM: "/v1/chat/completions",
    Dialect.TRANSFORMERS: "/v1/chat/completions",
}
# A tokenizer makes at most one token of each byte, and adds a few of its own around them.
_OWN_TOKENS = 16
_WITHOUT_LIMIT = 4096  # tokens; where neither the server nor the catalogue tells the context
_ANSWER = {Dialect.CHAT: 256}  # tokens; the /chat server's own default
_USUAL_ANSWER = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number that this server honours; without a default the model's own value holds."""

    name: str
    label: str
    minimum: float
    maximum: float
    step: float
    resting: float  # where the slider stands while nothing is chosen
    default: float | None = None
    hint: str = ""


def parameters(dialect: Dialect, context_tokens: int | None = None) -> tuple[Parameter, ...]:
    """`context_tokens`: the longest text the model can see, where known."""
    most = context_tokens or _WITHOUT_LIMIT
    is_chat = dialect == Dialect.CHAT
    return (
        Parameter(
            name="temperature",
            label="Temperature",
            minimum=0,
            maximum=2,
            step=0.05,
            resting=1,
            default=1 if is_chat else None,
            hint=_TEMPERATURE.get(dialect, _GREEDY),
        ),
        Parameter(
            name="top_p",
            label="Top p",
            minimum=0.01,
            maximum=1,
            step=0.01,
            resting=1,
            default=1 if is_chat else None,
        ),
        Parameter(
            name="max_tokens",
            label="Max tokens",
            minimum=1,
            maximum=most,
            step=1,
            resting=min(_ANSWER.get(dialect, _USUAL_ANSWER), most),
            default=min(_ANSWER.get(dialect, _USUAL_ANSWER), most),
        ),
    )


_GREEDY = "0 takes the likeliest word each time."
_TEMPERATURE = {
    Dialect.TRANSFORMERS: f"{_GREEDY} Above 0 it has an effect only on models whose own "
    "configuration samples.",
}


def notes(dialect: Dialect) -> tuple[str, ...]:
    """What a person should know of this server before wondering."""
    if dialect == Dialect.CHAT:
        return (
            "This older server takes one text: the system prompt and the earlier turns are "
            "written into it, before your prompt.",
            "It answers in one piece and one question at a time, and counts no tokens.",
        )
    return ("Auto leaves a value to the model’s own configuration.",)


def streams(dialect: Dialect) -> bool:
    return dialect != Dialect.CHAT


def request_body(dialect: Dialect, wish: Wish, model: str) -> dict[str, Any]:
    if dialect == Dialect.CHAT:
        return _chat_body(wish)
    body: dict[str, Any] = {
        "model": model,
        "messages": list(_messages(wish)),
        "max_tokens": wish.max_tokens,
        "stream": True,
        **_chosen({"temperature": wish.temperature, "top_p": wish.top_p}),
    }
    if dialect == Dialect.VLLM:  # the transformers server counts unasked
        body["stream_options"] = {"include_usage": True}
    return body


def _chat_body(wish: Wish) -> dict[str, Any]:
    """A server with the conversational pipeline reads `messages` and the usual one `prompt`; each ignores the other.

    It cuts the prompt at max_length tokens without a word (200 unless told) and answers 256 unless told, so both
    are always sent; and it fails on temperature 0, which must be asked for as greedy.
    """
    prompt = folded(wish)
    generate: dict[str, Any] = {
        "max_new_tokens": wish.max_tokens,
        "max_length": len(prompt.encode()) + wish.max_tokens + _OWN_TOKENS,
    }
    if wish.temperature == 0:
        generate["do_sample"] = False
    else:
        generate |= _chosen({"temperature": wish.temperature, "top_p": wish.top_p})
    return {
        "prompt": prompt,
        "messages": list(_messages(wish)),
        "return_full_text": False,
        "generate_kwargs": generate,
    }


def folded(wish: Wish) -> str:
    """System prompt and earlier turns as one text; a lone prompt stays as it is."""
    if len(wish.turns) == 1:
        return "\n\n".join(filter(None, (wish.system, wish.turns[0].content)))
    said = "\n".join(f"{_SPEAKERS[turn.role]}: {turn.content}" for turn in wish.turns)
    return "\n\n".join(filter(None, (wish.system, f"{said}\n{_SPEAKERS[Role.ASSISTANT]}:")))


_SPEAKERS = {Role.USER: "User", Role.ASSISTANT: "Assistant"}


def _messages(wish: Wish) -> Iterator[dict[str, str]]:
    if wish.system:
        yield {"role": "system", "content": wish.system}
    for turn in wish.turns:
        yield _message(turn)


def _message(turn: Turn) -> dict[str, str]:
    return {"role": turn.role.value, "content": turn.content}


def _chosen(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
