"""The Job of a tuning workspace: weights and data in, an adapter out. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/tuning/preset_tuning.go
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.objects import owned
from sandbox.kaito.presets import Preset, find_preset, model_of
from sandbox.kaito.releases import REGISTRY, Release
from sandbox.kaito.statefulsets import affinity

ORAS_IMAGE = "mcr.microsoft.com/oss/v2/oras-project/oras:v1.2.3"
PUSHER_IMAGE = "ghcr.io/oras-project/oras:v1.2.2"
PAUSE_IMAGE = "registry.k8s.io/pause:latest"
MODEL_TAG = "0.2.0"
WEIGHTS = {"name": "model-weights-volume", "mountPath": "/workspace/weights"}
DATA = {"name": "data-volume", "mountPath": "/mnt/data"}
DEFAULT_OUTPUT = "/mnt/results"
PUSHER, PAUSE, DOWNLOADER = "pusher", "pause", "model-weights-downloader"
TOLERATIONS = [
    {"key": "nvidia.com/gpu", "operator": "Equal", "effect": "NoSchedule"},
    {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
]

Raw = dict[str, Any]


def default_config(ws: Raw) -> str:
    return f"{(ws['tuning'].get('method') or '').lower()}-params-template"


def config_name(ws: Raw) -> str:
    return ws["tuning"].get("config") or default_config(ws)


def job(ws: Raw, gpus: int, release: Release) -> Raw:
    name = ws["metadata"]["name"]
    labels = {workspaces.NAME_LABEL: name}
    revision = workspaces.annotation(ws, workspaces.REVISION_ANNOTATION) or "1"
    annotations = {workspaces.REVISION_ANNOTATION: revision}
    template = {"metadata": {"labels": dict(labels)}, "spec": _pod_spec(ws, gpus, release)}
    return {
        "metadata": owned(ws, name, labels=labels, annotations=annotations),
        "spec": {
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "completions": 1,
            "parallelism": 1,
            "suspend": False,
            "template": template,
        },
    }


def _pod_spec(ws: Raw, gpus: int, release: Release) -> Raw:
    output = ws["tuning"]["output"]
    spec: Raw = {
        "restartPolicy": "Never",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "tolerations": [dict(each) for each in TOLERATIONS],
        "initContainers": [_weights_puller(ws), *_data_fetchers(ws)],
        "containers": [_trainer(ws, gpus, release)],
        "volumes": _volumes(ws),
    } | affinity(ws)
    if output.get("image"):
        spec["containers"] += [_pusher(ws), {"name": PAUSE, "image": PAUSE_IMAGE}]
        spec["imagePullSecrets"] = [{"name": output.get("imagePushSecret", "")}]
        spec["shareProcessNamespace"] = True
    return spec


def _trainer(ws: Raw, gpus: int, release: Release) -> Raw:
    amounts = {"nvidia.com/gpu": str(gpus)}
    line = (
        f"cd /workspace/tfs/ && accelerate launch --num_processes={gpus} --num_machines=1 "
        "--machine_rank=0 --gpu_ids=all /workspace/tfs/fine_tuning.py"
    )
    env = [{"name": "PYTORCH_CUDA_ALLOC_CONF", "value": "expandable_segments:True"}]
    return {
        "name": ws["metadata"]["name"],
        "image": release.base_image,
        "command": ["/bin/sh", "-c", line],
        "env": env,
        "ports": [{"containerPort": workspaces.PORT, "protocol": "TCP"}],
        "resources": {"limits": amounts, "requests": dict(amounts)},
        "volumeMounts": [
            {"name": "dshm", "mountPath": "/dev/shm"},  # noqa: S108  a mount point
            WEIGHTS,
            {"name": "config-volume", "mountPath": "/mnt/config"},
            {"name": "results-volume", "mountPath": DEFAULT_OUTPUT},
            DATA,
        ],
    }


def _weights_puller(ws: Raw) -> Raw:
    model = model_of(ws["tuning"]["preset"]["name"])
    image = f"{REGISTRY}/kaito-{model.alias or model.served_name}:{MODEL_TAG}"
    return {
        "name": DOWNLOADER,
        "image": ORAS_IMAGE,
        "command": ["oras", "pull", image, "-o", "/workspace/weights"],
        "volumeMounts": [WEIGHTS],
    }


def _data_fetchers(ws: Raw) -> list[Raw]:
    source = ws["tuning"]["input"]
    if source.get("image"):
        return [
            {
                "name": "puller",
                "image": ORAS_IMAGE,
                "command": ["oras", "pull", source["image"], "-o", "/mnt/data"],
                "volumeMounts": [DATA],
            }
        ]
    if source.get("urls"):
        env = [
            {"name": "DATA_URLS", "value": " ".join(source["urls"])},
            {"name": "DATA_VOLUME_PATH", "value": "/mnt/data"},
        ]
        return [
            {
                "name": "data-downloader",
                "image": "curlimages/curl",
                "command": ["sh", "-c", "/data-downloader.sh"],
                "env": env,
                "volumeMounts": [DATA],
            }
        ]
    return []


def _pusher(ws: Raw) -> Raw:
    output = ws["tuning"]["output"]
    told = {"$manifest": {"sh.kaito.model.name": ws["tuning"]["preset"]["name"]}}
    mounts = [
        {"name": "docker-config", "mountPath": "/root/.docker"},
        {"name": "results-volume", "mountPath": DEFAULT_OUTPUT},
    ]
    return {
        "name": PUSHER,
        "image": PUSHER_IMAGE,
        "command": ["/bin/sh", "-c"],
        "args": [f"/pusher.sh {DEFAULT_OUTPUT} {output['image']} '{json.dumps(told)}'"],
        "volumeMounts": mounts,
    }


def _volumes(ws: Raw) -> list[Raw]:
    source, output = ws["tuning"]["input"], ws["tuning"]["output"]
    volumes: list[Raw] = [
        {"name": "dshm", "emptyDir": {"medium": "Memory"}},
        {"name": "model-weights-volume", "emptyDir": {}},
        {"name": "config-volume", "configMap": {"name": config_name(ws)}},
        {"name": "results-volume"} | (output.get("volumeSource") or {"emptyDir": {}}),
        {"name": "data-volume"} | (source.get("volumeSource") or {"emptyDir": {}}),
    ]
    secrets = source.get("imagePullSecrets") or []
    volumes += [{"name": f"pull-secret-{name}", "secret": {"secretName": name}} for name in secrets]
    if output.get("image"):
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        secret = {"secretName": output.get("imagePushSecret", ""), "items": items}
        volumes.append({"name": "docker-config", "secret": secret})
    return volumes


def trained_model(pod: Raw) -> Preset | None:
    """Of a tuning pod: told by the image that its weights come in."""
    for container in pod["spec"].get("initContainers") or []:
        if container["name"] == DOWNLOADER:
            name = container["command"][2].rpartition("/")[2].partition(":")[0]
            alias = name.removeprefix("kaito-")
            return find_preset(alias) or model_of(alias)
    return None


def pushed_image(pod: Raw) -> str | None:
    for container in pod["spec"]["containers"]:
        if container["name"] == PUSHER:
            return container["args"][0].split(" ")[2]
    return None
