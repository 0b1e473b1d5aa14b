"""The result of a benchmark, as KAITO reads it from the lines of a log. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/benchmark.go
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.releases import CURRENT

RESULT, CONFIG = "KAITO_BENCHMARK_RESULT", "KAITO_BENCHMARK_CONFIG"
ENTRYPOINT = "benchmark_entrypoint.py"
NAMES = {
    "duration_sec": "durationSec",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "max_concurrency": "maxConcurrency",
}

Raw = dict[str, Any]


def has_probe(workload: Raw | None) -> bool:
    """Workloads from before this feature, or made while it was switched off, carry none."""
    containers = ((workload or {}).get("spec") or {}).get("template", {}).get("spec", {})
    probes = [each.get("startupProbe") or {} for each in containers.get("containers") or []]
    commands = [" ".join((probe.get("exec") or {}).get("command") or []) for probe in probes]
    return any(ENTRYPOINT in command for command in commands)


def performance(ws: Raw, lines: list[str]) -> tuple[Raw | None, str]:
    """`status.performance`, or why there is none. The last run counts."""
    result = tagged_json(lines, RESULT)
    if result is None:
        return None, f"no {RESULT} line found in pod logs"
    rate = result["vllm_total_tpm"]
    if rate <= 0:
        told = f"{rate:g}"
        return None, f"benchmark failed: TPM value {told} indicates a failed or incomplete run"
    metric = {
        "description": "stress/high-concurrency",
        "unit": "tokens/min",
        "value": f"{rate:f}".rstrip("0").rstrip("."),
        "config": _config(ws, tagged_json(lines, CONFIG) or {}),
    }
    return {"metrics": {"peakTokensPerMinute": metric}}, ""


def _config(ws: Raw, config: Raw) -> dict[str, str]:
    told = {NAMES[key]: str(value) for key, value in config.items()}
    told |= {"engine": "vllm", "engineVersion": CURRENT.engine_version}
    quantization = workspaces.model(ws).quantization
    return told | ({"quantization": quantization} if quantization else {})


def tagged_json(lines: list[str], tag: str) -> Raw | None:
    """The last line `<tag> <time> <json>`."""
    found = [line for line in lines if line.startswith(tag)]
    return json.loads(found[-1].split(" ", 2)[2]) if found else None
