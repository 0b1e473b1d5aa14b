"""Which worker watches a cluster: a row with an end and a number that rises with each take-over.

Only conditional UPDATEs, and the database's clock wherever two workers are compared. Two holders at once for
a moment would be wasteful, not wrong: the former one's writes are fenced out by its number.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from clusters.models import Cluster, WatchLease


class Lost(Exception):
    """Another worker has taken the lease; whoever holds this number must not write."""


def acquire(cluster: Cluster, holder: str) -> int | None:
    """Take the lease if nobody has it or its end has passed; the new number, or None."""
    WatchLease.objects.get_or_create(cluster=cluster)
    # An end that no lease reaches was set before the clock was put back.
    free = Q(expires_at=None) | Q(expires_at__lt=Now()) | Q(expires_at__gt=_end(2))
    with transaction.atomic():
        lease = WatchLease.objects.filter(free, cluster=cluster)
        if not lease.update(holder=holder, token=F("token") + 1, expires_at=_end()):
            return None
        return WatchLease.objects.values_list("token", flat=True).get(cluster=cluster)


def renew(cluster: Cluster, holder: str, token: int) -> bool:
    """Push the end on; False if another holder came in between."""
    return bool(_held(cluster, holder, token).update(expires_at=_end()))


def release(cluster: Cluster, holder: str, token: int) -> bool:
    """Give it up, so that another need not wait for its end. The number stays."""
    return bool(_held(cluster, holder, token).update(holder="", expires_at=None))


def holds(cluster_id: int, token: int) -> bool:
    """Whether `token` is still the lease's number. Call it first in the transaction that writes:

    the row stays locked until its end, so nobody takes over between the check and the commit.
    """
    lease = WatchLease.objects.select_for_update().filter(cluster_id=cluster_id, token=token)
    return lease.values_list("token", flat=True).first() is not None


def _held(cluster: Cluster, holder: str, token: int) -> QuerySet[WatchLease]:
    return WatchLease.objects.filter(cluster=cluster, holder=holder, token=token)


def _end(lives: int = 1) -> ExpressionWrapper:
    life = timedelta(seconds=settings.KAITOWEB_LEASE_S)
    return ExpressionWrapper(Now() + lives * life, output_field=DateTimeField())
