"""The page of workspaces over 10, 1,000 and 10,000 rows: server time, queries, bytes. SQLite, in process."""

from __future__ import annotations

import gzip
import os
import tempfile
import time

from bench.tables import ms, quantile, table

SIZES = (10, 1_000, 10_000)
VISITS = 30


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kaitoweb-bench-") as folder:
        os.environ |= {"KAITOWEB_STATE": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        table(
            "Page of workspaces",
            ["workspaces", "p50", "p95", "queries", "HTML", "compressed", "rows only (htmx)"],
            [_row(size) for size in SIZES],
        )


def _row(size: int) -> list[object]:
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse

    _fill(size)
    person, _ = get_user_model().objects.get_or_create(username="bench", is_staff=True)
    client, address = Client(SERVER_NAME="localhost"), reverse("workspaces:list")
    client.force_login(person)
    if client.get(address).status_code != 200:  # templates are compiled at this first use
        raise SystemExit("The page of workspaces did not answer 200.")
    times = []
    for _ in range(VISITS):
        begun = time.perf_counter()
        response = client.get(address)
        times.append(time.perf_counter() - begun)
    with CaptureQueriesContext(connection) as queries:
        part = client.get(address, headers={"HX-Request": "true"})
    size_kb = len(response.content) / 1000
    return [
        f"{size:,}",
        ms(quantile(times, 0.5)),
        ms(quantile(times, 0.95)),
        len(queries),
        f"{size_kb:.0f} kB",
        f"{len(gzip.compress(response.content)) / 1000:.1f} kB",
        f"{len(gzip.compress(part.content)) / 1000:.1f} kB",
    ]


def _fill(size: int) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from clusters.models import Cluster
    from workspaces.models import Workspace
    from workspaces.types import Phase

    now = timezone.now()
    cluster, _ = Cluster.objects.get_or_create(
        name="bench",
        kind="sandbox",
        endpoint="https://127.0.0.1:1",
        defaults={"last_contact_at": now},
    )
    have = Workspace.objects.count()
    phases = [Phase.READY, Phase.READY, Phase.ON_THE_WAY, Phase.FAILED]
    Workspace.objects.bulk_create(
        [
            Workspace(
                cluster=cluster,
                uid=f"uid-{n}",
                namespace=f"team-{n % 20}",
                name=f"workspace-{n}",
                phase=phases[n % 4],
                phase_since=now,
                headline="Answers prompts",
                recipe="preset",
                model="qwen2.5-coder-7b-instruct",
                instance_type="Standard_NC24ads_A100_v4",
                node_count=1,
                raw={"metadata": {"name": f"workspace-{n}"}, "padding": "x" * 2000},
                created_at=now - timedelta(minutes=n),
                seen_at=now,
            )
            for n in range(have, size)
        ],
        batch_size=500,
    )
