"""What KAITO sees of a workspace's node claims, nodes, workload and log: the look before the verdict.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.kaito import benchmarks, conditions, machines, nodelife, podtroubles, workspaces
from sandbox.kaito.conditions import Snapshot, Verdict
from sandbox.kaito.presets import find_sku
from sandbox.kaito.world import World
from sandbox.resources import DEPLOYMENTS, JOBS, PODS, STATEFULSETS

Raw = dict[str, Any]


class Observer:
    def __init__(self, world: World) -> None:
        self._world = world
        self._makes_nodes = world.edition.makes_nodes

    def claims(self, ws: Raw) -> list[Raw]:
        return self._world.claims_of(ws["metadata"]["namespace"], ws["metadata"]["name"])

    def are_nodes_ready(self, ws: Raw) -> bool:
        is_targeted = workspaces.target_nodes(ws) > 0
        return is_targeted and self._claim_verdict(ws).is_true and self._node_verdict(ws).is_true

    def claims_wanted(self, ws: Raw) -> int:
        """The cluster's own nodes that fit need no claim."""
        own = [node for node in self._ready_nodes(ws) if not self._world.is_node_made(node)]
        return max(0, workspaces.target_nodes(ws) - len(own))

    def _claim_verdict(self, ws: Raw) -> Verdict:
        """With no target yet, "enough" are ready: KAITO's False-green of the first moments."""
        claims = self.claims(ws)
        ready = sum(machines.is_claim_ready(claim) for claim in claims)
        if not self._makes_nodes or ready >= self.claims_wanted(ws):
            return conditions.CLAIMS_READY
        return _claim_trouble(claims) or conditions.CLAIMS_NOT_READY

    def _ready_nodes(self, ws: Raw) -> list[Raw]:
        """The label must be the instance type to the letter, though admission ignores case; where
        KAITO makes no nodes it asks for nothing but the workspace's own labels."""
        size = workspaces.instance_type(ws)
        return [
            node
            for node in self._world.nodes_of(ws)
            if machines.is_node_ready(node)
            and (
                not self._makes_nodes
                or node["metadata"]["labels"].get("node.kubernetes.io/instance-type") == size
            )
        ]

    def _node_verdict(self, ws: Raw) -> Verdict:
        ready = self._ready_nodes(ws)
        verdict = conditions.NODES_READY
        if len(ready) < workspaces.target_nodes(ws):
            verdict = conditions.NODES_NOT_READY
        elif self._waits_for_plugin(ws, ready):
            verdict = conditions.PLUGINS_NOT_READY
        pressure = nodelife.pressures(self._world.nodes_of(ws))
        return replace(verdict, message=verdict.message + pressure)

    def _waits_for_plugin(self, ws: Raw, nodes: list[Raw]) -> bool:
        is_known = find_sku(workspaces.instance_type(ws)) is not None
        made = [node for node in nodes if self._world.is_node_made(node)]
        return self._makes_nodes and is_known and not all(machines.has_gpus(node) for node in made)

    def workload(self, ws: Raw) -> Raw | None:
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        found = self._world.get(STATEFULSETS, namespace, name)
        if found is None and not self._world.edition.release.uses_stateful_sets:
            found = self._world.get(DEPLOYMENTS, namespace, name)
        return found

    def snapshot(self, ws: Raw, error: str) -> Snapshot:
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        workload, nodes = self.workload(ws), self._world.nodes_of(ws)
        is_serving = _is_complete(workload)
        pods = [] if is_serving or workload is None else self._world.pods_of(namespace, name)
        has_benchmark = workspaces.has_benchmark(ws) and benchmarks.has_probe(workload)
        benchmark, why = self._benchmark(ws) if is_serving and has_benchmark else (None, "")
        return Snapshot(
            worker_nodes=[node["metadata"]["name"] for node in nodes],
            nodes=self._node_verdict(ws),
            claims=self._claim_verdict(ws) if self._makes_nodes else None,
            target=workspaces.target_nodes(ws),
            ready_claims=sum(machines.is_claim_ready(claim) for claim in self.claims(ws)),
            wanted_claims=self.claims_wanted(ws),
            ready_nodes=len(self._ready_nodes(ws)),
            is_tuning=workspaces.inference(ws) is None,
            job=self._world.get(JOBS, namespace, name),
            has_workload=workload is not None,
            is_serving=is_serving,
            stuck=_progress_problem(workload),
            trouble=podtroubles.trouble_of(pods),
            has_benchmark=has_benchmark,
            benchmark=benchmark,
            benchmark_error=why,
            error=error,
        )

    def _benchmark(self, ws: Raw) -> tuple[Raw | None, str]:
        """Read from the log of pod 0, as KAITO does it."""
        namespace, name = ws["metadata"]["namespace"], ws["metadata"]["name"]
        pod = self._world.get(PODS, namespace, f"{name}-0")
        if pod is None:
            return None, f'streaming logs for pod {namespace}/{name}-0: pods "{name}-0" not found'
        container = pod["spec"]["containers"][0]["name"]
        log = self._world.cluster.logbook.current(pod["metadata"]["uid"], container)
        found, why = benchmarks.performance(ws, [line.text for line in log.lines])
        return found, f"pod {namespace}/{name}-0: {why}" if why else ""


def _is_complete(workload: Raw | None) -> bool:
    """KAITO compares two numbers: scaled to nothing counts as ready."""
    if workload is None:
        return False
    ready = (workload.get("status") or {}).get("readyReplicas", 0)
    return ready == workload["spec"].get("replicas", 1)


def _progress_problem(workload: Raw | None) -> str:
    for condition in ((workload or {}).get("status") or {}).get("conditions") or []:
        if condition["type"] == "Progressing" and condition["status"] == "False":
            name = (workload or {})["metadata"]["name"]
            return f"deployment {name} is not progressing: {condition['message']}"
    return ""


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
