"""Settings, broker address, embedded secrets, probes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from clusters.models import Cluster, WatchLease
from kaitoweb import embedded
from kaitoweb.celery import broker_url

GOOD = {
    "SECRET_KEY": "".join(f"{n:02d}ab" for n in range(20)),
    "ALLOWED_HOSTS": "kaitoweb.example",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


SHOW = "print(s.DEBUG, s.SESSION_COOKIE_SECURE, s.SESSION_COOKIE_NAME, s.ALLOWED_HOSTS)"


def load_settings(environment, code=SHOW):
    return subprocess.run(
        [sys.executable, "-c", f"import kaitoweb.settings as s; {code}"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
    )


def test_settings_take_production_from_the_environment():
    assert load_settings(GOOD).stdout == "False True __Host-sessionid ['kaitoweb.example']\n"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_settings_refuse_what_is_missing_by_name(name):
    result = load_settings({k: v for k, v in GOOD.items() if k != name})

    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        f"django.core.exceptions.ImproperlyConfigured: {name} (or {name}_FILE) is not set."
    )


def test_settings_refuse_a_weak_key():
    result = load_settings(GOOD | {"SECRET_KEY": "short"})

    assert result.stderr.splitlines()[-1].endswith(
        "SECRET_KEY is weak: use at least 50 random characters."
    )


def test_settings_read_a_secret_from_a_file(tmp_path):
    (tmp_path / "key").write_text(GOOD["SECRET_KEY"])
    environment = {k: v for k, v in GOOD.items() if k != "SECRET_KEY"}

    result = load_settings(environment | {"SECRET_KEY_FILE": str(tmp_path / "key")})

    assert result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("unix:///run/v.sock", "redis+socket:///run/v.sock"),
        ("redis://h:6379/0", "redis://h:6379/0"),
    ],
)
def test_broker_url_is_spelt_as_kombu_wants_it(given, expected):
    assert broker_url(given) == expected


def test_kept_secret_is_the_same_for_all_who_ask_at_once(tmp_path):
    path, seen = tmp_path / "deep" / "secret", []
    threads = [
        threading.Thread(target=lambda: seen.append(embedded.kept_secret(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(seen) == {path.read_text().strip()}
    assert len(seen) == 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret"]


def test_valkey_socket_moves_where_the_state_folders_path_is_too_long(tmp_path):
    assert embedded.valkey_socket(tmp_path) == tmp_path / "run" / "valkey.sock"

    long = embedded.valkey_socket(tmp_path / ("x" * 100))

    assert len(str(long)) < 100
    assert long != embedded.valkey_socket(tmp_path / ("y" * 100))


def test_healthz_needs_nothing(client):
    assert client.get(reverse("healthz")).content == b"ok\n"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["healthz", "readyz", "metrics"])
def test_probes_answer_to_any_name_and_without_tls(client, settings, name):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["kaitoweb.example"]
    plain = {"headers": {"host": "10.1.2.3:8000"}}

    assert client.get(reverse(name), **plain).status_code in (200, 503)
    assert client.get(reverse("accounts:sign_in"), **plain).status_code == 400


@pytest.mark.django_db
def test_readyz_names_the_part_that_is_not_ready(client, settings):
    settings.REDIS_URL = "unix:///nonexistent.sock"
    Cluster.objects.create(name="old", kind="sandbox", endpoint="http://127.0.0.1:1")
    Cluster.objects.create(
        name="fresh", kind="sandbox", endpoint="x", last_contact_at=timezone.now()
    )

    response = client.get(reverse("readyz"))

    assert response.status_code == 503
    assert json.loads(response.content) == {
        "ready": False,
        "parts": {
            "database": "ok",
            "migrations": "ok",
            "broker": "unreachable: ConnectionError",
            "watcher": "no recent word of 1 cluster",
        },
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "lease_s", "word"),
    [
        ("unreachable", 5, "ok"),
        ("denied", 5, "ok"),
        ("unreachable", -5, "no recent word of 1 cluster"),
        ("ok", 5, "no recent word of 1 cluster"),
        ("unknown", 5, "no recent word of 1 cluster"),
    ],
)
def test_readyz_outlives_a_cluster_that_is_down_as_long_as_somebody_watches_it(
    client, settings, state, lease_s, word
):
    settings.REDIS_URL = "unix:///nonexistent.sock"
    down = Cluster.objects.create(name="down", kind="kubeconfig", endpoint="x", state=state)
    end = timezone.now() + timedelta(seconds=lease_s)
    WatchLease.objects.create(cluster=down, holder="w", token=1, expires_at=end)

    parts = json.loads(client.get(reverse("readyz")).content)["parts"]

    assert parts["watcher"] == word


@pytest.mark.django_db
def test_metrics_count_what_the_database_holds(client):
    cluster = Cluster.objects.create(
        name="aks-secret",
        kind="sandbox",
        endpoint="x",
        last_contact_at=timezone.now() - timedelta(seconds=30),
    )
    cluster.workspaces.create(uid="1", namespace="n", name="w", phase="ready")

    lines = client.get(reverse("metrics")).content.decode().splitlines()

    assert f'kaitoweb_workspaces{{cluster="{cluster.pk}",phase="ready"}} 1.0' in lines
    assert [line for line in lines if cluster.name in line] == []  # anybody may read this
    age = next(line for line in lines if line.startswith("kaitoweb_cluster_contact_age_seconds{"))
    assert 30 <= float(age.split()[-1]) < 35
