"""What probes and Prometheus ask: is the process alive, is every part ready, what are the numbers.

Anybody may ask, so clusters are counted or numbered and never named; signed-in people find the names on the page Clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from clusters.models import Cluster, ClusterState, WatchLease
from workspaces.models import Operation, Workspace

WATCHER_FRESH = timedelta(seconds=60)
IN_TROUBLE = (ClusterState.UNREACHABLE, ClusterState.DENIED, ClusterState.KAITO_MISSING)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is ready, else 503; the body names each part and what is wrong with it."""
    parts = {name: check() for name, check in _CHECKS.items()}
    ok = all(word == "ok" for word in parts.values())
    return JsonResponse({"ready": ok, "parts": parts}, status=200 if ok else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"unreachable: {type(error).__name__}"
    return "ok"


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"unknown: {type(error).__name__}"
    return f"{len(pending)} not applied" if pending else "ok"


def _broker() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
        ) as client:
            client.ping()
    except redis.RedisError as error:
        return f"unreachable: {type(error).__name__}"
    return "ok"


def _watcher() -> str:
    """Fresh when every connected cluster was heard of within a minute.

    Or is watched in vain: that a cluster is down is its own page's news, and no reason to take the web from everybody.
    """
    now = timezone.now()
    is_watched = Exists(WatchLease.objects.filter(cluster=OuterRef("pk"), expires_at__gte=now))
    try:
        stale = Cluster.objects.filter(disconnected_at=None).exclude(
            Q(last_contact_at__gte=now - WATCHER_FRESH) | Q(is_watched, state__in=IN_TROUBLE)
        )
        count = stale.count()
    except DatabaseError as error:
        return f"unknown: {type(error).__name__}"
    return f"no recent word of {count} cluster{'s' if count > 1 else ''}" if count else "ok"


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "watcher": _watcher,
}


class _Numbers:
    """Collector of what the database counts; asked at each scrape, three queries."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        workspaces = GaugeMetricFamily(
            "kaitoweb_workspaces", "Live workspaces in the mirror", labels=["cluster", "phase"]
        )
        live = Workspace.objects.filter(deleted_at=None).order_by()
        for row in live.values("cluster", "phase").annotate(n=Count("pk")):
            workspaces.add_metric([str(row["cluster"]), row["phase"]], row["n"])
        yield workspaces
        operations = GaugeMetricFamily(
            "kaitoweb_operations", "Operations by status", labels=["status"]
        )
        by_status = Operation.objects.order_by().values_list("status").annotate(n=Count("pk"))
        for status, count in by_status:
            operations.add_metric([status], count)
        yield operations
        age = GaugeMetricFamily(
            "kaitoweb_cluster_contact_age_seconds",
            "Since the watcher last heard of the cluster",
            labels=["cluster"],
        )
        now = timezone.now()
        for cluster in Cluster.objects.filter(disconnected_at=None):
            if cluster.last_contact_at:
                age.add_metric([str(cluster.pk)], (now - cluster.last_contact_at).total_seconds())
        yield age


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    registry = CollectorRegistry()
    registry.register(_Numbers())
    ProcessCollector(registry=registry)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": alive,
    "/readyz": ready,
    "/metrics": metrics,
}
