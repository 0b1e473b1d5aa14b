"""Where the whole cluster is denied: the watcher follows the namespaces that are not, one by one."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from clusters import leases, services
from clusters.models import Cluster, ClusterKind, ClusterState, WatchLease
from clusters.targets import PODS, WORKSPACES
from sandbox.kubeconfig import kubeconfig
from sandbox.resources import NAMESPACES
from tests.faults import matrix
from tests.faults.matrix import QUICK, kind_of, running_field, wait_for, workspace
from tests.workspaces.conftest import _template, real_database  # noqa: F401 - fixtures
from workspaces.models import Workspace
from workspaces.watcher import errands, following, pulse
from workspaces.watcher.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("real_database"), *matrix.MARKS]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
TEAMS = ("team-a", "team-b", "team-c")
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def _shared():
    with running_field() as made:
        made.sandbox.call(_add_teams)
        yield made


def _add_teams(cluster):
    for name in TEAMS:
        cluster.store.create(NAMESPACES, {"metadata": {"name": name}}, manager="test")


@pytest.fixture
def ground(_shared, monkeypatch):
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    monkeypatch.setattr(pulse, "PULSE_S", 0.1)
    monkeypatch.setattr(errands, "ERRANDS_S", 0.1)
    monkeypatch.setattr(following, "SCOPE_S", 0.1)
    _shared.heal()
    return _shared


class Account:
    """A service account whose rights are given and taken over the API."""

    def __init__(self, admin):
        self.admin, self.name = admin, f"account-{next(_numbers)}"
        made = admin.post(
            "/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": self.name}}
        )
        assert made.status_code == 201
        path = f"/api/v1/namespaces/default/serviceaccounts/{self.name}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        self.token = admin.post(path, json=request).json()["status"]["token"]

    def allow(self, namespace="", rule=ALL, mark=""):
        kind, base = ("Role", f"{RBAC}/namespaces/{namespace}/role") if namespace else ("ClusterRole", f"{RBAC}/clusterrole")  # fmt: skip
        metadata = {"name": self.name + mark}
        reference = {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind,
            "name": self.name + mark,
        }
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": "default"}
        role = {"metadata": metadata, "rules": [rule]}
        binding = {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
        for path, body in ((f"{base}s", role), (f"{base}bindings", binding)):
            assert self.admin.post(path, json=body).status_code == 201

    def deny(self, namespace):
        path = f"{RBAC}/namespaces/{namespace}/rolebindings/{self.name}"
        assert self.admin.delete(path).status_code == 200


@pytest.fixture
def account(ground):
    sandbox = ground.sandbox
    with httpx.Client(
        base_url=sandbox.url, headers=sandbox.headers(), verify=sandbox.ssl_context
    ) as admin:
        made = Account(admin)
        listing = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}
        made.allow(rule=listing, mark="-names")
        yield made


def create(ground, *places):
    """Workspaces at "namespace/name"."""

    def act(cluster):
        for place in places:
            namespace, name = place.split("/")
            made = workspace(name)
            made["metadata"]["namespace"] = namespace
            cluster.store.create(kind_of(cluster), made, manager="test")

    ground.sandbox.call(act)


def delete(ground, place):
    namespace, name = place.split("/")
    ground.sandbox.call(lambda c: c.store.delete(kind_of(c), namespace, name))


def places():
    there = Workspace.objects.filter(deleted_at=None).values_list("namespace", "name")
    return sorted("/".join(place) for place in there)


@contextmanager
def session(ground, account, timing=QUICK):
    authority = ground.sandbox.cluster.certificate.authority_pem
    text = kubeconfig(ground.endpoint, "account", account.token, authority)
    cluster = services.ensure_cluster(name="field", kind=ClusterKind.SANDBOX, kubeconfig_text=text)
    WatchLease.objects.update(expires_at=None)
    made = Session(cluster, leases.acquire(cluster, "test"), (WORKSPACES, PODS), timing)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.join(3)


def told(running):
    running.write_health()
    return Cluster.objects.get()


def sees(running, *namespaces):
    stream = told(running).streams["workspaces"]
    return (stream.get("namespaces", []), stream["state"]) == (list(namespaces), "ok")


def test_only_allowed_namespaces_are_followed_and_said(ground, account):
    create(ground, "team-a/one", "team-b/two", "team-c/hidden")
    account.allow("team-a")
    account.allow("team-b")
    with session(ground, account) as running:
        wait_for(lambda: sees(running, "team-a", "team-b"))
        assert places() == ["team-a/one", "team-b/two"]
        assert told(running).state == ClusterState.OK
        create(ground, "team-b/three")
        wait_for(lambda: "team-b/three" in places())
        delete(ground, "team-a/one")
        wait_for(lambda: places() == ["team-b/three", "team-b/two"])


def test_namespace_that_is_allowed_later_is_picked_up(ground, account):
    create(ground, "team-a/one", "team-b/two")
    account.allow("team-a")
    with session(ground, account) as running:
        wait_for(lambda: sees(running, "team-a"))
        account.allow("team-b")
        wait_for(lambda: sees(running, "team-a", "team-b"))
        assert places() == ["team-a/one", "team-b/two"]


def test_namespace_that_is_denied_later_keeps_its_rows(ground, account):
    """What is not seen is not gone; a list of one namespace sweeps no other."""
    create(ground, "team-a/one", "team-b/two")
    account.allow("team-a")
    account.allow("team-b")
    with session(ground, account) as running:
        wait_for(lambda: sees(running, "team-a", "team-b"))
        account.deny("team-b")
        wait_for(lambda: sees(running, "team-a"))
        delete(ground, "team-b/two")
        delete(ground, "team-a/one")
        wait_for(lambda: places() == ["team-b/two"])


def test_whole_cluster_is_followed_once_it_is_allowed(ground, account):
    create(ground, "team-a/one", "team-c/hidden")
    account.allow("team-a")
    with session(ground, account) as running:
        wait_for(lambda: sees(running, "team-a"))
        account.allow(mark="-all")
        wait_for(lambda: sees(running))
        wait_for(lambda: places() == ["team-a/one", "team-c/hidden"])


def test_many_namespaces_are_listed_in_turn(ground, account, monkeypatch):
    monkeypatch.setattr(following, "NAMESPACES_WATCHED", 1)
    create(ground, "team-a/one", "team-b/two")
    account.allow("team-a")
    account.allow("team-b")
    with session(ground, account, replace(QUICK, turn_s=0.2)) as running:
        wait_for(lambda: sees(running, "team-a", "team-b"))
        create(ground, "team-b/three")
        wait_for(lambda: places() == ["team-a/one", "team-b/three", "team-b/two"])
        assert told(running).streams["workspaces"]["polling"] is True


def test_cluster_that_allows_nothing_is_denied(ground, account):
    with session(ground, account) as running:
        wait_for(lambda: told(running).state == ClusterState.DENIED)
        assert "namespaces" not in told(running).streams["workspaces"]
        account.allow("default")
        create(ground, "default/one")
        wait_for(lambda: sees(running, "default"))
        assert places() == ["default/one"]
