"""What the `/chat` server hands to transformers' pipeline, and when generate() throws.

https://github.com/kaito-project/kaito/blob/v0.2.0/presets/workspace/inference/text-generation/inference_api.py
The server fills in its own defaults for every key that `generate_kwargs` omits, so they override the
model's; only an explicit null leaves them out. Whatever generate() throws is a plain 500.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.models.engines import Engine, Sampling
from sandbox.models.fields import Field, Invalid, read_fields

DEFAULT_NEW_TOKENS = 256  # the pipeline's own default; it beats max_length

_BODY = {
    "prompt": Field(kind="str"),
    "messages": Field(kind="list"),
    "return_full_text": Field(kind="bool", default=True),
    "clean_up_tokenization_spaces": Field(kind="bool", default=False),
    "prefix": Field(kind="str"),
    "handle_long_generation": Field(kind="str"),
    "generate_kwargs": Field(kind="dict", default={}),
}
_MESSAGE = {
    "role": Field(kind="str", required=True, nullable=False),
    "content": Field(kind="str", required=True, nullable=False),
}
_GENERATE = {
    "max_length": Field(kind="int", default=200, nullable=False),
    "min_length": Field(kind="int", default=0, nullable=False),
    "do_sample": Field(kind="bool", default=True, nullable=False),
    "early_stopping": Field(kind="bool", default=False, nullable=False),
    "num_beams": Field(kind="int", default=1, nullable=False),
    "temperature": Field(kind="float", default=1.0, nullable=False),
    "top_k": Field(kind="int", default=10, nullable=False),
    "top_p": Field(kind="float", default=1, nullable=False),
    "typical_p": Field(kind="float", default=1, nullable=False),
    "repetition_penalty": Field(kind="float", default=1, nullable=False),
    "pad_token_id": Field(kind="int"),
    "eos_token_id": Field(kind="int"),
}
# Keys that generate() knows and llama.cpp has nothing for: accepted, without effect.
# https://huggingface.co/docs/transformers/main_classes/text_generation
_WITHOUT_EFFECT = frozenset(
    {
        "bos_token_id", "diversity_penalty", "encoder_no_repeat_ngram_size", "length_penalty",
        "max_time", "min_new_tokens", "no_repeat_ngram_size", "num_beam_groups", "penalty_alpha",
        "remove_invalid_values", "renormalize_logits", "use_cache",
    }
)  # fmt: skip
_WITH_EFFECT = frozenset({"max_new_tokens", "min_p", "num_return_sequences"})


class MissingParameter(Exception):
    """What this pipeline needs is not in the body."""


class GenerationError(Exception):
    """generate() would have thrown; the server turns it into a plain-text 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How one call of the pipeline is to go."""

    max_length: int | None
    max_new_tokens: int
    sequences: int
    hole: bool
    sampling: Sampling


def read_body(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Invalid with every problem at once, as the server's 422 has them."""
    problems: list[dict[str, Any]] = []
    body: dict[str, Any] = {}
    try:
        body = read_fields(raw, _BODY)
    except Invalid as error:
        problems += error.problems
    for index, message in enumerate(body.get("messages") or []):
        loc = ("body", "messages", index)
        problems += _problems(message if isinstance(message, dict) else {}, _MESSAGE, loc)
    given = raw.get("generate_kwargs")
    if isinstance(given, dict):
        problems += _problems(given, _GENERATE, ("body", "generate_kwargs"))
    if problems:
        raise Invalid(problems)
    return body


def read_wish(body: Mapping[str, Any], engine: Engine) -> Wish:
    """Raises GenerationError wherever generate() does."""
    given = body["generate_kwargs"]
    kwargs = {} if given is None else {**given, **read_fields(given, _GENERATE)}
    unknown = set(kwargs) - set(_GENERATE) - _WITH_EFFECT - _WITHOUT_EFFECT
    if unknown:
        raise GenerationError(f"model_kwargs are not used by the model: {sorted(unknown)}")
    if body["handle_long_generation"] not in (None, "hole"):
        raise GenerationError(f"invalid handle_long_generation {body['handle_long_generation']!r}")
    new_tokens = _whole_number(kwargs, "max_new_tokens", DEFAULT_NEW_TOKENS)
    sequences = _whole_number(kwargs, "num_return_sequences", 1)
    do_sample = kwargs.get("do_sample", False)
    if sequences > 1 and not do_sample and kwargs.get("num_beams", 1) < sequences:
        raise GenerationError("Greedy methods without beam search do not support several sequences")
    return Wish(
        max_length=kwargs.get("max_length"),
        max_new_tokens=new_tokens,
        sequences=sequences,
        hole=body["handle_long_generation"] == "hole",
        sampling=_sampling(kwargs, min(new_tokens, engine.max_model_len), do_sample),
    )


def _problems(
    raw: Mapping[str, Any], declared: Mapping[str, Field], loc: tuple[str | int, ...]
) -> list[dict[str, Any]]:
    try:
        read_fields(raw, declared, loc)
    except Invalid as error:
        return error.problems
    return []


def _whole_number(kwargs: Mapping[str, Any], name: str, default: int) -> int:
    value = kwargs.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise GenerationError(f"`{name}` must be greater than 0, but is {value!r}")
    return value


def _sampling(kwargs: Mapping[str, Any], max_tokens: int, do_sample: bool) -> Sampling:
    penalty = kwargs.get("repetition_penalty", 1.0)
    if penalty <= 0:
        raise GenerationError(f"`penalty` has to be a strictly positive float, but is {penalty}")
    if not do_sample:
        return Sampling(max_tokens=max_tokens, temperature=0.0, repetition_penalty=penalty)
    _check_warpers(kwargs)
    return Sampling(
        max_tokens=max_tokens,
        temperature=kwargs["temperature"],
        top_k=kwargs["top_k"],
        top_p=min(1.0, kwargs["top_p"]),
        min_p=kwargs.get("min_p") or 0.0,
        typical_p=min(1.0, kwargs["typical_p"]),
        repetition_penalty=penalty,
    )


def _check_warpers(kwargs: Mapping[str, Any]) -> None:
    """https://github.com/huggingface/transformers/blob/main/src/transformers/generation/logits_process.py"""
    min_p = kwargs.get("min_p")
    for fits, text in (
        (kwargs["temperature"] > 0, "`temperature` has to be a strictly positive float"),
        (kwargs["top_k"] >= 0, "`top_k` has to be a strictly positive integer"),
        (kwargs["top_p"] >= 0, "`top_p` has to be a float > 0 and < 1"),
        (kwargs["typical_p"] > 0, "`typical_p` has to be a float > 0 and < 1"),
        (min_p is None or _is_share(min_p), "`min_p` has to be a float in the [0, 1] interval"),
    ):
        if not fits:
            raise GenerationError(text)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1
