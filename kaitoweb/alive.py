"""Health checks of containers: `python -m kaitoweb.alive web|worker|beat` ends with 0 where the process does its work.

The web is asked; worker and beat leave a sign each time that they have carried out or sent a task. Beat sends a sweep
every two seconds, so a worker that is up but deaf, or a beat that sends into the void, is found out.
Imports nothing but the standard library, since a check runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

WEB_TIMEOUT_S = 3.0
SIGN_S = 60.0  # two workers share the sweeps, so each has many of them in this time


def leave_sign(name: str) -> None:
    """Does nothing where KAITOWEB_ALIVE names no folder, thus outside containers."""
    if folder := os.environ.get("KAITOWEB_ALIVE"):
        _sign(folder, name).touch()


def check_web() -> str:
    """What is wrong, or nothing."""
    web = http.client.HTTPConnection("127.0.0.1", _port(), timeout=WEB_TIMEOUT_S)
    try:
        web.request("GET", "/healthz")
        status = web.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/healthz does not answer: {error}"
    finally:
        web.close()
    return "" if status == http.HTTPStatus.OK else f"/healthz answers {status}"


def check_sign(name: str) -> str:
    """What is wrong, or nothing."""
    folder = os.environ.get("KAITOWEB_ALIVE")
    if not folder:
        return "KAITOWEB_ALIVE names no folder for signs of life"
    try:
        age = time.time() - _sign(folder, name).stat().st_mtime
    except OSError:
        return f"{name} has not done any work yet"
    return "" if age < SIGN_S else f"{name} did its last work {age:.0f} s ago"


CHECKS: dict[str, Callable[[], str]] = {
    "web": check_web,
    "worker": lambda: check_sign("worker"),
    "beat": lambda: check_sign("beat"),
}


def _sign(folder: str, name: str) -> Path:
    return Path(folder, f"alive-{name}")


def _port() -> int:
    return int(os.environ.get("KAITOWEB_PORT", "8000"))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: python -m kaitoweb.alive {'|'.join(CHECKS)}")
    sys.exit(CHECKS[sys.argv[1]]() or 0)
