from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from clusters import leases
from clusters.models import Cluster, WatchLease


@pytest.fixture
def cluster():
    return connected()


def connected():
    return Cluster.objects.create(name="one", kind="sandbox", endpoint="http://127.0.0.1:1")


@pytest.mark.django_db
def test_acquire_gives_a_free_lease_to_the_first(cluster):
    assert leases.acquire(cluster, "a") == 1
    assert leases.acquire(cluster, "b") is None


@pytest.mark.django_db
def test_acquire_takes_over_after_the_end_with_a_higher_token(cluster, settings):
    settings.KAITOWEB_LEASE_S = -0.001
    leases.acquire(cluster, "a")

    assert leases.acquire(cluster, "b") == 2


@pytest.mark.django_db
def test_acquire_waits_for_the_end(cluster, settings):
    settings.KAITOWEB_LEASE_S = 0.15
    leases.acquire(cluster, "a")

    assert leases.acquire(cluster, "b") is None
    threading.Event().wait(0.2)
    assert leases.acquire(cluster, "b") == 2


@pytest.mark.django_db
def test_acquire_is_not_held_up_by_a_clock_that_was_put_back(cluster):
    leases.acquire(cluster, "killed")
    WatchLease.objects.update(expires_at=Now() + timedelta(hours=1))

    assert leases.acquire(cluster, "b") == 2


@pytest.mark.django_db
def test_renew_pushes_the_end_on(cluster, settings):
    settings.KAITOWEB_LEASE_S = 0.15
    token = leases.acquire(cluster, "a")
    settings.KAITOWEB_LEASE_S = 60

    assert leases.renew(cluster, "a", token)
    threading.Event().wait(0.2)
    assert leases.acquire(cluster, "b") is None


@pytest.mark.django_db
def test_renew_is_refused_after_a_take_over(cluster, settings):
    settings.KAITOWEB_LEASE_S = -0.001
    former = leases.acquire(cluster, "a")
    settings.KAITOWEB_LEASE_S = 60
    leases.acquire(cluster, "b")

    assert not leases.renew(cluster, "a", former)
    assert not leases.release(cluster, "a", former)
    assert leases.acquire(cluster, "c") is None


@pytest.mark.django_db
def test_release_frees_the_lease_and_keeps_the_number_rising(cluster):
    token = leases.acquire(cluster, "a")

    assert leases.release(cluster, "a", token)
    assert leases.acquire(cluster, "b") == token + 1


@pytest.mark.django_db
def test_holds_follows_the_number(cluster, settings):
    settings.KAITOWEB_LEASE_S = -0.001
    former = leases.acquire(cluster, "a")
    with transaction.atomic():
        assert leases.holds(cluster.pk, former)

    leases.acquire(cluster, "b")

    with transaction.atomic():
        assert not leases.holds(cluster.pk, former)
        assert leases.holds(cluster.pk, former + 1)
        assert not leases.holds(cluster.pk + 1, 1)


@pytest.mark.usefixtures("shared_database")
def test_only_one_of_many_workers_acquires():
    cluster = connected()
    tokens = in_threads(8, lambda n: leases.acquire(cluster, f"worker-{n}"))

    assert sorted(tokens, key=str) == [1, *[None] * 7]
    assert WatchLease.objects.get().token == 1


@pytest.mark.usefixtures("shared_database")
def test_no_take_over_comes_between_the_check_and_the_write(settings):
    """The former holder is inside its writing transaction while another takes over: one of the two waits."""
    cluster = connected()
    settings.KAITOWEB_LEASE_S = -0.001
    former = leases.acquire(cluster, "a")
    checked, seen = threading.Event(), []

    def write(_):
        with transaction.atomic():
            held = leases.holds(cluster.pk, former)
            checked.set()
            threading.Event().wait(0.2)
            seen.append(("written", held, WatchLease.objects.get().token))

    def take_over(_):
        checked.wait(2)
        seen.append(("taken", leases.acquire(cluster, "b")))

    in_threads(2, lambda n: (write, take_over)[n](n))

    assert seen == [("written", True, 1), ("taken", 2)]


def in_threads(count, work):
    results = [None] * count

    def run(n):
        try:
            results[n] = work(n)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="its server ends such a session")
@pytest.mark.django_db
def test_frozen_worker_keeps_its_locks_for_ten_seconds_and_those_that_wait_for_them_give_up_before():
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("10s",)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
