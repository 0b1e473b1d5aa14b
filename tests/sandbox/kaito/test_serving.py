"""Which server answers for a pod, and when."""

from __future__ import annotations

import pytest

from sandbox.kaito.serving import Serving, serving_of
from sandbox.resources import EVENTS, SERVICES
from tests.sandbox.kaito.builders import Theatre, changed, preset_workspace, template_workspace

TFS = "accelerate launch /workspace/tfs/inference_api.py --pretrained_model_name_or_path"


@pytest.mark.parametrize(
    ("command", "image", "dialect", "name"),
    [
        (
            "python3 /workspace/vllm/inference_api.py --model=microsoft/phi-4 "
            "--served-model-name=phi-4",
            "kaito-base:0.5.0",
            "vllm",
            "phi-4",
        ),
        (
            f"{TFS} org/Model-7B",
            "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8",
            "chat008",
            "org/Model-7B",
        ),
        (f"{TFS}=org/Model-7B", "x/kaito-base:0.1.1", "chat008", "org/Model-7B"),
        (f"{TFS} 'org/Model-7B'", "x/kaito-base:0.2.0", "tfs", "model-7b"),
        (f"{TFS} /models/mine", "x/kaito-base:0.5.0", "tfs", "mine"),
        (f"{TFS} org/Model-7B", "x/kaito-falcon-7b:0.0.4", "chat008", "org/Model-7B"),
        ("tfs/inference_api.py", "kaito-base:0.0.8", "chat008", "/workspace/tfs/weights"),
    ],
)
def test_server_follows_from_command_and_image(command, image, dialect, name):
    serving = serving_of({"command": ["/bin/sh", "-c", command], "image": image})

    assert (serving.dialect, serving.name) == (dialect, name)


def test_other_programs_are_not_servers():
    assert serving_of({"command": ["nginx"], "image": "nginx:1"}) is None


def test_name_is_one_segment_of_the_url():
    serving = Serving(dialect="chat008", name="org/Model", model_id="org/Model")

    assert serving.url("http://models/") == "http://models/chat008/org%2FModel"


def routes(theatre, pod, times):
    found = []
    for seconds in times:
        theatre.run(seconds)
        found.append(theatre.cluster.models.get(theatre.pod(pod)["metadata"]["uid"]))
    return found


def test_vllm_answers_metrics_while_loading_then_nothing_then_all():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run_until(lambda: theatre.pod() is not None)

    assert routes(theatre, "phi-0", [0, 6, 4, 3]) == [
        None,
        "http://models/vllm-loading/phi-4-mini-instruct",
        None,
        "http://models/vllm/phi-4-mini-instruct",
    ]
    assert theatre.workspace()["status"]["state"] == "Pending"


def test_chat_server_refuses_connections_until_the_model_is_loaded():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run_until(lambda: theatre.pod("bloomz-0") is not None)

    assert routes(theatre, "bloomz-0", [0, 6, 5]) == [
        None,
        None,
        "http://models/chat008/bigscience%2Fbloomz-560m",
    ]
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"


def test_transformers_annotation_gives_the_tfs_server():
    theatre = Theatre()
    annotations = {"kaito.sh/runtime": "transformers"}
    workspace = preset_workspace(preset="qwen2.5-coder-7b-instruct")
    theatre.create(changed(workspace, {"metadata.annotations": annotations}))

    theatre.run(60)

    uid = theatre.pod()["metadata"]["uid"]
    ports = theatre.store.get(SERVICES, "default", "phi")["spec"]["ports"]
    assert theatre.cluster.models.get(uid) == "http://models/tfs/qwen2.5-coder-7b-instruct"
    assert [port["name"] for port in ports] == ["http", "ray", "dashboard"]
    assert theatre.workspace()["status"]["state"] == "Ready"


def test_routes_are_set_again_after_a_restart():
    theatre = Theatre()
    theatre.create(preset_workspace())
    theatre.run(60)
    uid = theatre.pod()["metadata"]["uid"]
    theatre.cluster.models.set(uid, None)

    theatre.restart()
    theatre.run(0)

    assert theatre.cluster.models.get(uid) == "http://models/vllm/phi-4-mini-instruct"


def test_load_balancer_gets_a_documentation_address():
    theatre = Theatre()
    annotations = {"kaito.sh/enablelb": "True"}
    theatre.create(changed(template_workspace(), {"metadata.annotations": annotations}))

    theatre.run(60)

    service = theatre.store.get(SERVICES, "default", "bloomz")
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": "203.0.113.10", "ipMode": "VIP"}]
    assert [reason for reason, _ in theatre.events("bloomz") if "LoadBalancer" in reason] == [
        "EnsuringLoadBalancer",
        "EnsuredLoadBalancer",
    ]
    assert {each["port"] for each in service["spec"]["ports"]} == {80, 6379, 8265}


@pytest.mark.parametrize("value", ["true", "TRUE", "1"])
def test_load_balancer_needs_the_exact_word(value):
    theatre = Theatre()
    annotations = {"kaito.sh/enablelb": value}
    theatre.create(changed(template_workspace(), {"metadata.annotations": annotations}))

    theatre.run(60)

    assert theatre.store.get(SERVICES, "default", "bloomz")["spec"]["type"] == "ClusterIP"


def test_slow_annotation_lengthens_the_download():
    theatre = Theatre()
    annotations = {"sandbox.kaitoweb/extra-download-seconds": "90"}
    theatre.create(changed(preset_workspace(), {"metadata.annotations": annotations}))

    theatre.run(100)
    before = theatre.workspace()["status"]["state"]
    theatre.run(20)

    assert (before, theatre.workspace()["status"]["state"]) == ("Pending", "Ready")


def test_loading_shows_failing_probes():
    theatre = Theatre()
    theatre.create(template_workspace())
    theatre.run(60)

    found = [each for each in theatre.store.list(EVENTS) if each["reason"] == "Unhealthy"]
    ip = theatre.pod("bloomz-0")["status"]["podIP"]
    assert [each["message"] for each in found] == [
        f'Readiness probe failed: Get "http://{ip}:5000/health": dial tcp {ip}:5000: connect: '
        "connection refused"
    ]
    assert found[0]["count"] == 2


def test_init_containers_run_one_after_the_other():
    theatre = Theatre()
    workspace = template_workspace()
    loaders = [{"name": name, "image": "azure-cli:2"} for name in ("login", "download")]
    workspace["inference"]["template"]["spec"]["initContainers"] = loaders
    theatre.create(workspace)
    running = lambda position: (  # noqa: E731
        (theatre.pod("bloomz-0") or {})
        .get("status", {})
        .get("initContainerStatuses", [{}, {}])[position]
        .get("state", {})
    )

    theatre.run_until(lambda: "running" in running(0))
    phase = theatre.pod("bloomz-0")["status"]["phase"]
    second = running(1)
    theatre.run_until(lambda: "running" in running(1))
    first = running(0)
    theatre.run(30)

    assert (phase, second) == ("Pending", {"waiting": {"reason": "PodInitializing"}})
    assert first["terminated"]["reason"] == "Completed"
    assert running(1)["terminated"]["exitCode"] == 0
    assert theatre.workspace("bloomz")["status"]["state"] == "Ready"
