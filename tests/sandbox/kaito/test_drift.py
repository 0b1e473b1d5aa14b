"""Somebody with kubectl changes what KAITO made: what is put right, and what stays wrong."""

from __future__ import annotations

import pytest

from sandbox.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    NODECLAIMS,
    PODS,
    SERVICES,
    STATEFULSETS,
    WORKSPACES,
)
from tests.sandbox.kaito.builders import Theatre, preset_workspace, template_workspace

FINALIZER = "workspace.finalizer.kaito.sh"


@pytest.fixture
def ready():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(40)
    return theatre


def state(theatre):
    return theatre.workspace()["status"]["state"]


def scale(theatre, replicas, name="phi"):
    owner = theatre.store.get(STATEFULSETS, "default", name)
    owner["spec"]["replicas"] = replicas
    theatre.store.update(STATEFULSETS, owner, manager="kubectl")


def end(theatre, name):
    theatre.store.delete(PODS, "default", name, grace_s=0)


def edit(theatre, change, resource=WORKSPACES, name="phi", namespace="default"):
    obj = theatre.store.get(resource, namespace, name)
    change(obj)
    return theatre.store.update(resource, obj, manager="kubectl")


def test_scaled_to_nothing_counts_as_ready(ready):
    """KAITO compares two numbers, and never sets the replicas right."""
    scale(ready, 0)
    ready.run(2)
    end(ready, "phi-0")
    ready.run(30)

    assert ready.pod() is None
    assert ready.condition("InferenceReady")["status"] == "True"
    assert state(ready) == "Ready"
    assert ready.store.get(STATEFULSETS, "default", "phi")["spec"]["replicas"] == 0


def test_scaled_to_two_waits_for_a_gpu_and_scaled_back_is_well(ready):
    scale(ready, 2)
    ready.run(20)
    reason, between = ready.condition("InferenceReady")["reason"], state(ready)

    scale(ready, 1)
    ready.run(5)

    assert (reason, between) == ("Unschedulable", "NotReady")
    assert state(ready) == "Ready"


def test_set_that_is_deleted_is_made_again_with_its_replicas(ready):
    scale(ready, 0)
    ready.run(2)
    end(ready, "phi-0")
    ready.store.delete(STATEFULSETS, "default", "phi")
    ready.run(40)

    assert ready.store.get(STATEFULSETS, "default", "phi")["spec"]["replicas"] == 1
    assert state(ready) == "Ready"


@pytest.mark.parametrize(
    ("resource", "name"),
    [(SERVICES, "phi"), (SERVICES, "phi-headless"), (STATEFULSETS, "phi")],
)
def test_deleted_object_is_made_again(ready, resource, name):
    before = ready.store.get(resource, "default", name)["metadata"]["uid"]

    ready.store.delete(resource, "default", name)
    ready.run(15)

    assert ready.store.get(resource, "default", name)["metadata"]["uid"] != before


def test_deleted_revision_is_made_again(ready):
    (revision,) = ready.store.list(CONTROLLERREVISIONS)

    ready.store.delete(CONTROLLERREVISIONS, "default", revision["metadata"]["name"])
    ready.run(5)

    (made,) = ready.store.list(CONTROLLERREVISIONS)
    assert made["metadata"]["name"] == revision["metadata"]["name"]


def test_edited_service_is_left_as_it_is(ready):
    edit(ready, lambda service: service["spec"]["ports"].pop(), SERVICES)
    ready.run(10)

    assert [port["name"] for port in ready.store.get(SERVICES, "default", "phi")["spec"]["ports"]] == ["http", "ray", "dashboard"]  # fmt: skip


def test_removed_finalizer_and_annotations_come_back(ready):
    def strip(workspace):
        workspace["metadata"].update(finalizers=[], annotations={"mine": "1"})

    edit(ready, strip)
    ready.run(2)

    metadata = ready.workspace()["metadata"]
    assert metadata["finalizers"] == [FINALIZER]
    assert sorted(metadata["annotations"]) == [
        "mine",
        "workspace.kaito.io/hash",
        "workspace.kaito.io/revision",
    ]


