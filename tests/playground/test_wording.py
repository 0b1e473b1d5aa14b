from __future__ import annotations

import pytest

from playground import wording
from playground.types import Numbers


def line(**numbers):
    parts = (part for fact in wording.facts(Numbers(**numbers)) for part in fact)
    return " ".join(filter(None, parts))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (
            {"total_ms": 2182, "first_token_ms": 182, "tokens": 81, "is_counted": True, "finish": "stop"},
            "First token 182 ms 40 tokens/s 81 tokens ended by itself",
        ),
        (
            {"total_ms": 9000, "first_token_ms": 1500, "tokens": 31, "finish": "length"},
            "First token 1.5 s 4.0 tokens/s about 31 tokens stopped at the token limit",
        ),
        ({"total_ms": 3210}, "Took 3.2 s"),
        ({"total_ms": 75_400, "finish": "abort"}, "Took 1 min 15 s abort"),
        (
            {"total_ms": 90, "first_token_ms": 90, "tokens": 1, "is_counted": True},
            "First token 90 ms 1 token",
        ),
        (
            {"total_ms": 90, "first_token_ms": 90, "tokens": 12_000, "is_counted": True},
            "First token 90 ms 12,000 tokens",
        ),
    ],
)  # fmt: skip
def test_facts_say_what_is_known(numbers, words):
    assert line(**numbers) == words
