"""The documented ways to fail, each as it looks under KAITO."""

from __future__ import annotations

import base64

from sandbox.resources import EVENTS, NODECLAIMS, NODES, PODS, SECRETS, WORKSPACES
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace, template_workspace

H200 = "Standard_ND96isr_H200_v5"
QUOTA_TEXT = (
    "creating instance failed: OperationNotAllowed: Operation could not be completed as it results "
    "in exceeding approved standardNDISRH200V5Family Cores quota. Additional details - Deployment "
    "Model: Resource Manager, Location: eastus, Current Limit: 0, Current Usage: 0, Additional "
    "Required: 96, (Minimum) New Limit Required: 96."
)


def gated_workspace(**changes):
    return changed(preset_workspace(preset="llama-3.1-8b-instruct"), changes)


def secret(token="hf_token"):
    data = {"HF_TOKEN": base64.b64encode(token.encode()).decode()}
    return {"metadata": {"name": "hf", "namespace": "default"}, "data": data}


def waiting(pod):
    return pod["status"]["containerStatuses"][0]["state"].get("waiting", {})


def test_quota_refusal_reaches_the_workspace():
    theatre = Theatre()

    theatre.create(changed(preset_workspace(), {"resource.instanceType": H200}))
    theatre.run(20)

    claim = theatre.store.list(NODECLAIMS)[0]
    launched = next(each for each in claim["status"]["conditions"] if each["type"] == "Launched")
    assert (launched["status"], launched["reason"]) == ("False", "SubscriptionQuotaReached")
    assert launched["message"].startswith(QUOTA_TEXT)
    ready = next(each for each in claim["status"]["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "UnhealthyDependents",
        "Initialized=Unknown, Launched=False, Registered=Unknown",
    )
    for kind in ("NodeClaimReady", "ResourceReady"):
        condition = theatre.condition(kind)
        assert condition["reason"] == "SubscriptionQuotaReached"
        assert condition["message"] == QUOTA_TEXT[:256] + "..."
    assert theatre.condition("NodesReady")["reason"] == "NodeNotReady"
    assert theatre.condition("InferenceReady")["reason"] == "WorkspaceInferenceStatusPending"
    assert theatre.workspace()["status"]["state"] == "Pending"
    assert theatre.store.list(NODES) == []


def test_quota_refusal_is_tried_again_and_counted():
    theatre = Theatre()
    theatre.create(changed(preset_workspace(), {"resource.instanceType": H200}))

    theatre.run(100)

    tries = [each for each in theatre.store.list(EVENTS) if each["reason"] == "LaunchFailed"]
    assert [each["count"] for each in tries] == [4]
    assert tries[0]["message"].startswith(QUOTA_TEXT)
    assert tries[0]["type"] == "Warning"


def test_quota_refusal_leaves_nothing_after_deletion():
    theatre = Theatre()
    theatre.create(changed(preset_workspace(), {"resource.instanceType": H200}))
    theatre.run(20)

    theatre.store.delete(WORKSPACES, "default", "phi")
    theatre.run(5)

    assert theatre.workspace() is None
    assert theatre.store.list(NODECLAIMS) == []


def test_gated_model_without_token_crashes_with_rising_restarts():
    theatre = Theatre()
    theatre.create(gated_workspace())

    theatre.run(28)
    first = theatre.pod()
    theatre.run(40)
    later = theatre.pod()

    where = f"phi-0_default({first['metadata']['uid']})"
    assert waiting(first) == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 20s restarting failed container=phi pod={where}",
    }
    assert first["status"]["phase"] == "Running"
    assert first["status"]["containerStatuses"][0]["restartCount"] == 1
    assert first["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    assert later["status"]["containerStatuses"][0]["restartCount"] == 2
    assert any("401 Client Error: Unauthorized" in line for line in theatre.log())
    assert theatre.condition("InferenceReady")["reason"] == "ContainerCrashLoopBackOff"
    assert theatre.condition("ResourceReady")["status"] == "True"
    assert (
        "BackOff",
        f"Back-off restarting failed container phi in pod {where}",
    ) in theatre.events("phi-0")


def test_gated_model_previous_log_is_kept():
    theatre = Theatre()
    theatre.create(gated_workspace())

    theatre.run(28)

    log = theatre.cluster.logbook.previous(theatre.pod()["metadata"]["uid"], "phi")
    assert any("GatedRepoError" in line.text for line in log.lines)


def test_gated_model_with_its_secret_comes_up():
    theatre = Theatre()
    theatre.store.create(SECRETS, secret(), manager="test")
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}

    theatre.create(gated_workspace(**options))
    theatre.run(60)

    assert theatre.workspace()["status"]["state"] == "Ready"


