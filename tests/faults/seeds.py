"""Chance that can be had again: each case runs for some seeds, and its number is printed where it fails.

KAITOWEB_SOAK=20 runs each case for twenty seeds, KAITOWEB_SEED=7 for that one alone.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seed:
    number: int

    @property
    def random(self) -> random.Random:
        """Afresh each time it is asked for, so that one part of a test does not disturb another."""
        return random.Random(self.number)

    def __str__(self) -> str:
        return f"seed-{self.number}"


def seeds(times: int = 1) -> list[Seed]:
    """`times` of them in `make test`."""
    if wanted := os.environ.get("KAITOWEB_SEED"):
        return [Seed(int(wanted))]
    return [Seed(number) for number in range(max(times, soak_times(), _bench_times()))]


def soak_times() -> int:
    """How often each case is to run; 0 outside `make soak`."""
    return int(os.environ.get("KAITOWEB_SOAK") or 0)


def _bench_times() -> int:
    """Runs that are timed, without the long outages of a soak."""
    return int(os.environ.get("KAITOWEB_RUNS") or 0)


def is_soak() -> bool:
    return soak_times() > 0
