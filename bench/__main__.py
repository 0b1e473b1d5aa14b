"""Runs the benchmarks in order; needs what the tests need (Chromium for one figure)."""

from __future__ import annotations

import importlib
import sys

NAMES = ["listing", "starting", "path"]


def main() -> None:
    wanted = sys.argv[1:] or NAMES
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    for name in wanted:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