def test_gated_model_comes_up_once_its_secret_exists():
    theatre = Theatre()
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}
    theatre.create(gated_workspace(**options))
    theatre.run(30)
    crashed = theatre.condition("InferenceReady")["reason"]

    theatre.store.create(SECRETS, secret(), manager="test")
    theatre.run(120)

    assert crashed == "ContainerCrashLoopBackOff"
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_image_that_does_not_exist():
    theatre = Theatre()
    image = "example.azurecr.io/llm:does-not-exist"

    theatre.create(template_workspace(image=image))
    theatre.run_until(lambda: waiting_reason(theatre) == "ErrImagePull")
    first = theatre.pod("bloomz-0")
    theatre.run(15)
    later = theatre.pod("bloomz-0")

    pull = (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to '
        f'resolve reference "{image}": {image}: not found'
    )
    assert waiting(first) == {"reason": "ErrImagePull", "message": pull}
    assert waiting(later) == {
        "reason": "ImagePullBackOff",
        "message": f'Back-off pulling image "{image}": ErrImagePull: {pull}',
    }
    assert later["status"]["phase"] == "Pending"
    assert later["status"]["containerStatuses"][0]["restartCount"] == 0
    assert theatre.condition("InferenceReady", "bloomz")["reason"] == "ImagePullError"
    assert theatre.events("bloomz-0")[1:] == [
        ("Pulling", f'Pulling image "{image}"'),
        ("Failed", f'Failed to pull image "{image}": {pull}'),
        ("Failed", "Error: ErrImagePull"),
        ("BackOff", f'Back-off pulling image "{image}"'),
        ("Failed", "Error: ImagePullBackOff"),
    ]


def waiting_reason(theatre, pod="bloomz-0"):
    found = theatre.pod(pod)
    statuses = (found or {}).get("status", {}).get("containerStatuses")
    return waiting(found).get("reason") if statuses else None


def test_registry_that_does_not_exist():
    theatre = Theatre()

    theatre.create(template_workspace(image="registry.invalid/llm:1"))
    theatre.run(30)

    assert "lookup registry.invalid: no such host" in waiting(theatre.pod("bloomz-0"))["message"]


def test_name_that_begins_with_a_digit_cannot_name_a_service():
    theatre = Theatre()

    theatre.create(template_workspace("7b"))
    theatre.run(30)

    message = theatre.condition("InferenceReady", "7b")["message"]
    assert message.startswith(
        'Inference workload is not ready (last reconcile error: Service "7b" is invalid: '
        'metadata.name: Invalid value: "7b": a DNS-1035 label must'
    )
    assert theatre.store.list(PODS) == []


def test_name_of_more_than_52_characters_gets_no_pods():
    theatre, name = Theatre(), "a" * 53

    theatre.create(template_workspace(name))
    theatre.run(30)

    reason, message = theatre.events(name)[-1]
    assert reason == "FailedCreate"
    assert message.endswith("must be no more than 63 bytes")
    assert theatre.store.list(PODS) == []


def test_missing_secret_key_of_a_template_is_a_config_error():
    theatre = Theatre()
    workspace = template_workspace()
    reference = {"secretKeyRef": {"name": "hf", "key": "token"}}
    main = workspace["inference"]["template"]["spec"]["containers"][0]
    main["env"] = [{"name": "HF_TOKEN", "valueFrom": reference}]
    theatre.create(workspace)
    theatre.run(30)
    missing = waiting(theatre.pod("bloomz-0"))

    theatre.store.create(SECRETS, secret(), manager="test")
    theatre.run(10)

    assert missing == {"reason": "CreateContainerConfigError", "message": 'secret "hf" not found'}
    assert (
        waiting(theatre.pod("bloomz-0"))["message"]
        == "couldn't find key token in Secret default/hf"
    )
    assert theatre.condition("InferenceReady", "bloomz")["reason"] == "ContainerStartError"


def test_gpu_template_on_a_cpu_node_is_unschedulable():
    theatre = Theatre()
    workspace = template_workspace()
    main = workspace["inference"]["template"]["spec"]["containers"][0]
    main["resources"] = {"limits": {"nvidia.com/gpu": "1"}}

    theatre.create(workspace)
    theatre.run(40)

    scheduled = theatre.pod("bloomz-0")["status"]["conditions"][0]
    assert scheduled["reason"] == "Unschedulable"
    assert scheduled["message"] == "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    assert theatre.condition("InferenceReady", "bloomz")["reason"] == "Unschedulable"
    assert theatre.store.list(PODS)[0]["spec"].get("nodeName") is None
