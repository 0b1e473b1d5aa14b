"""Events as the browser hears them: server-sent events whose data is one line of JSON. Pure.

Only what is named here passes: a model's server cannot invent an event.
"""

from __future__ import annotations

from typing import Any

import orjson

from playground import wording
from playground.types import Event, Failed, Finished, Reasoning, Started, Token

BEAT = b": still waiting\n\n"


def frame(event: Event, html: str = "") -> bytes:
    """`html`: the whole answer, rendered; goes out with its end."""
    name, data = _named(event, html)
    return b"event: " + name + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def _named(event: Event, html: str) -> tuple[bytes, dict[str, Any]]:
    match event:
        case Started(card):
            return b"start", {"model": card.name, "context_tokens": card.context_tokens}
        case Token(text):
            return b"token", {"text": text}
        case Reasoning(text):
            return b"reasoning", {"text": text}
        case Finished(numbers):
            used = (numbers.prompt_tokens or 0) + (numbers.tokens or 0)
            facts = [list(fact) for fact in wording.facts(numbers)]
            return b"done", {
                "html": html,
                "facts": facts,
                "used_tokens": used if numbers.is_counted else None,
            }
        case Failed(error):
            return b"error", {"message": error.message, "detail": error.detail}
