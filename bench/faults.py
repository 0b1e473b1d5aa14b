"""How long it takes from each fault until all is well again, as the cases of tests/faults time it themselves.

Each case runs RUNS times, with another seed each time; the figures stand in docs/reliability.md. The program's own times
(lease, patience with a silent worker) are a third of the defaults there.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from bench.tables import table

RUNS = 5
PROPERTY = "recovery "  # with the fault's name behind it


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "tests/faults", "-m", "slow", "-q"]
        environment = {**os.environ, "KAITOWEB_RUNS": str(RUNS)}
        done = subprocess.run(
            [*command, f"--junitxml={report}", "-o", "junit_family=xunit1"], env=environment
        )
        rows = _rows(report) if report.exists() else []
    table("From the fault until all is well", ["fault", "median", "longest", "runs"], rows)
    if done.returncode:
        sys.exit("Some case failed; see above.")


def _rows(report: Path) -> list[list[object]]:
    times: dict[str, list[float]] = defaultdict(list)
    for each in ElementTree.parse(report).iter("property"):
        name = each.get("name", "")
        if name.startswith(PROPERTY):
            times[name.removeprefix(PROPERTY)].append(float(each.get("value", "nan")))
    return [
        [what, f"{statistics.median(taken):.1f} s", f"{max(taken):.1f} s", len(taken)]
        for what, taken in times.items()
    ]
