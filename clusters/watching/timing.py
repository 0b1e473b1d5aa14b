"""How long everything takes, and how long to wait after an error."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from clusters.errors import ClusterError, Denied, NotFound, Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All durations in seconds; tests scale them."""

    # The server ends a watch then, after a bookmark, and the next goes on where it was. So who is silent for longer
    # is not quiet but gone. A range, so that not all end at once.
    watch_s: tuple[int, int] = (20, 28)
    idle_s: float = 33
    check_s: tuple[float, float] = (15, 25)  # between comparisons with what the cluster has
    reconcile_s: tuple[float, float] = (600, 1200)  # between full lists, against our own mistakes
    poll_s: tuple[float, float] = (8, 12)  # between lists, where watching is not allowed
    turn_s: float = 60  # the same where there are many namespaces: all of them once in this time
    rewatch_s: float = 60  # until watching is tried again
    backoff_s: float = 0.8
    longest_unheard_s: float = 5  # nobody answers: asking costs nobody anything, and people wait
    longest_s: float = 30  # the server answers with errors
    denied_s: float = 30
    unauthorized_s: float = 60
    not_served_s: float = 60
    brief_s: float = 1  # a watch that ends sooner counts as a failure
    healthy_s: float = 120  # so long without a failure forgives earlier ones
    page: int = 500


USUAL = Timing()


class Backoff:
    """The wait after each failure: longer from one to the next, never shorter than the server asks for."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._failures = 0
        self._failed_at = 0.0
        self._rejections = 0

    def accepted(self) -> None:
        """The cluster has let us in."""
        self._rejections = 0

    def delay(self, error: ClusterError) -> float:
        now = time.monotonic()
        if now - self._failed_at > self._timing.healthy_s:
            self._failures = 0
        self._failures, self._failed_at = self._failures + 1, now
        return self._fixed(error) or self._asked(error) or self._doubled(error)

    def _fixed(self, error: ClusterError) -> float:
        """Where only a person can help, the pace is even. A first rejection may be a token that is being renewed."""
        timing = self._timing
        if isinstance(error, NotFound):
            return timing.not_served_s
        if not isinstance(error, Denied):
            return 0.0
        if error.status != 401:
            return timing.denied_s
        self._rejections += 1
        return timing.unauthorized_s if self._rejections > 1 else 0.0

    def _asked(self, error: ClusterError) -> float:
        """The server knows best when to come again; up to a tenth later, so that not all come at once."""
        asked = error.retry_after_s if isinstance(error, Unreachable) else None
        if not asked:
            return 0.0
        return max(asked, self._timing.backoff_s) * random.uniform(1, 1.1)  # noqa: S311 - spreads load

    def _doubled(self, error: ClusterError) -> float:
        timing = self._timing
        longest = timing.longest_s if error.status else timing.longest_unheard_s
        shortest = min(timing.backoff_s * 2.0 ** min(self._failures - 1, 16), longest / 2)
        return shortest * (1 + random.random())  # noqa: S311 - spreads load
