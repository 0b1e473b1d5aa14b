"""What vLLM accepts and refuses: from a JSON body to messages and sampling, in vLLM's words.

Fields: https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/chat_completion/protocol.py
Limits and texts: https://github.com/vllm-project/vllm/blob/main/vllm/sampling_params.py
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.models.engines import Message, Sampling
from sandbox.models.fields import Field, read_fields

_SAMPLING = {
    "model": Field(kind="str"),
    "max_tokens": Field(kind="int"),
    "temperature": Field(kind="float"),
    "top_p": Field(kind="float"),
    "top_k": Field(kind="int"),
    "min_p": Field(kind="float"),
    "repetition_penalty": Field(kind="float"),
    "presence_penalty": Field(kind="float"),
    "frequency_penalty": Field(kind="float"),
    "n": Field(kind="int"),
    "seed": Field(kind="int"),
    "stop": Field(kind="any"),
    "logit_bias": Field(kind="dict"),
    "ignore_eos": Field(kind="bool", default=False, nullable=False),
    "stream": Field(kind="bool", default=False),
    "stream_options": Field(kind="dict"),
}
CHAT = {
    "messages": Field(kind="list", required=True, nullable=False),
    "max_completion_tokens": Field(kind="int"),
    **_SAMPLING,
}
COMPLETION = {"prompt": Field(kind="any", required=True), **_SAMPLING}

_NO_TOOLS = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
# Real in vLLM, absent here: refused, so that nobody takes silence for obedience.
_ABSENT: Mapping[str, tuple[object, ...]] = {
    "allowed_token_ids": (None,),
    "bad_words": (None, []),
    "best_of": (None, 1),
    "echo": (None, False),
    "logprobs": (None, False),
    "min_tokens": (None, 0),
    "prompt_logprobs": (None,),
    "response_format": (None, {"type": "text"}),
    "stop_token_ids": (None, []),
    "structured_outputs": (None,),
    "top_logprobs": (None, 0),
    "truncate_prompt_tokens": (None,),
    "use_beam_search": (None, False),
}
# What is left unsaid comes from the model's generation_config. Here from the card of the model that answers; at vLLM's own 1.0 so
# small a model talks nonsense: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct
_DEFAULTS = {
    "temperature": 0.2,
    "top_p": 0.9,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


class Refused(Exception):
    """vLLM's error object: https://docs.vllm.ai/en/stable/serving/openai_compatible_server/"""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "BadRequestError",
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param


def read_request(
    raw: Mapping[str, Any], declared: Mapping[str, Field], served_names: Sequence[str]
) -> dict[str, Any]:
    """Raises Invalid for a wrong shape and Refused for a wrong wish."""
    body = read_fields(raw, declared)
    check_model(body["model"], served_names)
    for name, neutral in _ABSENT.items():
        if raw.get(name) not in neutral:
            raise Refused(f"The sandbox's model server does not support `{name}`.", param=name)
    if raw.get("tools") and raw.get("tool_choice") != "none":
        raise Refused(_NO_TOOLS)
    if body["stream_options"] and not body["stream"]:
        raise Refused(
            "Stream options can only be defined when `stream=True`.", param="stream_options"
        )
    return body


def check_model(wanted: str | None, served_names: Sequence[str]) -> None:
    if wanted and wanted not in served_names:
        raise Refused(
            f"The model `{wanted}` does not exist.",
            status=404,
            kind="NotFoundError",
            param="model",
        )


def read_sampling(body: Mapping[str, Any], max_tokens: int) -> Sampling:
    chosen: dict[str, Any] = dict(_DEFAULTS)
    chosen.update({name: body[name] for name in _DEFAULTS if body[name] is not None})
    _check_range(chosen, body["n"])
    chosen["top_k"] = max(0, chosen["top_k"])  # -1 is another way to say off
    return Sampling(
        **chosen,
        max_tokens=max_tokens,
        seed=None if body["seed"] == -1 else body["seed"],
        stop=_stop_strings(body["stop"]),
        logit_bias=_logit_bias(body["logit_bias"] or {}),
        ignore_eos=body["ignore_eos"],
    )


