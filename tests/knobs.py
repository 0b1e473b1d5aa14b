"""Turns a sandbox's test knobs (docs/sandbox.md), from this process or another.

    with run_sandbox(knobs=True) as sandbox, Knobs.of(sandbox) as knobs:
        knobs.fail(503, match=WATCHES, times=3, headers={"Retry-After": "1"})

`match` is {"method": …, "path": regular expression over path and query, "user": …}; without it, everything.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

Match = Mapping[str, str]

WORKSPACE_WATCHES: Match = {"method": "GET", "path": r"/workspaces\?.*watch=true"}
WORKSPACE_LISTS: Match = {"method": "GET", "path": r"/workspaces(\?(?!.*watch=true)|$)"}


class Knobs:
    def __init__(self, url: str, token: str, ssl_context: ssl.SSLContext) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/_sandbox/",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl_context,
            trust_env=False,
            timeout=10,
        )

    @classmethod
    def of(cls, sandbox: Any) -> Knobs:
        """Of one that tests.servers runs."""
        return cls(sandbox.url, sandbox.tokens["admin"], sandbox.ssl_context)

    def __enter__(self) -> Knobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def fail(self, status: int, *, match: Match | None = None, **how: Any) -> None:
        """`how`: reason, message, details, headers, body (HTML), times, every, when ("before", "after")."""
        self._turn("fail", match, status=status, **how)

    def freeze(self, *, match: Match | None = None, **how: Any) -> int:
        """Open answers that match, and all later requests, fall silent until a reset; or with `after_bytes`,

        the next `times` that match, after so many bytes of the body. Returns how many open ones it met.
        """
        return self._turn("freeze", match, **how)

    def cut(self, *, match: Match | None = None, **how: Any) -> int:
        """Open answers that match end now; or with `after_bytes` (and `mid_chunk`), the next `times` that match."""
        return self._turn("cut", match, **how)

    def delay(self, seconds: float, *, match: Match | None = None, **how: Any) -> None:
        self._turn("delay", match, seconds=seconds, **how)

    def watch(self, *, match: Match | None = None, **how: Any) -> int:
        """`how`: drop_next, duplicate_next, reorder_next, split, coalesce. Returns how many open watches it met."""
        return self._turn("watch", match, **how)

    def inject(self, raw: bytes, *, match: Match | None = None) -> int:
        """Send these bytes into every open watch that matches."""
        return self.watch(match=match, inject=base64.b64encode(raw).decode())

    def bookmarks(self, *, on: bool = True, period_s: float | None = None) -> None:
        self._turn("bookmarks", on=on, period_s=period_s)

    def speed(self, speed: float) -> None:
        self._turn("speed", speed=speed)

    def compact(self) -> None:
        """Versions so far are forgotten: watches and pages that begin there get 410."""
        self._turn("compact")

    def reset(self) -> None:
        """Every knob as at the start; what was recorded stays."""
        self._turn("reset")

    def requests(self, *, method: str = "", path: str = "", user: str = "") -> list[dict[str, Any]]:
        """What was asked so far, the oldest first; `path` is the beginning of it."""
        records = self._checked(self._client.get("requests")).json()["requests"]
        return [
            record
            for record in records
            if record["path"].startswith(path)
            and method in ("", record["method"])
            and user in ("", record["user"])
        ]

    def forget_requests(self) -> None:
        self._checked(self._client.delete("requests"))

    def _turn(self, knob: str, match: Match | None = None, **how: Any) -> int:
        body = {**how, **({"match": dict(match)} if match else {})}
        met: int = self._checked(self._client.post(knob, json=body)).json().get("met", 0)
        return met

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_error:
            raise AssertionError(f"{answer.request.url}: {answer.status_code} {answer.text}")
        return answer
