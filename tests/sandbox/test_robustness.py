"""Whatever a client sends, it gets an answer of the API's kind, and nothing breaks behind it."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.resources import NAMESPACES
from tests.sandbox.widgets import WIDGET_CRD, WIDGETS_PATH, widget
from tests.servers import run_sandbox

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
PLACES = st.sampled_from(
    [
        ("metadata",), ("metadata", "name"), ("metadata", "labels"), ("metadata", "annotations"),
        ("metadata", "finalizers"), ("metadata", "ownerReferences"), ("metadata", "uid"),
        ("metadata", "resourceVersion"), ("metadata", "managedFields"), ("spec",),
        ("spec", "size"), ("spec", "parts"), ("spec", "open"), ("spec", "selector"), ("spec", "tags"),
        ("kind",), ("apiVersion",), ("status",),
    ]
)  # fmt: skip
WAYS = st.sampled_from(
    [
        ("POST", WIDGETS_PATH, "application/json"),
        ("PUT", f"{WIDGETS_PATH}/w", "application/json"),
        ("PATCH", f"{WIDGETS_PATH}/w", "application/merge-patch+json"),
        ("PATCH", f"{WIDGETS_PATH}/w?fieldManager=m&force=true", "application/apply-patch+yaml"),
        ("PATCH", f"{WIDGETS_PATH}/w/status?fieldManager=m", "application/apply-patch+yaml"),
    ]
)


def broken(place, value):
    body = widget(parts=[{"name": "a"}])
    *parents, last = place
    here = body
    for step in parents:
        here = here[step]
    here[last] = value
    return body


@pytest.fixture
def client():
    def prepare(cluster):
        cluster.install_crd(WIDGET_CRD)
        namespace = {"metadata": {"name": "default"}, "spec": {}, "status": {"phase": "Active"}}
        cluster.store.create(NAMESPACES, namespace, manager="test")

    with (
        run_sandbox(kaito=False, prepare=prepare) as sandbox,
        httpx.Client(
            base_url=sandbox.url, headers=sandbox.headers(), verify=sandbox.ssl_context
        ) as made,
    ):
        yield made


@pytest.mark.timeout(30)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(WAYS, PLACES, VALUES)
@example(("POST", WIDGETS_PATH, "application/json"), ("spec", "parts"), [None])
def test_no_body_breaks_the_server(client, way, place, value):
    method, path, kind = way
    content = json.dumps(broken(place, value))

    answer = client.request(method, path, content=content, headers={"Content-Type": kind})
    listed = client.get(WIDGETS_PATH)

    untyped = answer.json().get("message", "").startswith("failed to create typed patch object")
    assert answer.status_code < 500 or untyped, answer.text
    assert listed.status_code == 200


RBAC = "/apis/rbac.authorization.k8s.io/v1"
LABELS = {"app": "a"}
BUILT_IN = {
    f"{RBAC}/clusterroles": {
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    },
    f"{RBAC}/namespaces/default/rolebindings": {
        "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}],
    },
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {"spec": WIDGET_CRD["spec"]},
    "/apis/apps/v1/namespaces/default/deployments": {
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c"}]},
            },
        },
    },
    "/api/v1/namespaces/default/services": {"spec": {"ports": [{"port": 80}], "selector": LABELS}},
    "/api/v1/namespaces/default/secrets": {"data": {"a": "eA=="}, "stringData": {"b": "c"}},
    "/apis/events.k8s.io/v1/namespaces/default/events": {"regarding": {"name": "p"}, "note": "n"},
}  # fmt: skip


def paths_in(value, path=()):
    """Every place in a body, so that each can be broken."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths_in(inner, (*path, key))


def with_value(body, path, value):
    made = json.loads(json.dumps(body))
    here = made
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return made


@pytest.mark.timeout(30)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(sorted(BUILT_IN)), st.data())
def test_no_body_of_a_built_in_kind_breaks_the_server(client, path, data):
    body = {"metadata": {"generateName": "x-"}} | BUILT_IN[path]
    place = data.draw(st.sampled_from(list(paths_in(body))))
    content = json.dumps(with_value(body, place, data.draw(VALUES)))

    answer = client.post(path, content=content)
    listed = client.get(path)

    assert answer.status_code < 500, answer.text
    assert listed.status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [f"{WIDGETS_PATH}?limit=x", f"{WIDGETS_PATH}?watch=1&timeoutSeconds=x",
     f"{WIDGETS_PATH}?limit=²"],
)  # fmt: skip
async def test_a_number_that_is_none_is_a_bad_request(api, path):
    code, status = await api.call("GET", path)

    assert (code, status["reason"]) == (400, "BadRequest")


@pytest.mark.asyncio
async def test_a_fault_of_the_server_is_answered_too(api, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(api.cluster.store, "snapshot_at", fail)

    code, status = await api.call("GET", WIDGETS_PATH)

    assert (code, status["reason"], status["message"]) == (
        500, "InternalError", "Internal error occurred: broken",
    )  # fmt: skip
    assert "could not answer GET" in caplog.text
