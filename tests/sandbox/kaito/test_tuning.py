"""Tuning workspaces: Job, pods, logs and conditions, to the end they come to."""

from __future__ import annotations

import base64
import json

import pytest

from sandbox.kaito.failures import FAIL_ANNOTATION
from sandbox.kaito.systems import CONFIGS
from sandbox.resources import CONFIGMAPS, JOBS, PODS, SECRETS, STATEFULSETS, WORKSPACES
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace

URL = "https://example.com/data.json"
IMAGE = "registry.example.com/adapters/phi:1"


def tuning_workspace(preset="phi-4-mini-instruct", **changes):
    tuning = {
        "preset": {"name": preset},
        "method": "lora",
        "input": {"urls": [URL]},
        "output": {"image": IMAGE, "imagePushSecret": "push"},
    }
    workspace = changed(preset_workspace("tune"), {"inference": None, "tuning": tuning})
    return changed(workspace, changes)


def push_secret(host="registry.example.com"):
    config = {"auths": {host: {"auth": "eDp5"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    return {"metadata": {"name": "push", "namespace": "default"}, "data": data}


def stage(*, secret=None, **changes):
    theatre = Theatre()
    for name, key, text in CONFIGS:
        metadata = {"name": name, "namespace": "kaito-workspace"}
        theatre.store.create(CONFIGMAPS, {"metadata": metadata, "data": {key: text}}, manager="x")
    if secret is not None:
        theatre.store.create(SECRETS, secret, manager="test")
    theatre.create(tuning_workspace(**changes))
    return theatre


def job(theatre):
    return theatre.store.get(JOBS, "default", "tune")


def pods(theatre):
    return theatre.store.list(PODS)


def told(theatre):
    status = theatre.workspace("tune")["status"]
    kinds = ("JobStarted", "WorkspaceSucceeded")
    conditions = {each["type"]: each for each in status["conditions"]}
    return [
        status["state"],
        *((conditions[kind]["status"], conditions[kind]["reason"]) for kind in kinds),
    ]


def log_of(theatre, pod, container):
    found = theatre.cluster.logbook.current(pod["metadata"]["uid"], container)
    return [line.text for line in found.lines]


def test_tuning_runs_to_its_end_and_pushes_the_adapter():
    theatre = stage(secret=push_secret())
    seen = []
    for _ in range(80):
        theatre.run(1)
        if theatre.workspace("tune")["status"].get("conditions") and told(theatre) not in seen:
            seen.append(told(theatre))

    assert seen == [
        [
            "Pending",
            ("False", "WorkspaceTuningJobStatusPending"),
            ("False", "workspacePending"),
        ],
        ["Running", ("True", "WorkspaceTuningJobStatusStarted"), ("False", "workspacePending")],
        ["Succeeded", ("True", "WorkspaceTuningJobStatusStarted"), ("True", "workspaceSucceeded")],
    ]
    (pod,) = pods(theatre)
    assert pod["status"]["phase"] == "Succeeded"
    assert [each["state"]["terminated"]["exitCode"] for each in pod["status"]["containerStatuses"]] == [0, 0, 0]  # fmt: skip
    assert job(theatre)["status"]["succeeded"] == 1
    assert [each["type"] for each in job(theatre)["status"]["conditions"]] == ["Complete"]
    assert any("'loss': " in line for line in log_of(theatre, pod, "tune"))
    assert log_of(theatre, pod, "pusher")[-1] == (
        f"Copied [oci-layout] layout:latest => [registry] {IMAGE}"
    )


def test_job_and_pod_are_kaitos():
    theatre = stage(secret=push_secret())
    theatre.run(30)

    found, (pod,) = job(theatre), pods(theatre)
    owner = found["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Workspace", "tune", True)
    assert found["metadata"]["annotations"] == {"workspace.kaito.io/revision": "1"}
    assert [each["name"] for each in pod["spec"]["initContainers"]] == [
        "model-weights-downloader",
        "data-downloader",
    ]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["tune", "pusher", "pause"]
    assert pod["metadata"]["labels"]["kaito.sh/workspace"] == "tune"
    assert theatre.store.get(CONFIGMAPS, "default", "lora-params-template") is not None
    assert theatre.store.list(STATEFULSETS) == []


def test_result_on_a_volume_needs_no_push():
    output = {"volumeSource": {"hostPath": {"path": "/data"}}}
    theatre = stage(**{"tuning.output": output})

    theatre.run(60)

    assert told(theatre)[0] == "Succeeded"
    assert [each["name"] for each in pods(theatre)[0]["spec"]["containers"]] == ["tune"]


FAILED = ["Failed", ("False", "WorkspaceTuningJobStatusFailed"), ("False", "workspaceFailed")]


@pytest.mark.parametrize(
    ("changes", "container", "said"),
    [
        (
            {"tuning.input.urls": ["https://data.invalid/x.json"]},
            "data-downloader",
            "curl: (6) Could not resolve host: data.invalid",
        ),
        (
            {"tuning.input.urls": ["https://example.com/does-not-exist"]},
            "data-downloader",
            "curl: (22) The requested URL returned error: 404",
        ),
        (
            {"tuning.input": {"image": "example.com/data:does-not-exist"}},
            "puller",
            "Error response from registry: failed to resolve example.com/data:does-not-exist: "
            "example.com/data:does-not-exist: not found",
        ),
        (
            {"metadata.annotations": {FAIL_ANNOTATION: "training"}},
            "tune",
            "torch.OutOfMemoryError: CUDA out of memory.",
        ),
        (
            {"tuning.output.image": "registry.invalid/x:1"},
            "pusher",
            'Error response from registry: failed to copy to registry.invalid/x:1: Head "https://'
            'registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host',
        ),
        (
            {"tuning.output.image": "other.example.com/x:1"},
            "pusher",
            "Error response from registry: failed to copy to other.example.com/x:1: unauthorized: "
            "authentication required",
        ),
    ],
)
def test_one_failed_pod_fails_the_workspace(changes, container, said):
    theatre = stage(secret=push_secret(), **changes)

    theatre.run_until(lambda: job(theatre) and job(theatre)["status"].get("failed"))

    failed = next(pod for pod in pods(theatre) if pod["status"]["phase"] == "Failed")
    assert told(theatre) == FAILED
    assert any(line.startswith(said) for line in log_of(theatre, failed, container))


def test_job_tries_again_and_may_succeed_but_the_workspace_stays_failed():
    """KAITO looks at failed pods first."""
    theatre = stage(secret=push_secret("elsewhere.example.com"))
    theatre.run(60)
    before = told(theatre)

    theatre.store.update(SECRETS, push_secret(), manager="test")
    theatre.run(120)

    assert job(theatre)["status"]["succeeded"] == 1
    assert (before, told(theatre)) == (FAILED, FAILED)


def test_deleted_job_is_made_again_and_heals_the_workspace():
    theatre = stage(secret=push_secret("elsewhere.example.com"))
    theatre.run(60)
    theatre.store.update(SECRETS, push_secret(), manager="test")

    theatre.store.delete(JOBS, "default", "tune")
    for pod in pods(theatre):
        theatre.store.delete(PODS, "default", pod["metadata"]["name"], grace_s=0)
    theatre.run(60)

    assert told(theatre)[0] == "Succeeded"


def test_edit_makes_another_job():
    theatre = stage(secret=push_secret())
    theatre.run(60)
    first = job(theatre)["metadata"]["uid"]

    workspace = theatre.workspace("tune")
    workspace["tuning"]["output"]["image"] = "registry.example.com/adapters/phi:2"
    theatre.store.update(WORKSPACES, workspace, manager="test")
    theatre.run(3)
    for pod in pods(theatre):
        theatre.store.delete(PODS, "default", pod["metadata"]["name"], grace_s=0)
    theatre.run(60)

    assert job(theatre)["metadata"]["uid"] != first
    assert job(theatre)["metadata"]["annotations"] == {"workspace.kaito.io/revision": "2"}
    assert told(theatre)[0] == "Succeeded"


def test_hopeless_job_gives_up_at_its_limit():
    theatre = stage(secret=push_secret(), **{"tuning.input.urls": ["https://data.invalid/x"]})

    theatre.run(1500)

    status = job(theatre)["status"]
    assert (status["failed"], status["active"]) == (7, 0)
    assert status["conditions"][0]["reason"] == "BackoffLimitExceeded"


def test_missing_push_secret_leaves_the_pod_waiting_for_its_volume():
    theatre = stage()
    theatre.run(60)
    waiting = told(theatre)[0]

    theatre.store.create(SECRETS, push_secret(), manager="test")
    theatre.run(60)

    said = 'MountVolume.SetUp failed for volume "docker-config" : secret "push" not found'
    assert ("FailedMount", said) in theatre.events(pods(theatre)[0]["metadata"]["name"])
    assert (waiting, told(theatre)[0]) == ("Running", "Succeeded")


def test_preset_without_tuning_never_gets_a_job():
    """A nil pointer in KAITO: nothing is said of it."""
    theatre = stage(secret=push_secret(), preset="llama-3.1-8b-instruct")

    theatre.run(60)

    assert job(theatre) is None
    assert told(theatre)[0] == "Pending"
    assert theatre.condition("ResourceReady", "tune")["status"] == "True"


def test_size_that_kaito_cannot_count_is_a_reconcile_error():
    theatre = stage(secret=push_secret(), **{"resource.instanceType": "Standard_D16s_v5"})

    theatre.run(60)

    message = theatre.condition("JobStarted", "tune")["message"]
    assert "last reconcile error: failed to get GPU config for instance type" in message


def test_restart_in_the_middle_of_a_training_goes_on():
    theatre = stage(secret=push_secret())
    theatre.run_until(
        lambda: any(
            "loss" in line for pod in pods(theatre) for line in log_of(theatre, pod, "tune")
        )
    )
    before = told(theatre)[0]

    theatre.restart()
    theatre.run(40)

    assert (before, told(theatre)[0]) == ("Running", "Succeeded")
    assert len(pods(theatre)) == 1


def test_tuned_adapter_serves_in_a_preset():
    theatre = stage(secret=push_secret())
    theatre.run(60)
    adapters = [{"source": {"name": "mine", "image": IMAGE}}]

    theatre.create(changed(preset_workspace(), {"inference.adapters": adapters}))
    theatre.run(60)

    assert theatre.workspace()["status"]["state"] == "Ready"
    uid = theatre.pod()["metadata"]["uid"]
    assert theatre.cluster.models.get(uid).endswith("/phi-4-mini-instruct%3Bmine")
