"""Runs the benchmarks in order; needs what the tests need (Chromium for one figure).

Without a name: all but the soak, which takes an hour. `soak` takes words of its own, and therefore stands alone.
"""

from __future__ import annotations

import importlib
import sys

NAMES = ["listing", "starting", "path", "resync", "watcher_memory", "takeover", "faults"]
ALONE = "soak"


def main() -> None:
    wanted = sys.argv[1:] or NAMES
    if wanted[0] == ALONE:
        wanted = [ALONE]
    unknown = sorted(set(wanted) - {*NAMES, ALONE})
    if unknown:
        names = ", ".join([*NAMES, ALONE])
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {names}.")
    for name in wanted:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
