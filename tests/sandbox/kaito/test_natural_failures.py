"""Failures that come of what is wrong with a workspace or its surroundings, and their healing."""

from __future__ import annotations

import base64

import pytest

from sandbox.resources import (
    CONFIGMAPS,
    PODS,
    PVCS,
    SECRETS,
    STATEFULSETS,
    STORAGECLASSES,
    WORKSPACES,
)
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace, template_workspace

MAIN = "inference.template.spec.containers"


def template_with(volume=None, **container):
    workspace = template_workspace()
    spec = workspace["inference"]["template"]["spec"]
    spec["containers"][0] |= container
    if volume is not None:
        spec["volumes"] = [{"name": "models"} | volume]
    return workspace


def claim(name="model-pvc", storage="default"):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec | {"storageClassName": storage},
    }


def storage_class(mode):
    return {
        "metadata": {"name": "default"},
        "provisioner": "disk.csi.azure.com",
        "volumeBindingMode": mode,
    }


def condition(theatre):
    return theatre.condition("InferenceReady", "bloomz")


def state(theatre, name="bloomz"):
    return theatre.workspace(name)["status"]["state"]


def rollout(theatre, name="bloomz"):
    """The documented act after an edit of a template: the set is deleted, and made again."""
    theatre.store.delete(STATEFULSETS, "default", name)
    for pod in theatre.store.list(PODS):
        theatre.store.delete(PODS, "default", pod["metadata"]["name"], grace_s=0)


def test_missing_volume_claim_keeps_the_pod_from_being_placed():
    theatre = Theatre()
    theatre.store.create(STORAGECLASSES, storage_class("Immediate"), manager="test")
    theatre.create(template_with({"persistentVolumeClaim": {"claimName": "model-pvc"}}))
    theatre.run(40)
    told = condition(theatre)

    theatre.store.create(PVCS, claim(), manager="test")
    theatre.run(40)

    assert (told["reason"], told["message"]) == (
        "Unschedulable",
        'pod "bloomz-0" is unschedulable: 0/1 nodes are available: persistentvolumeclaim '
        '"model-pvc" not found.',
    )
    assert theatre.store.list(PVCS)[0]["status"]["phase"] == "Bound"
    assert state(theatre) == "Ready"


def test_volume_claim_without_its_storage_class_stays_pending():
    theatre = Theatre()
    theatre.store.create(PVCS, claim(), manager="test")
    theatre.create(template_with({"persistentVolumeClaim": {"claimName": "model-pvc"}}))
    theatre.run(40)
    told, phase = condition(theatre), theatre.store.list(PVCS)[0]["status"]["phase"]

    theatre.store.create(STORAGECLASSES, storage_class("Immediate"), manager="test")
    theatre.run(60)

    assert phase == "Pending"
    assert told["message"].endswith("pod has unbound immediate PersistentVolumeClaims.")
    assert ("ProvisioningFailed", 'storageclass.storage.k8s.io "default" not found') in (
        theatre.events("model-pvc")
    )
    assert state(theatre) == "Ready"


def test_volume_claim_may_wait_for_its_first_consumer():
    theatre = Theatre()
    theatre.store.create(STORAGECLASSES, storage_class("WaitForFirstConsumer"), manager="test")
    theatre.store.create(PVCS, claim(), manager="test")
    theatre.run(5)
    before = theatre.store.list(PVCS)[0]["status"]["phase"]

    theatre.create(template_with({"persistentVolumeClaim": {"claimName": "model-pvc"}}))
    theatre.run(40)

    bound = theatre.store.list(PVCS)[0]
    assert (before, bound["status"]["phase"]) == ("Pending", "Bound")
    assert bound["spec"]["volumeName"] == f"pvc-{bound['metadata']['uid']}"
    assert state(theatre) == "Ready"


@pytest.mark.parametrize(
    ("volume", "kind", "name"),
    [
        ({"secret": {"secretName": "hf"}}, SECRETS, 'secret "hf" not found'),
        ({"configMap": {"name": "hf"}}, CONFIGMAPS, 'configmap "hf" not found'),
    ],
)
def test_volume_that_cannot_be_mounted(volume, kind, name):
    theatre = Theatre()
    theatre.create(template_with(volume))
    theatre.run(40)
    stuck = theatre.pod("bloomz-0")

    theatre.store.create(kind, {"metadata": {"name": "hf", "namespace": "default"}}, manager="test")
    theatre.run(40)

    waiting = stuck["status"]["containerStatuses"][0]["state"]["waiting"]
    assert (stuck["status"]["phase"], waiting["reason"]) == ("Pending", "ContainerCreating")
    assert ("FailedMount", f'MountVolume.SetUp failed for volume "models" : {name}') in (
        theatre.events("bloomz-0")
    )
    assert state(theatre) == "Ready"


def probe(port=5000, path="/health"):
    return {"httpGet": {"path": path, "port": port}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (probe(path="/healthz"), "Readiness probe failed: HTTP probe failed with statuscode: 404"),
        (probe(port=8080), ":8080: connect: connection refused"),
        ({"tcpSocket": {"port": 8080}}, ":8080: connect: connection refused"),
    ],
)
def test_wrong_readiness_probe_never_becomes_ready_though_the_model_answers(wrong, said):
    theatre = Theatre()
    theatre.create(template_with(readinessProbe=wrong))
    theatre.run(60)
    pod, url = theatre.pod("bloomz-0"), theatre.cluster.models

    status = pod["status"]["containerStatuses"][0]
    assert (status["ready"], status["restartCount"]) == (False, 0)
    assert url.get(pod["metadata"]["uid"]) == "http://models/chat008/bigscience%2Fbloomz-560m"
    assert any(message.endswith(said) for reason, message in theatre.events("bloomz-0") if reason == "Unhealthy")  # fmt: skip
    assert condition(theatre)["reason"] == "WorkspaceInferenceStatusPending"


