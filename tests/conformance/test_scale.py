"""The scale of an object: how many replicas there should be and are, by a path of its own."""

from __future__ import annotations

from tests.conformance.asking import made, owners, patched, refusal
from tests.conformance.widgets import GROUP, widget


def test_scale_reads_as_a_scale(http, widgets, space):
    created = made(http, widgets, widget(replicas=3))
    patched(http, f"{widgets}/w/status", {"status": {"replicas": 2, "selector": "app=w"}})

    scale = http.get(f"{widgets}/w/scale").json()

    metadata = scale.pop("metadata")
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "app=w"},
    }
    assert (metadata["name"], metadata["namespace"]) == ("w", space)
    assert metadata["uid"] == created["metadata"]["uid"]


def test_scale_changes_only_the_replicas(http, widgets):
    made(http, widgets, widget(size=4, replicas=1))

    answer = patched(http, f"{widgets}/w/scale", {"spec": {"replicas": 5}})

    assert (answer.status_code, answer.json()["spec"]) == (200, {"replicas": 5})
    found = http.get(f"{widgets}/w").json()
    assert found["spec"] == {"size": 4, "colour": "red", "replicas": 5}
    assert found["metadata"]["generation"] == 2


def test_a_scale_is_not_negative(http, widgets):
    made(http, widgets, widget(replicas=1))

    answer = patched(http, f"{widgets}/w/scale", {"spec": {"replicas": -1}})

    text = "Invalid value: -1: should be a non-negative integer"
    message = f'Widget.{GROUP} "w" is invalid: .spec.replicas: {text}'
    assert refusal(answer) == (422, "Invalid", message)


def test_who_scales_owns_the_replicas(http, widgets):
    made(http, widgets, widget(replicas=1), fieldManager="maker")

    patched(http, f"{widgets}/w/scale", {"spec": {"replicas": 2}}, fieldManager="scaler")

    found = owners(http.get(f"{widgets}/w").json())
    assert found[("scaler", "Update", "scale")] == {"f:spec": {"f:replicas": {}}}


def test_the_scale_is_discovered_beside_its_kind(http):
    answer = http.get(f"/apis/{GROUP}/v1").json()

    found = {each["name"]: each for each in answer["resources"]}
    assert sorted(found) == ["widgets", "widgets/scale", "widgets/status"]
    assert found["widgets/scale"] == {
        "name": "widgets/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }
