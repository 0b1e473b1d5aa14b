"""The watcher with its mirror, a real database and a real API server: the rows become what is there."""

from __future__ import annotations

import contextlib

import pytest

from clusters import services
from clusters.models import Cluster, ClusterKind, ClusterState
from tests.conformance.product import deployed_token, kubeconfig_of, workspace
from tests.conformance.targets import settle, wait_until
from tests.workspaces.conftest import _template, real_database  # noqa: F401 - fixtures
from workspaces.models import Workspace
from workspaces.watcher.supervising import Supervisor

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)


@pytest.fixture
def connected(api, real_database):  # noqa: F811
    """The cluster, watched with the rights of deploy/rbac.yaml."""
    text = kubeconfig_of(api, deployed_token(api))
    made = services.ensure_cluster(
        name="conformance", kind=ClusterKind.KUBECONFIG, kubeconfig_text=text
    )
    with _watched():
        yield made


@contextlib.contextmanager
def _watched():
    supervisor = Supervisor()
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


@pytest.fixture
def team(api):
    return Team(api)


class Team:
    """The Workspaces of one namespace, as the administrator changes and sees them."""

    def __init__(self, api):
        self.api, self.namespace = api, api.namespace()
        self.path = f"/apis/kaito.sh/v1beta1/namespaces/{self.namespace}/workspaces"

    def create(self, name):
        made = self.api.admin.post(self.path, json=workspace(self.namespace, name))
        return made.raise_for_status().json()

    def report(self, name, **conditions):
        """What KAITO would write into the status."""
        shared = {"message": "", "lastTransitionTime": "2026-11-24T12:00:00Z"}
        found = [
            {"type": kind, "status": told, "reason": kind, **shared}
            for kind, told in conditions.items()
        ]
        self.api.admin.patch(
            f"{self.path}/{name}/status",
            json={"status": {"conditions": found}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()

    def delete(self, name):
        self.api.admin.delete(f"{self.path}/{name}").raise_for_status()

    @property
    def there(self):
        items = self.api.admin.get(self.path).raise_for_status().json()["items"]
        return {_key(o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for o in items}

    @property
    def mirrored(self):
        rows = Workspace.objects.filter(namespace=self.namespace, deleted_at=None)
        return {_key(row.uid, row.raw["metadata"]["resourceVersion"]) for row in rows}

    def wait_until_level(self):
        wait_until(lambda: self.mirrored == self.there, 60)


def _key(uid, version):
    return str(uid), version


def test_mirror_follows_a_life(connected, team):
    team.create("one")
    team.create("two")
    wait_until(lambda: len(team.mirrored) == 2)

    team.report("one", ResourceReady="True", InferenceReady="True", WorkspaceSucceeded="True")
    team.delete("two")

    team.wait_until_level()
    phases = Workspace.objects.filter(namespace=team.namespace).values_list("name", "phase")
    assert dict(phases)["one"] == "ready"
    assert len(team.mirrored) == 1


def test_cluster_is_found_well_with_the_documented_rights(connected, team):
    def states():
        return {stream["state"] for stream in Cluster.objects.get().streams.values()}

    wait_until(lambda: states() == {"ok"}, 60)

    cluster = Cluster.objects.get()
    assert cluster.state == ClusterState.OK
    assert team.namespace in cluster.namespaces
    assert cluster.capabilities["kubernetes_version"].startswith("v1.")


def test_mirror_is_level_again_after_its_history_has_expired(api, connected, team):
    for name in ("stays", "goes", "changes"):
        team.create(name)
    team.wait_until_level()

    team.delete("goes")
    api.old_events_gone()
    team.report("changes", ResourceReady="False")
    team.create("comes")

    team.wait_until_level()
    assert len(team.mirrored) == 3


def test_mirror_is_level_after_the_watcher_was_away(api, real_database, team):  # noqa: F811
    text = kubeconfig_of(api, deployed_token(api))
    services.ensure_cluster(name="conformance", kind=ClusterKind.KUBECONFIG, kubeconfig_text=text)
    with _watched():
        for name in ("stays", "goes", "changes"):
            team.create(name)
        team.wait_until_level()
    team.delete("goes")
    team.report("changes", ResourceReady="False")
    team.create("comes")
    api.old_events_gone()

    with _watched():
        team.wait_until_level()

    assert len(team.mirrored) == 3


def test_mirror_keeps_its_rows_while_the_server_is_dead(real_database, apiserver_target):  # noqa: F811
    api, team = apiserver_target, Team(apiserver_target)
    text = kubeconfig_of(api, deployed_token(api))
    services.ensure_cluster(name="conformance", kind=ClusterKind.KUBECONFIG, kubeconfig_text=text)
    with _watched():
        team.create("one")
        team.wait_until_level()
        wait_until(lambda: Cluster.objects.get().state == ClusterState.OK, 60)

        api.server.process.kill()
        wait_until(lambda: Cluster.objects.get().state == ClusterState.UNREACHABLE, 60)
        kept = len(team.mirrored)
        api.server.process.start()
        settle(api.admin)
        team.create("two")
        team.wait_until_level()
        wait_until(lambda: Cluster.objects.get().state == ClusterState.OK, 60)

    assert (kept, len(team.mirrored)) == (1, 2)
