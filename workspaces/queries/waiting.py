"""Deployments that were asked for and have no row yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from accounts import people
from workspaces.models import Operation, Workspace
from workspaces.queries.filtering import Filters
from workspaces.types import OperationKind, OperationStatus

# Between "the API server took it" and "the watcher has seen it".
_UNSEEN_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A wish that has no row yet."""

    id: str
    name: str
    namespace: str
    cluster: str
    person_name: str
    created_at: datetime
    is_accepted: bool
    url: str


def waiting_wishes(person: people.Person, filters: Filters) -> tuple[Waiting, ...]:
    """Deployments that were asked for and are not mirrored yet; they count as on the way."""
    if filters.state not in ("", "on-the-way"):
        return ()
    open_ones = Q(status__in=(OperationStatus.QUEUED, OperationStatus.RUNNING))
    accepted = Q(status=OperationStatus.SUCCEEDED, finished_at__gt=timezone.now() - _UNSEEN_FOR)
    mirrored = Workspace.objects.filter(
        Q(operation_id=OuterRef("id")) | Q(uid=OuterRef("uid")), cluster=OuterRef("cluster")
    )
    wishes = (
        Operation.objects.filter(people.readable(person), open_ones | accepted)
        .filter(~Exists(mirrored), kind=OperationKind.CREATE, cluster__disconnected_at=None)
        .select_related("cluster")
        .only(
            "cluster", "name", "namespace", "person_name", "created_at", "status", "cluster__name"
        )
    )
    if filters.cluster:
        wishes = wishes.filter(cluster__name=filters.cluster)
    if filters.namespace:
        wishes = wishes.filter(namespace=filters.namespace)
    for word in filters.search.split():
        wishes = wishes.filter(
            Q(name__icontains=word) | Q(namespace__icontains=word) | Q(person_name__icontains=word)
        )
    return tuple(_waiting_row(o) for o in wishes.order_by("-created_at")[:20])


def _waiting_row(operation: Operation) -> Waiting:
    return Waiting(
        id=str(operation.id),
        name=operation.name,
        namespace=operation.namespace,
        cluster=operation.cluster.name,
        person_name=operation.person_name,
        created_at=operation.created_at,
        is_accepted=operation.status == OperationStatus.SUCCEEDED,
        url=reverse("workspaces:operation", args=[operation.id]),
    )
