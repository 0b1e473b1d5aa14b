"""What KAITO sees of a workspace's node claims, nodes, workload and log: the look before the verdict.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.kaito import conditions, machines, podtroubles, workspaces
from sandbox.kaito.conditions import Snapshot, Verdict
from sandbox.kaito.podspecs import ENGINE_VERSION
from sandbox.kaito.presets import find_sku
from sandbox.kaito.world import World
from sandbox.resources import PODS, STATEFULSETS

Raw = dict[str, Any]


class Observer:
    def __init__(self, world: World) -> None:
        self._world = world

    def claims(self, ws: Raw) -> list[Raw]:
        return self._world.claims_of(ws["metadata"]["namespace"], ws["metadata"]["name"])

    def _nodes(self, ws: Raw) -> list[Raw]:
        return self._world.nodes_of(ws["metadata"]["namespace"], ws["metadata"]["name"])

    def are_nodes_ready(self, ws: Raw) -> bool:
        is_targeted = workspaces.target_nodes(ws) > 0
        return is_targeted and self._claim_verdict(ws).is_true and self._node_verdict(ws).is_true

    def _claim_verdict(self, ws: Raw) -> Verdict:
        """With no target yet, "enough" are ready: KAITO's False-green of the first moments."""
        claims = self.claims(ws)
        ready = sum(machines.is_claim_ready(claim) for claim in claims)
        if ready >= workspaces.target_nodes(ws):
            return conditions.CLAIMS_READY
        return _claim_trouble(claims) or conditions.CLAIMS_NOT_READY

    def _node_verdict(self, ws: Raw) -> Verdict:
        """The label must be the instance type to the letter, though admission ignores case."""
        size = workspaces.instance_type(ws)
        ready = [
            node
            for node in self._nodes(ws)
            if machines.is_node_ready(node)
            and node["metadata"]["labels"].get("node.kubernetes.io/instance-type") == size
        ]
        if len(ready) < workspaces.target_nodes(ws):
            return conditions.NODES_NOT_READY
        if find_sku(size) is not None and not all(machines.has_gpus(node) for node in ready):
            return conditions.PLUGINS_NOT_READY
        return conditions.NODES_READY

    def snapshot(self, ws: Raw, error: str) -> Snapshot:
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        workload = self._world.get(STATEFULSETS, namespace, name)
        is_serving = _is_complete(workload)
        pods = [] if is_serving or workload is None else self._world.siblings(namespace, name)
        benchmark, why = self._benchmark(ws) if is_serving else (None, "")
        return Snapshot(
            worker_nodes=[node["metadata"]["name"] for node in self._nodes(ws)],
            nodes=self._node_verdict(ws),
            claims=self._claim_verdict(ws),
            is_tuning=workspaces.inference(ws) is None,
            is_serving=is_serving,
            trouble=podtroubles.trouble_of(pods),
            has_benchmark=workspaces.has_benchmark(ws),
            benchmark=benchmark,
            benchmark_error=why,
            error=error,
        )

    def _benchmark(self, ws: Raw) -> tuple[Raw | None, str]:
        """Read from the log of pod 0, as KAITO does it."""
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        pod = self._world.get(PODS, namespace, f"{name}-0")
        if pod is None or not workspaces.has_benchmark(ws):
            return None, ""
        container = pod["spec"]["containers"][0]["name"]
        log = self._world.cluster.logbook.current(pod["metadata"]["uid"], container)
        lines = [line.text for line in log.lines]
        result = tagged_json(lines, "KAITO_BENCHMARK_RESULT")
        if result is None or result["vllm_total_tpm"] <= 0:
            return (
                None,
                f"pod {namespace}/{name}-0: no KAITO_BENCHMARK_RESULT line found in pod logs",
            )
        config = tagged_json(lines, "KAITO_BENCHMARK_CONFIG") or {}
        return _performance(ws, result, config), ""


def _is_complete(workload: Raw | None) -> bool:
    if workload is None:
        return False
    ready = (workload.get("status") or {}).get("readyReplicas", 0)
    return ready == workload["spec"].get("replicas", 1)


def _claim_trouble(claims: list[Raw]) -> Verdict | None:
    """The first step that is not True of some claim; real errors before mere waiting."""
    found: list[Verdict] = []
    for claim in claims:
        for step in machines.STEPS:
            told = conditions.find_condition(claim, step)
            if told is not None and told["status"] != "True":
                message = conditions.cut(told["message"])
                found.append(Verdict("False", told["reason"], message))
                break
    real = [each for each in found if each.reason != "AwaitingReconciliation"]
    return next(iter([*real, *found]), None)


def tagged_json(lines: list[str], tag: str) -> Raw | None:
    """The last line `<tag> <time> <json>`."""
    found = [line for line in lines if line.startswith(tag)]
    return json.loads(found[-1].split(" ", 2)[2]) if found else None


def _performance(ws: Raw, result: Raw, config: Raw) -> Raw:
    names = {
        "duration_sec": "durationSec",
        "input_tokens": "inputTokens",
        "output_tokens": "outputTokens",
        "max_concurrency": "maxConcurrency",
    }
    told = {names[key]: str(value) for key, value in config.items()}
    told |= {"engine": "vllm", "engineVersion": ENGINE_VERSION}
    quantization = workspaces.model(ws).quantization
    if quantization:
        told["quantization"] = quantization
    value = f"{result['vllm_total_tpm']:f}".rstrip("0").rstrip(".")
    metric = {
        "description": "stress/high-concurrency",
        "unit": "tokens/min",
        "value": value,
        "config": told,
    }
    return {"metrics": {"peakTokensPerMinute": metric}}