def read_output_limit(body: Mapping[str, Any]) -> int | None:
    limit = body.get("max_completion_tokens")
    limit = body["max_tokens"] if limit is None else limit
    if limit is not None and limit < 1:
        raise Refused(f"max_tokens must be at least 1, got {limit}.", param="max_tokens")
    return limit


def check_length(prompt_tokens: int, wanted: int | None, max_model_len: int) -> int:
    """The tokens that may be generated. vLLM stops counting the prompt one beyond what fits."""
    output = wanted or 1
    if prompt_tokens + output <= max_model_len:
        return wanted or max_model_len - prompt_tokens
    counted = max(1, min(prompt_tokens, max_model_len - output + 1))
    raise Refused(
        f"This model's maximum context length is {max_model_len} tokens. However, you requested "
        f"{output} output tokens and your prompt contains at least {counted} input tokens, for a "
        f"total of at least {counted + output} tokens. Please reduce the length of the input "
        f"prompt or the number of requested output tokens. (parameter=input_tokens, value={counted})",
        param="input_tokens",
    )


def read_messages(raw: list[Any], served_name: str) -> list[Message]:
    if not raw:
        raise Refused("list object has no element 0")
    return [_message(item, index, served_name) for index, item in enumerate(raw)]


def _message(raw: object, index: int, served_name: str) -> Message:
    declared = {
        "role": Field(kind="str", required=True, nullable=False),
        "content": Field(kind="any"),
    }
    loc = ("body", "messages", index)
    message = read_fields(raw if isinstance(raw, dict) else {}, declared, loc)
    return {"role": message["role"], "content": _text(message["content"], served_name)}


def _text(content: object, served_name: str) -> str:
    if isinstance(content, list):
        return "\n".join(_part(part, served_name) for part in content)
    if content is None or isinstance(content, str):
        return content or ""
    raise Refused(f"Unsupported message content: {type(content).__name__}", param="messages")


def _part(part: object, served_name: str) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return part["text"]
    raise Refused(f"{served_name} is not a multimodal model", param="messages")


def _check_range(chosen: Mapping[str, float], n: int | None) -> None:
    for name, value in chosen.items():
        if not math.isfinite(value):
            raise Refused(f"{name} must be a finite number, got {value}.", param=name)
    if n is not None and n != 1:
        raise Refused(f"n must be 1: the sandbox gives one answer at a time, got {n}.", param="n")
    for name, fits, text in (
        ("presence_penalty", -2 <= chosen["presence_penalty"] <= 2, "must be in [-2, 2]"),
        ("frequency_penalty", -2 <= chosen["frequency_penalty"] <= 2, "must be in [-2, 2]"),
        ("repetition_penalty", chosen["repetition_penalty"] > 0, "must be greater than zero"),
        ("temperature", chosen["temperature"] >= 0, "must be non-negative"),
        ("temperature", chosen["temperature"] <= 2, "must be in [0, 2]"),
        ("top_p", 0 < chosen["top_p"] <= 1, "must be in (0, 1]"),
        ("top_k", chosen["top_k"] >= -1, "must be 0 (disable), or at least 1"),
        ("min_p", 0 <= chosen["min_p"] <= 1, "must be in [0, 1]"),
    ):
        if not fits:
            raise Refused(f"{name} {text}, got {chosen[name]}.", param=name)


def _stop_strings(raw: object) -> tuple[str, ...]:
    stops = [raw] if isinstance(raw, str) else raw or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise Refused("stop must be a string or a list of strings.", param="stop")
    if not all(stops):
        raise Refused("stop cannot contain an empty string.", param="stop")
    return tuple(stops)


def _logit_bias(raw: Mapping[str, Any]) -> dict[int, float]:
    try:
        return {int(token): min(100.0, max(-100.0, bias)) for token, bias in raw.items()}
    except (ValueError, TypeError) as error:
        raise Refused(
            "logit_bias contains key(s) that cannot be converted to integer token IDs: "
            f"{list(raw)!r}",
            param="logit_bias",
        ) from error