def test_finalizer_of_somebody_else_holds_the_workspace(ready):
    edit(ready, lambda workspace: workspace["metadata"]["finalizers"].append("example.com/hold"))
    ready.store.delete(WORKSPACES, "default", "phi")
    ready.run(20)
    held = ready.workspace()

    edit(ready, lambda workspace: workspace["metadata"].update(finalizers=[]))

    assert held["metadata"]["finalizers"] == ["example.com/hold"]
    assert held["status"]["conditions"][-1]["type"] == "WorkspaceDeleting"
    assert ready.workspace() is None


def test_claim_that_loses_its_labels_is_replaced_and_stays_behind(ready):
    (claim,) = ready.store.list(NODECLAIMS)
    name = claim["metadata"]["name"]

    edit(ready, lambda found: found["metadata"]["labels"].pop("kaito.sh/workspace"), NODECLAIMS, name, None)  # fmt: skip
    edit(ready, lambda workspace: workspace["metadata"].update(labels={"look": "again"}))
    ready.run(30)

    names = [each["metadata"]["name"] for each in ready.store.list(NODECLAIMS)]
    assert len(names) == 2
    assert name in names


def test_pod_that_loses_its_label_is_let_go_and_blocks_its_name(ready):
    edit(ready, lambda pod: pod["metadata"]["labels"].pop("kaito.sh/workspace"), PODS, "phi-0")
    ready.run(5)
    orphan, told = ready.pod(), ready.events("phi")

    end(ready, "phi-0")
    ready.run(60)

    assert not orphan["metadata"].get("ownerReferences")
    said = 'create Pod phi-0 in StatefulSet phi failed error: pods "phi-0" already exists'
    assert ("FailedCreate", said) in told
    assert ready.store.get(STATEFULSETS, "default", "phi")["status"]["readyReplicas"] == 1
    assert state(ready) == "Ready"


def test_status_that_somebody_writes_is_written_over(ready):
    workspace = ready.workspace()
    workspace["status"]["state"] = "Pending"
    workspace["status"]["conditions"] = []
    ready.store.update(WORKSPACES, workspace, manager="kubectl", subresource="status")
    ready.run(2)

    assert state(ready) == "Ready"
    assert ready.condition("InferenceReady")["status"] == "True"


def test_operator_scaled_to_nothing_heals_nothing_until_it_is_back(ready):
    operator = {
        "metadata": {"name": "kaito-workspace", "namespace": "kaito-workspace"},
        "spec": {"replicas": 0, "selector": {}, "template": {"metadata": {}, "spec": {}}},
    }
    ready.store.create(DEPLOYMENTS, operator, manager="kubectl")
    ready.store.delete(SERVICES, "default", "phi")
    ready.run(40)
    missing = ready.store.get(SERVICES, "default", "phi")

    edit(ready, lambda found: found["spec"].update(replicas=1), DEPLOYMENTS, "kaito-workspace", "kaito-workspace")  # fmt: skip
    ready.run(40)

    assert missing is None
    assert ready.store.get(SERVICES, "default", "phi") is not None


def test_load_balancer_is_only_asked_for_when_the_service_is_made(ready):
    edit(ready, lambda workspace: workspace["metadata"]["annotations"].update({"kaito.sh/enablelb": "True"}))  # fmt: skip
    ready.run(5)
    before = ready.store.get(SERVICES, "default", "phi")["spec"]["type"]

    ready.store.delete(SERVICES, "default", "phi")
    ready.run(10)

    assert before == "ClusterIP"
    assert ready.store.get(SERVICES, "default", "phi")["status"]["loadBalancer"]["ingress"]


def test_template_set_is_scaled_like_any_other():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run(40)

    scale(theatre, 2, "bloomz")
    theatre.run(40)

    assert [pod["status"]["phase"] for pod in theatre.store.list(PODS)] == ["Running"] * 2
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"
