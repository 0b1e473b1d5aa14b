"""Every check before a deploy, each with its way out: our own rules, then KAITO's judgement by a dry run.

The dry run asks the cluster within the request: one of the few places that may.
"""

from __future__ import annotations

from typing import Any

from clusters import gateway
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.targets import WORKSPACES
from workspaces.preflight.problems import FieldProblem, Level, Mend
from workspaces.preflight.refusals import field_problems

__all__ = ["FieldProblem", "Level", "Mend", "dry_run", "field_problems"]


def dry_run(cluster: Cluster, manifest: dict[str, Any]) -> list[FieldProblem]:
    """What the API server and KAITO's webhook say of exactly this manifest; nothing is kept there.

    A cluster that does not answer gives a warning, not a refusal.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
    """
    try:
        gateway.for_cluster(cluster).create(WORKSPACES, manifest, dry_run=True)
    except ClusterError as error:
        return field_problems(error)
    return []
