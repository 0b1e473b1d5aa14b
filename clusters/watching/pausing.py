"""Waiting that ends when all is to end, or when the cluster is known to be back."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

PERIOD_S = 0.2


class Bell:
    """Rung by whoever knows that another try is worth it now; wakes every watch of a cluster that pauses."""

    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1


@dataclass(slots=True)
class Pauses:
    stop: threading.Event
    bell: Bell

    def wait(self, seconds: float, *, since: int | None = None) -> None:
        """`since`: what bell.rung was, if a ring since then is to end the wait; None: nothing but `stop` does."""
        until = time.monotonic() + seconds
        while not self.stop.is_set() and (left := until - time.monotonic()) > 0:
            if since is not None and self.bell.rung != since:
                return
            self.stop.wait(min(left, PERIOD_S))
