"""How long it usually takes: learnt from earlier deployments of the same model on the same machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from django.db.models import Q

from workspaces import catalogue
from workspaces.models import Transition, Workspace
from workspaces.types import Recipe, Runtime

LEARNT_FROM = 30  # the latest ones

# What a KAITO start-up probe allows, s: 15 min and 18 s per GiB of weights, between 30 and 180 min.
# https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/inference/preset_inferences.go
_BUDGET_S, _BUDGET_PER_GIB_S, _BUDGET_RANGE_S = 900, 18, (1800, 10800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """Medians in s. `start` is download, load and benchmark together: only the log tells them apart."""

    samples: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float | None:
        return self.seconds.get("total")


def usual_durations(workspace: Workspace) -> Usual:
    """Of workspaces like this one; it may be one that is only thought of."""
    earlier = dict(
        Workspace.objects.filter(
            recipe=workspace.recipe,
            model__in=_names(workspace.model),
            instance_type=workspace.instance_type,
        )
        .exclude(pk=workspace.pk)
        .exclude(created_at=None)
        .order_by("-created_at")
        .values_list("uid", "created_at")[:LEARNT_FROM]
    )
    if not earlier:
        return Usual()
    took: dict[str, list[float]] = defaultdict(list)
    for uid, moments in _moments(earlier).items():
        for stage, seconds in _spans(earlier[uid], moments):
            took[stage].append(seconds)
    return Usual(
        samples=len(took["total"]),
        seconds={stage: median(values) for stage, values in took.items() if values},
    )


def _names(model: str) -> set[str]:
    """A preset goes by its id and by its short name."""
    known = catalogue.preset(model)
    return {model, known.name, known.asked_as} if known else {model}


def _moments(uids: Iterable[str]) -> dict[str, dict[str, datetime]]:
    """When each workspace first had its nodes, first ran its container, first answered."""
    rows = Transition.objects.filter(
        Q(subject__in=("ResourceReady", "InferenceReady"), after="True")
        | Q(subject__startswith="pod/", after="running"),
        workspace_uid__in=list(uids),
    )
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for uid, subject, at in rows.order_by("at", "id").values_list("workspace_uid", "subject", "at"):
        found[uid].setdefault("running" if subject.startswith("pod/") else subject, at)
    return found


def _spans(created: datetime | None, moments: dict[str, datetime]) -> Iterable[tuple[str, float]]:
    noded, running, ready = (
        moments.get(key) for key in ("ResourceReady", "running", "InferenceReady")
    )
    bounds = (
        ("node", created, noded),
        ("image", noded, running),
        ("start", running, ready),
        ("total", created, ready),
    )
    for stage, start, end in bounds:
        if start and end and end >= start:
            yield stage, (end - start).total_seconds()


def first_answer(workspace: Workspace) -> datetime | None:
    """When it first answered; its condition tells only since when it does so without a break."""
    rows = Transition.objects.filter(
        workspace_uid=workspace.uid, subject="InferenceReady", after="True"
    )
    return rows.order_by("at").values_list("at", flat=True).first()


def start_budget_s(workspace: Workspace) -> int | None:
    """How long KAITO lets a vLLM preset start before Kubernetes restarts it."""
    model = catalogue.preset(workspace.model)
    if workspace.recipe != Recipe.PRESET or workspace.runtime != Runtime.VLLM or model is None:
        return None
    low, high = _BUDGET_RANGE_S
    return int(min(max(_BUDGET_S + _BUDGET_PER_GIB_S * model.weights_gib, low), high))
