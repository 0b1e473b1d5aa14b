from __future__ import annotations

import pytest

from playground import routes
from tests.workspaces import builders as b

pytestmark = pytest.mark.django_db


def owned(workspace, *, uid=None, kind="Workspace", **spec):
    raw = b.raw_service(workspace.name, workspace.namespace)
    raw["metadata"]["ownerReferences"] = [
        {"kind": kind, "name": workspace.name, "uid": uid or workspace.uid}
    ]
    raw["spec"] |= spec
    return raw


@pytest.fixture
def workspace():
    return b.make_workspace(story="new", namespace="team-a", name="phi-4")


def served(workspace, *raws):
    for raw in raws:
        b.make_dependent(workspace.cluster, raw, workspace=workspace.name)
    found = routes.route_to(workspace)
    return found and (found.namespace, found.service)


def test_route_leads_to_the_service_that_the_workspace_owns(workspace):
    assert served(workspace, owned(workspace)) == ("team-a", "phi-4")


@pytest.mark.parametrize(
    "raw",
    [
        lambda w: b.raw_service(w.name, w.namespace),
        lambda w: owned(w, uid="uid-of-another"),
        lambda w: owned(w, kind="Deployment"),
        lambda w: owned(w, clusterIP="None"),
        lambda w: owned(w, ports=[{"name": "ray", "port": 6379}]),
        lambda w: {**owned(w), "metadata": {**owned(w)["metadata"], "name": "kubernetes"}},
        lambda w: {**owned(w), "metadata": {**owned(w)["metadata"], "namespace": "kube-system"}},
    ],
)
def test_route_leads_to_no_other_service(workspace, raw):
    assert served(workspace, raw(workspace)) is None


def test_route_takes_no_service_of_another_cluster(workspace):
    b.make_dependent(b.make_cluster(name="other"), owned(workspace))

    assert routes.route_to(workspace) is None


def test_route_changes_its_key_with_the_pod(workspace):
    first, second = (b.raw_pod(workspace.name, number=n) for n in (0, 1))
    rows = [b.make_dependent(workspace.cluster, raw) for raw in (second, first)]
    b.make_dependent(workspace.cluster, owned(workspace))

    assert routes.route_to(workspace).serving == (workspace.uid, rows[1].uid)
    rows[1].delete()
    assert routes.route_to(workspace).serving == (workspace.uid, rows[0].uid)
    rows[0].delete()
    assert routes.route_to(workspace).serving == (workspace.uid, "")


def test_route_knows_a_handful_of_paths(workspace):
    b.make_dependent(workspace.cluster, owned(workspace))
    route = routes.route_to(workspace)

    assert route.path("/v1/models") == (
        "/api/v1/namespaces/team-a/services/phi-4:http/proxy/v1/models"
    )


@pytest.mark.parametrize(
    "wanted", ["", "/", "/metrics", "/v1/models/", "/v1/../chat", "/chat?x=1", "//chat", "chat"]
)
def test_route_refuses_other_paths(workspace, wanted):
    b.make_dependent(workspace.cluster, owned(workspace))

    with pytest.raises(ValueError, match="not a path"):
        routes.route_to(workspace).path(wanted)


def test_route_costs_one_query(workspace, django_assert_num_queries):
    b.make_dependent(workspace.cluster, owned(workspace))

    with django_assert_num_queries(1):
        routes.route_to(workspace)
