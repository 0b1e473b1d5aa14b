"""The numbers of an answer in words, for the line below it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from playground.types import Numbers

_FINISHES = {
    "stop": "ended by itself",
    "length": "stopped at the token limit",
    "content_filter": "stopped by a filter of the server",
    "tool_calls": "ended with a call of a tool",
}


class Fact(NamedTuple):
    """The value stands out; words may stand before and after it."""

    before: str
    value: str
    after: str


def facts(numbers: Numbers) -> list[Fact]:
    found = []
    if numbers.first_token_ms is not None:
        found.append(Fact("First token", _time(numbers.first_token_ms), ""))
    else:
        found.append(Fact("Took", _time(numbers.total_ms), ""))
    if numbers.tokens_per_s is not None:
        found.append(Fact("", _rate(numbers.tokens_per_s), "tokens/s"))
    if numbers.tokens is not None:
        about = "" if numbers.is_counted else "about"
        found.append(
            Fact(about, f"{numbers.tokens:,}", "token" if numbers.tokens == 1 else "tokens")
        )
    if numbers.finish:
        found.append(Fact(_FINISHES.get(numbers.finish, numbers.finish), "", ""))
    return found


def _time(ms: int) -> str:
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min {ms % 60_000 // 1000} s"


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}" if per_s < 10 else f"{per_s:.0f}"