def test_wrong_probe_heals_by_an_edit_and_a_new_set():
    theatre = Theatre()
    theatre.create(template_with(readinessProbe=probe(port=8080)))
    theatre.run(40)

    edited = template_with()["inference"]
    theatre.store.update(
        WORKSPACES, theatre.workspace("bloomz") | {"inference": edited}, manager="x"
    )
    theatre.run(20)
    before = state(theatre)
    rollout(theatre)
    theatre.run(40)

    assert (before, state(theatre)) == ("Pending", "Ready")


def test_wrong_liveness_probe_restarts_the_container_for_ever():
    theatre = Theatre()
    theatre.create(template_with(livenessProbe=probe(path="/live")))
    theatre.run(80)

    status = theatre.pod("bloomz-0")["status"]["containerStatuses"][0]
    assert status["restartCount"] >= 1
    assert (
        "Killing",
        "Container custom-llm-container failed liveness probe, will be restarted",
    ) in theatre.events("bloomz-0")


def test_server_on_another_port_is_ready_but_the_service_finds_nothing():
    theatre = Theatre()
    line = "python3 /workspace/vllm/inference_api.py --model=org/m --port=8000"
    theatre.create(template_with(args=[], command=["sh", "-c", line], readinessProbe=probe(8000)))

    theatre.run(60)

    pod = theatre.pod("bloomz-0")
    assert pod["status"]["containerStatuses"][0]["ready"] is True
    assert theatre.cluster.models.get(pod["metadata"]["uid"]) is None


@pytest.mark.parametrize(("limit", "is_killed"), [("2Gi", True), ("16Gi", False)])
def test_memory_limit_below_the_weights_kills_the_container(limit, is_killed):
    theatre = Theatre()
    theatre.create(template_with(resources={"limits": {"memory": limit}}))

    theatre.run(40)

    ended = theatre.pod("bloomz-0")["status"]["containerStatuses"][0]["lastState"]
    assert (ended.get("terminated", {}).get("reason") == "OOMKilled") == is_killed


def adapter(name="style", **source):
    return {"source": {"name": name, "image": "example.com/adapters/style:1"} | source}


def with_adapter(**source):
    return changed(preset_workspace(), {"inference.adapters": [adapter(**source)]})


def test_adapter_that_does_not_exist_crash_loops_its_init_container():
    theatre = Theatre()
    theatre.create(with_adapter(image="example.com/adapters/style:does-not-exist"))
    theatre.run(40)
    pod, told = theatre.pod(), theatre.condition("InferenceReady")
    log = theatre.cluster.logbook.previous(pod["metadata"]["uid"], "puller-style")

    workspace = theatre.workspace()
    workspace["inference"]["adapters"] = [adapter()]
    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(5)
    theatre.store.delete(PODS, "default", "phi-0", grace_s=0)
    theatre.run(60)

    init = pod["status"]["initContainerStatuses"][0]
    assert init["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert init["restartCount"] >= 1
    assert pod["status"]["phase"] == "Pending"
    assert told["reason"] == "ContainerCrashLoopBackOff"
    assert 'container "puller-style" is in CrashLoopBackOff' in told["message"]
    assert any("style:does-not-exist: not found" in line.text for line in log.lines)
    assert state(theatre, "phi") == "Ready"


def test_adapter_whose_pull_secret_is_missing():
    theatre = Theatre()
    theatre.create(with_adapter(imagePullSecrets=["registry"]))
    theatre.run(40)

    theatre.store.create(
        SECRETS, {"metadata": {"name": "registry", "namespace": "default"}}, manager="test"
    )
    theatre.run(60)

    said = 'MountVolume.SetUp failed for volume "docker-config-style" : secret "registry" not found'
    assert ("FailedMount", said) in theatre.events("phi-0")
    assert state(theatre, "phi") == "Ready"


def test_adapters_are_served_beside_the_model():
    theatre = Theatre()
    volume = {"persistentVolumeClaim": {"claimName": "model-pvc"}}
    tone = {"source": {"name": "tone", "volumeSource": volume}}
    theatre.store.create(STORAGECLASSES, storage_class("Immediate"), manager="test")
    theatre.store.create(PVCS, claim(), manager="test")
    theatre.create(changed(preset_workspace(), {"inference.adapters": [adapter(), tone]}))

    theatre.run(60)

    assert state(theatre, "phi") == "Ready"
    assert theatre.cluster.models.get(theatre.pod()["metadata"]["uid"]) == (
        "http://models/vllm/phi-4-mini-instruct%3Bstyle%3Btone"
    )


def test_token_that_is_empty_does_not_open_a_gated_model():
    theatre = Theatre()
    data = {"HF_TOKEN": base64.b64encode(b" ").decode()}
    secret = {"metadata": {"name": "hf", "namespace": "default"}, "data": data}
    theatre.store.create(SECRETS, secret, manager="test")
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}

    theatre.create(changed(preset_workspace(preset="llama-3.1-8b-instruct"), options))
    theatre.run(40)

    assert theatre.condition("InferenceReady")["reason"] == "ContainerCrashLoopBackOff"
