"""What a pod's containers say during a stage of its life: log lines and failing probes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sandbox.kaito import faultlogs, logs, pace, traininglogs
from sandbox.kaito.podspecs import POD_INDEX_LABEL
from sandbox.kaito.presets import Sku, machine
from sandbox.kaito.probing import failing_probe
from sandbox.kaito.serving import VLLM, Serving, serving_of
from sandbox.kaito.tuning import trained_model

STARTING = ("Downloading", "Stalled", "Loading", "Benchmarking", "BenchmarkFailing")

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Due `at_s` seconds into the stage: a log line, or a probe that fails."""

    at_s: float
    line: str | None = None
    probe: str | None = None


def script_of(pod: Raw, stage: str, length_s: float, size: str) -> list[Step]:
    """`size` is the instance type of the node."""
    serving = serving_of(pod["spec"]["containers"][0])
    if serving is None:
        return [Step(line.at * length_s, line=line.text) for line in _training(pod, stage)]
    lines: list[logs.Line] = []
    if is_leader(pod):
        lines = _lines(serving, stage, _joined(size, serving.nodes), length_s)
    steps = [Step(line.at * length_s, line=line.text) for line in lines]
    return sorted(steps + _probes(pod, serving, stage, length_s), key=lambda step: step.at_s)


def _training(pod: Raw, stage: str) -> list[logs.Line]:
    model = trained_model(pod)
    if model is None or stage not in ("Training", "TrainingFailing"):
        return []
    is_failing = stage == "TrainingFailing"
    return traininglogs.failed_training(model) if is_failing else traininglogs.training(model)


def is_leader(pod: Raw) -> bool:
    """Of several nodes only the first pod serves."""
    return (pod["metadata"].get("labels") or {}).get(POD_INDEX_LABEL, "0") == "0"


def _joined(size: str, nodes: int) -> Sku:
    """Several nodes taken as one machine."""
    sku = machine(size)
    return replace(sku, gpus=sku.gpus * nodes, gpu_memory_gib=sku.gpu_memory_gib * nodes)


def _lines(serving: Serving, stage: str, sku: Sku, length_s: float) -> list[logs.Line]:
    failing = _failing_lines(serving, stage, sku, length_s)
    if failing is not None:
        return failing
    if serving.dialect != VLLM:
        return _transformers_lines(serving, stage)
    if stage == "Downloading":
        return logs.vllm_download(serving)
    if stage == "Loading":
        return logs.vllm_load(serving, sku)
    if stage.startswith("Benchmark"):
        return logs.vllm_benchmark(serving, sku, fails=stage == "BenchmarkFailing")
    return []


def _failing_lines(
    serving: Serving, stage: str, sku: Sku, length_s: float
) -> list[logs.Line] | None:
    if stage == "Crashing":
        return faultlogs.gated_crash(serving)
    if stage == "OutOfMemory":  # the kernel kills without a word, in the middle of loading
        loading = logs.vllm_load(serving, sku) if serving.dialect == VLLM else []
        return (loading or logs.transformers_load(serving))[:5]
    if stage == "OutOfGpuMemory":
        return faultlogs.gpu_memory_crash(serving, sku)
    if stage == "Failing":
        return faultlogs.engine_crash(serving)
    if stage == "Killed":
        return faultlogs.killed(serving)
    return faultlogs.stalled_download(length_s) if stage == "Stalled" else None


def _transformers_lines(serving: Serving, stage: str) -> list[logs.Line]:
    return logs.transformers_load(serving) if stage == "Loading" else []


def serving_lines(pod: Raw) -> list[str]:
    """What is said when the port opens. With a benchmark, that was said at its beginning."""
    serving = serving_of(pod["spec"]["containers"][0])
    if serving is None or not is_leader(pod):
        return []
    return logs.vllm_serve() if serving.dialect == VLLM else logs.transformers_serve()


def _probes(pod: Raw, serving: Serving, stage: str, length_s: float) -> list[Step]:
    if stage == "Unprobed":
        failing = failing_probe(pod, serving)
        failure = failing[1] if failing else None
    else:
        failure = _probe_failure(pod, serving, stage) if stage in STARTING else None
    if failure is None:
        return []
    times = int(length_s / pace.PROBE_EVERY_S)
    return [Step((i + 0.5) * pace.PROBE_EVERY_S, probe=failure) for i in range(times)]


def _probe_failure(pod: Raw, serving: Serving, stage: str) -> str | None:
    """The kubelet's sentence: the startup probe's, or without one the readiness probe's."""
    container = pod["spec"]["containers"][0]
    kind = "startupProbe" if "startupProbe" in container else "readinessProbe"
    probe = container.get(kind)
    if probe is None or (stage.startswith("Benchmark") and kind == "startupProbe"):
        return None
    said = kind.removesuffix("Probe").capitalize()
    if "httpGet" not in probe:
        return f"{said} probe failed: "  # its output goes to the log of process 1 instead
    if serving.dialect == VLLM and stage in ("Downloading", "Stalled"):
        return f"{said} probe failed: HTTP probe failed with statuscode: 404"
    target = f"{(pod.get('status') or {}).get('podIP', '')}:{probe['httpGet'].get('port')}"
    path = probe["httpGet"].get("path", "/")
    why = f'Get "http://{target}{path}": dial tcp {target}: connect: connection refused'
    return f"{said} probe failed: {why}"
