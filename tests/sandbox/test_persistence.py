"""A cluster over restarts: its objects, versions, logs, tokens, certificate."""

import asyncio

import orjson
import pytest

from sandbox.certificates import kept_certificate
from sandbox.clock import Clock
from sandbox.cluster import Cluster
from sandbox.keeping import Keeper, dump, load
from sandbox.kubeconfig import write_kubeconfigs
from sandbox.resources import CONFIGMAPS, PODS
from sandbox.status import StatusError
from tests.sandbox.widgets import WIDGET_CRD, WIDGETS, widget


def restarted(cluster):
    again = Cluster()
    load(again, orjson.loads(dump(cluster.store)))
    return again


def test_objects_come_back_as_they_were(cluster):
    cluster.store.create(WIDGETS, widget(), manager="alice")

    again = restarted(cluster)

    assert again.store.list(WIDGETS) == cluster.store.list(WIDGETS)
    assert again.registry.by_path("example.com", "v1old", "widgets").schema is not None


def test_versions_go_on_rising_and_old_watches_expire(cluster):
    before = cluster.store.version

    again = restarted(cluster)
    created = again.store.create(WIDGETS, widget(), manager="alice")

    assert int(created["metadata"]["resourceVersion"]) > before + 1_000
    with pytest.raises(StatusError) as caught:
        again.store.subscribe(WIDGETS, since=before + 5)
    assert caught.value.code == 410


def test_owners_are_known_again(cluster):
    owner = cluster.store.create(WIDGETS, widget(), manager="alice")
    reference = {"uid": owner["metadata"]["uid"], "name": "w", "kind": "Widget"}
    child = {"metadata": {"name": "c", "namespace": "default", "ownerReferences": [reference]}}
    cluster.store.create(CONFIGMAPS, child, manager="k")

    again = restarted(cluster)
    again.store.delete(WIDGETS, "default", "w")

    assert again.store.list(CONFIGMAPS) == []


def test_objects_of_a_kind_that_is_gone_are_dropped(cluster):
    cluster.store.create(WIDGETS, widget(), manager="alice")
    saved = orjson.loads(dump(cluster.store))
    kinds = [kind for kind in saved["kinds"] if kind["kind"][1] != "customresourcedefinitions"]

    again = Cluster()
    load(again, saved | {"kinds": kinds})

    assert again.store.list(WIDGETS) == []


def test_logs_come_back(cluster, tmp_path):
    cluster.logbook.append("u", "c", "before")
    cluster.logbook.restart("u", "c")
    cluster.logbook.append("u", "c", "after")
    Keeper(cluster, tmp_path).save()

    again = Cluster()
    Keeper(again, tmp_path).restore()

    assert [line.text for line in again.logbook.current("u", "c").lines] == ["after"]
    assert [line.text for line in again.logbook.previous("u", "c").lines] == ["before"]
    assert again.is_restored


def test_what_is_kept_is_for_the_owner_only(cluster, tmp_path):
    Keeper(cluster, tmp_path).save()

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"objects.json": 0o600, "logs.json": 0o600}


def test_nothing_is_written_without_news(cluster, tmp_path):
    keeper = Keeper(cluster, tmp_path)
    keeper.save()
    (tmp_path / "objects.json").unlink()

    keeper.save()
    assert not (tmp_path / "objects.json").exists()
    cluster.store.create(WIDGETS, widget(), manager="alice")
    keeper.save()
    assert (tmp_path / "objects.json").exists()


def test_a_first_start_restores_nothing(tmp_path):
    cluster = Cluster()

    Keeper(cluster, tmp_path).restore()

    assert not cluster.is_restored


@pytest.mark.asyncio
async def test_changes_are_written_while_it_runs(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("sandbox.keeping.EVERY_S", 0.01)
    cluster.keeper = Keeper(cluster, tmp_path)

    async with cluster.running():
        cluster.store.create(WIDGETS, widget(), manager="alice")
        await asyncio.sleep(0.2)

    again = Cluster()
    Keeper(again, tmp_path).restore()
    assert len(again.store.list(WIDGETS)) == 1


@pytest.mark.asyncio
async def test_a_pod_that_was_stopping_is_ended_after_the_restart(cluster):
    pod = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }
    cluster.store.create(PODS, pod, manager="k")
    cluster.store.delete(PODS, "default", "p")

    again = restarted(cluster)
    again.clock = Clock(speed=100)
    async with again.running():
        await asyncio.sleep(0.1)

    assert again.store.list(PODS) == []


def test_the_certificate_stays_the_same(tmp_path):
    path = tmp_path / "certificate.json"

    first = kept_certificate(path)

    assert kept_certificate(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_kubeconfigs_are_written_for_every_user(cluster, tmp_path):
    write_kubeconfigs(tmp_path, "https://127.0.0.1:1234", cluster)

    found = {path.name: orjson.loads(path.read_bytes()) for path in tmp_path.iterdir()}
    tokens = {name: config["users"][0]["user"]["token"] for name, config in found.items()}
    assert tokens == {
        "kubeconfig": cluster.authority.tokens["admin"],
        "kubeconfig-kaitoweb": cluster.authority.tokens["kaitoweb"],
        "kubeconfig-viewer": cluster.authority.tokens["viewer"],
    }
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.asyncio
async def test_a_controller_that_fails_is_started_again(cluster, monkeypatch, caplog):
    monkeypatch.setattr("sandbox.cluster.RESTART_AFTER_S", 0.01)
    runs = []

    async def controller(of):
        runs.append(of)
        if len(runs) == 1:
            raise ValueError("broken")
        await asyncio.Event().wait()

    cluster.controllers.append(controller)
    async with cluster.running():
        await asyncio.sleep(0.1)

    assert runs == [cluster, cluster]
    assert "a controller failed" in caplog.text


def test_a_crd_is_installed_once_and_renewed_when_it_changed(cluster):
    version = cluster.store.version
    cluster.install_crd(WIDGET_CRD)
    unchanged = cluster.store.version

    spec = WIDGET_CRD["spec"] | {"versions": WIDGET_CRD["spec"]["versions"][:1]}
    cluster.install_crd(WIDGET_CRD | {"spec": spec})

    assert unchanged == version
    assert cluster.registry.by_path("example.com", "v1old", "widgets") is None
