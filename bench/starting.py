"""From a clean clone to ready, and a warm start. Clones this repository's HEAD; packages come without a cache."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bench.tables import table
from tests.e2e import stack as stacks

WARM_STARTS = 3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kaitoweb-bench-") as folder:
        clone = Path(folder) / "kaitoweb"
        subprocess.run(["git", "clone", "-q", str(stacks.ROOT), str(clone)], check=True)
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("KAITOWEB_", "DJANGO_"))
        }
        environment |= {
            "KAITOWEB_PORT": str(stacks.free_port()),
            "UV_CACHE_DIR": f"{folder}/uv",
            "PIP_NO_CACHE_DIR": "1",
        }
        first = _run(clone, environment)
        warm = sorted(_run(clone, environment) for _ in range(WARM_STARTS))
        stops = sorted(_stops)
    table(
        "Starting",
        ["what", "time"],
        [
            ["clean clone to ready (`make run`, no package cache)", f"{first[0]:.1f} s"],
            ["warm start, median of three", f"{warm[len(warm) // 2][0]:.1f} s"],
            ["Ctrl-C to nothing left, slowest", f"{stops[-1]:.1f} s"],
        ],
    )


_stops: list[float] = []


def _run(clone: Path, environment: dict[str, str]) -> tuple[float]:
    begun = time.monotonic()
    process = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    took = None
    for line in process.stdout:
        if stacks.READY.search(line):
            took = time.monotonic() - begun
            break
    rest = threading.Thread(target=process.stdout.read, daemon=True)
    rest.start()
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    rest.join(5)
    _stops.append(time.monotonic() - begun)
    if took is None:
        raise SystemExit("kaitoweb did not become ready; run `make run` to see why.")
    return (took,)
