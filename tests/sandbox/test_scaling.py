"""`/scale` of built-in kinds, and of custom ones that declare where their replicas stand."""

import copy

import pytest

from tests.sandbox.widgets import WIDGET_CRD, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio

PATH = "/apis/apps/v1/namespaces/default/statefulsets"
CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def statefulset(api, replicas=2):
    labels = {"b": "2", "a": "1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, "replicas": replicas}
    return (await api.post(PATH, {"metadata": {"name": "s"}, "spec": spec}))[1]


async def test_the_scale_of_a_workload_is_read(api):
    made = await statefulset(api)
    status = made | {"status": {"replicas": 1}}
    _, made = await api.call("PUT", f"{PATH}/s/status", status)

    scale = await api.get(f"{PATH}/s/scale")

    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: made["metadata"][name] for name in kept},
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": "a=1,b=2"},
    }


@pytest.mark.parametrize(
    ("method", "body", "kind"),
    [
        ("PUT", {"metadata": {"name": "s"}, "spec": {"replicas": 5}}, "application/json"),
        ("PATCH", {"spec": {"replicas": 5}}, "application/merge-patch+json"),
        ("PATCH", {"spec": {"replicas": 5}}, "application/strategic-merge-patch+json"),
        ("PATCH", [{"op": "replace", "path": "/spec/replicas", "value": 5}],
         "application/json-patch+json"),
    ],
)  # fmt: skip
async def test_the_scale_of_a_workload_is_set(api, method, body, kind):
    await statefulset(api)

    code, scale = await api.call(method, f"{PATH}/s/scale?fieldManager=m", body, kind=kind)

    obj = await api.get(f"{PATH}/s")
    mine = next(each for each in obj["metadata"]["managedFields"] if each["manager"] == "m")
    assert (code, scale["spec"], obj["spec"]["replicas"]) == (200, {"replicas": 5}, 5)
    assert (mine["subresource"], obj["metadata"]["generation"]) == ("scale", 2)


async def test_zero_is_left_out_as_in_go(api):
    await statefulset(api, replicas=0)

    assert (await api.get(f"{PATH}/s/scale"))["spec"] == {}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"metadata": {"name": "s"}, "spec": {"replicas": -1}}, 422),
        ({"metadata": {"name": "s"}, "spec": {"replicas": "many"}}, 400),
        ({"spec": {"replicas": 1}}, 400),
        ({"metadata": {"name": "s", "resourceVersion": "1"}, "spec": {"replicas": 1}}, 409),
    ],
)
async def test_a_scale_that_cannot_be_is_refused(api, asked, code):
    await statefulset(api)

    got, _ = await api.call("PUT", f"{PATH}/s/scale", asked)

    assert (got, (await api.get(f"{PATH}/s"))["spec"]["replicas"]) == (code, 2)


async def test_a_dry_run_scales_nothing(api):
    await statefulset(api)

    _, scale = await api.merge(f"{PATH}/s/scale?dryRun=All", {"spec": {"replicas": 9}})

    assert scale["spec"] == {"replicas": 9}
    assert (await api.get(f"{PATH}/s"))["spec"]["replicas"] == 2


async def test_a_custom_kind_scales_where_it_says(api):
    before, _ = await api.call("GET", f"{WIDGETS_PATH}/w/scale")
    crd = copy.deepcopy(WIDGET_CRD)
    crd["spec"]["versions"][0]["subresources"]["scale"] = {
        "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.ready",
        "labelSelectorPath": ".status.phase",
    }  # fmt: skip
    await api.merge(f"{CRDS_PATH}/widgets.example.com", {"spec": crd["spec"]})
    await api.post(WIDGETS_PATH, widget(size=3))
    await api.merge(f"{WIDGETS_PATH}/w/status", {"status": {"phase": "app=w"}})

    _, scale = await api.merge(f"{WIDGETS_PATH}/w/scale", {"spec": {"replicas": 4}})
    strategic, _ = await api.call(
        "PATCH", f"{WIDGETS_PATH}/w/scale", {}, kind="application/strategic-merge-patch+json"
    )

    assert (before, strategic) == (404, 415)
    assert (scale["spec"], scale["status"]) == (
        {"replicas": 4}, {"replicas": 0, "selector": "app=w"},
    )  # fmt: skip
    assert (await api.get(f"{WIDGETS_PATH}/w"))["spec"]["size"] == 4


async def test_scale_of_what_is_not_there(api):
    code, answer = await api.call("GET", f"{PATH}/none/scale")

    assert (code, answer["message"]) == (404, 'statefulsets.apps "none" not found')
