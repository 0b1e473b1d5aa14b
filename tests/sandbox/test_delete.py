"""DELETE over HTTP: options, preconditions, what comes back."""

import pytest

from sandbox.clock import Clock
from sandbox.resources import CONFIGMAPS, PODS
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio

PATH = f"{WIDGETS_PATH}/w"


async def create(api, **metadata):
    body = widget()
    body["metadata"] |= metadata
    return (await api.post(WIDGETS_PATH, body))[1]


async def test_delete_answers_a_status_with_the_uid(api, cluster):
    obj = await create(api)

    code, answer = await api.call("DELETE", PATH)

    assert (code, answer) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": "w",
                "group": "example.com",
                "kind": "widgets",
                "uid": obj["metadata"]["uid"],
            },
        },
    )
    assert cluster.store.list(WIDGETS) == []


async def test_delete_answers_the_object_while_finalizers_hold_it(api):
    await create(api, finalizers=["example.com/wait"])

    code, answer = await api.call("DELETE", PATH)

    assert (code, answer["kind"]) == (200, "Widget")
    assert answer["metadata"]["finalizers"] == ["example.com/wait"]
    assert answer["metadata"]["deletionTimestamp"].endswith("Z")


async def test_removing_the_last_finalizer_removes_the_object(api, cluster):
    await create(api, finalizers=["example.com/wait"])
    await api.call("DELETE", PATH)

    code, _ = await api.merge(PATH, {"metadata": {"finalizers": None}})

    assert code == 200
    assert cluster.store.list(WIDGETS) == []


async def test_delete_of_another_uid_is_a_conflict(api, cluster):
    obj = await create(api)

    code, answer = await api.call("DELETE", PATH, {"preconditions": {"uid": "older"}})

    assert (code, answer["reason"]) == (409, "Conflict")
    assert answer["message"] == (
        'Operation cannot be fulfilled on Widget.example.com "w": the UID in the precondition '
        f"(older) does not match the UID in record ({obj['metadata']['uid']}). The object might "
        "have been deleted and then recreated"
    )
    assert len(cluster.store.list(WIDGETS)) == 1


async def test_delete_of_nothing_is_not_found(api):
    code, answer = await api.call("DELETE", PATH)

    assert (code, answer["message"]) == (404, 'widgets.example.com "w" not found')
    assert answer["details"] == {"name": "w", "group": "example.com", "kind": "widgets"}


@pytest.mark.parametrize(("query", "body"), [("?dryRun=All", None), ("", {"dryRun": ["All"]})])
async def test_dry_run_deletes_nothing(api, cluster, query, body):
    await create(api)

    code, _ = await api.call("DELETE", PATH + query, body)

    assert code == 200
    assert len(cluster.store.list(WIDGETS)) == 1


async def test_a_body_makes_the_query_count_for_nothing(api, cluster):
    await create(api)

    await api.call("DELETE", f"{PATH}?dryRun=All", {"propagationPolicy": "Background"})

    assert cluster.store.list(WIDGETS) == []


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Orphan", 1), ("Foreground", 0)])
async def test_propagation_decides_over_dependents(api, cluster, policy, left):
    owner = await create(api)
    reference = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w",
                 "uid": owner["metadata"]["uid"]}  # fmt: skip
    child = {"metadata": {"name": "c", "namespace": "default", "ownerReferences": [reference]}}
    cluster.store.create(CONFIGMAPS, child, manager="test")

    await api.call("DELETE", PATH, {"propagationPolicy": policy})

    assert len(cluster.store.list(CONFIGMAPS)) == left
    assert cluster.store.list(WIDGETS) == []


async def test_an_unknown_propagation_is_invalid(api):
    await create(api)

    code, answer = await api.call("DELETE", PATH, {"propagationPolicy": "Sideways"})

    assert (code, answer["details"]["causes"][0]["field"]) == (422, "propagationPolicy")


async def test_a_collection_is_deleted_as_selected(api, cluster):
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        body = widget(name, colour=colour)
        body["metadata"]["labels"] = {"colour": colour}
        await api.post(WIDGETS_PATH, body)

    dry, _ = await api.call("DELETE", f"{WIDGETS_PATH}?labelSelector=colour%3Dred&dryRun=All")
    kept = len(cluster.store.list(WIDGETS))
    code, answer = await api.call("DELETE", f"{WIDGETS_PATH}?labelSelector=colour%3Dred")

    assert (dry, kept, code, answer["kind"]) == (200, 3, 200, "WidgetList")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in cluster.store.list(WIDGETS)] == ["b"]


async def test_namespaces_are_not_deleted_by_the_dozen(api):
    code, answer = await api.call("DELETE", "/api/v1/namespaces")

    assert (code, answer["reason"]) == (405, "MethodNotAllowed")


async def test_a_running_pod_terminates_for_a_moment(api, cluster):
    cluster.clock = Clock(speed=100)
    pod = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "n", "containers": []},
        "status": {"phase": "Running"},
    }
    cluster.store.create(PODS, pod, manager="k")
    events = cluster.store.subscribe(PODS)

    _, answer = await api.call("DELETE", "/api/v1/namespaces/default/pods/p")

    assert answer["metadata"]["deletionGracePeriodSeconds"] == 30
    assert [(await anext(events)).type, (await anext(events)).type] == ["MODIFIED", "DELETED"]
