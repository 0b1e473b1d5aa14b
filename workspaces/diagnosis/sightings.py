"""What is known of one workspace at one moment, with the questions that a diagnosis asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from workspaces.types import (
    Condition,
    ContainerState,
    Dependents,
    ParsedEvent,
    ParsedNodeClaim,
    ParsedPod,
    ParsedWorkspace,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    workspace: ParsedWorkspace
    dependents: Dependents
    events: Sequence[ParsedEvent]
    now: datetime

    @property
    def pods(self) -> tuple[ParsedPod, ...]:
        return self.dependents.pods

    @property
    def claims(self) -> tuple[ParsedNodeClaim, ...]:
        return self.dependents.node_claims

    @property
    def first_pod(self) -> ParsedPod | None:
        """The one that serves: KAITO's Service selects pod 0 only."""
        return min(self.pods, key=lambda p: p.name, default=None)

    @property
    def is_gpu(self) -> bool:
        """Azure's GPU sizes are the N series, https://learn.microsoft.com/azure/virtual-machines/sizes/overview"""
        return self.workspace.instance_type.lower().startswith("standard_n")

    def has_nodes(self) -> bool:
        """ResourceReady, distrusted while targetNodeCount is unset: KAITO then finds zero of zero nodes ready.

        https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
        Versions before 0.9 have no such count; there the pod, which comes after the nodes, proves them.
        """
        condition = self.workspace.status.condition("ResourceReady")
        counted = (self.workspace.status.target_node_count or 0) >= 1
        return bool(self.pods) or bool(condition and condition.is_true and counted)


def main_container(pod: ParsedPod) -> ContainerState | None:
    return next((c for c in pod.containers if not c.is_init), None)


def started_at(pod: ParsedPod | None) -> datetime | None:
    """Since when the serving container runs; None while it does not."""
    container = main_container(pod) if pod else None
    return container.since if container and container.phase == "running" else None


def pod_condition(pod: ParsedPod, kind: str) -> Condition | None:
    return next((c for c in pod.conditions if c.type == kind), None)
