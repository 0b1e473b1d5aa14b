"""The pod of a preset, as KAITO 0.12 writes it. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/inference/preset_inferences.go
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sandbox.kaito import adapters, oldpodspecs, workspaces
from sandbox.kaito.presets import Preset, Sku, machine
from sandbox.kaito.releases import CURRENT, Release

WEIGHTS = "/workspace/weights"
LOCAL_WEIGHTS_ROOT = "/opt/kaito/models"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"
BENCHMARK = "/workspace/vllm/benchmark_entrypoint.py"
HEALTH_CHECK = "python3 /workspace/vllm/multi-node-health-check.py"

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a workload is built for: the release that builds it, and the GPUs of a node."""

    release: Release = CURRENT
    sku: Sku

    @classmethod
    def of(cls, ws: Raw, release: Release = CURRENT) -> Ground:
        """On nodes that KAITO makes."""
        return cls(release=release, sku=machine(workspaces.instance_type(ws)))


def preset_pod_spec(ws: Raw, ground: Ground) -> Raw:
    """Without affinity and tolerations, which templates have too."""
    spec: Raw = {
        "containers": [_main_container(ws, ground)],
        "volumes": [volume for volume, _ in _volumes(ws, ground.release)]
        + adapters.secret_volumes(ws),
    }
    pullers = adapters.pullers(ws)
    if not ground.release.has_hub_models:
        pullers = [*oldpodspecs.weights_pullers(ws), *pullers]
    if pullers:
        spec["initContainers"] = pullers
    return spec


def _main_container(ws: Raw, ground: Ground) -> Raw:
    gpus = {"nvidia.com/gpu": str(ground.sku.gpus)}
    return {
        "name": ws["metadata"]["name"],
        "image": ground.release.base_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", command_line(ws, ground)],
        "env": _env(ws),
        "ports": [{"name": "http", "containerPort": workspaces.PORT, "protocol": "TCP"}],
        "resources": {"limits": gpus, "requests": dict(gpus)},
        "volumeMounts": [mount for _, mount in _volumes(ws, ground.release)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        **_probes(ws, ground.release),
    }


def _volumes(ws: Raw, release: Release) -> list[tuple[Raw, Raw]]:
    """Each volume with its mount in the main container."""
    pairs: list[tuple[Raw, Raw]] = []
    config = ws["inference"].get("config")
    if not release.has_hub_models:
        config = config or oldpodspecs.DEFAULT_CONFIG
    if config:
        volume = {"name": "config-volume", "configMap": {"name": config}}
        pairs.append((volume, {"name": "config-volume", "mountPath": "/mnt/config"}))
    pairs.append(_weights_volume(ws))
    memory = {"name": "dshm", "emptyDir": {"medium": "Memory"}}
    pairs.append((memory, {"name": "dshm", "mountPath": "/dev/shm"}))  # noqa: S108  a mount point
    pairs += adapters.volumes(ws)
    return pairs


def _weights_volume(ws: Raw) -> tuple[Raw, Raw]:
    path = local_weights(ws)
    if path is None:
        volume = {"name": "model-weights-volume", "emptyDir": {}}
        return volume, {"name": "model-weights-volume", "mountPath": WEIGHTS}
    volume = {"name": "model-weights-hostpath", "hostPath": {"path": path}}
    mount = {"name": "model-weights-hostpath", "mountPath": path, "readOnly": True}
    return volume, mount


def local_weights(ws: Raw) -> str | None:
    if workspaces.annotation(ws, workspaces.LOCAL_WEIGHTS_ANNOTATION) != "true":
        return None
    return f"{LOCAL_WEIGHTS_ROOT}/{workspaces.preset_name(ws).lower().replace('/', '-')}"


def _env(ws: Raw) -> list[Raw]:
    env: list[Raw] = []
    if workspaces.is_vllm(ws):
        env += [{"name": "VLLM_USE_FLASHINFER_SAMPLER", "value": "0"}]
        env += [{"name": "VLLM_USE_DEEP_GEMM", "value": "0"}]
    secret = workspaces.access_secret(ws)
    if secret:
        reference = {"name": secret, "key": "HF_TOKEN", "optional": True}
        env.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}})
    if workspaces.target_nodes(ws) > 1:
        field = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{POD_INDEX_LABEL}']"}
        env.append({"name": "POD_INDEX", "valueFrom": {"fieldRef": field}})
    return env


def command_line(ws: Raw, ground: Ground) -> str:
    model, sku = workspaces.model(ws), ground.sku
    if not ground.release.has_hub_models:
        return oldpodspecs.command_line(ws, sku)
    if not workspaces.is_vllm(ws):
        return _transformers_command(model, sku)
    command = _vllm_command(ws, model, sku)
    nodes = workspaces.target_nodes(ws)
    if nodes <= 1:
        return command
    leader = (
        f"/workspace/vllm/multi-node-serving.sh leader --ray_cluster_size={nodes} --ray_port=6379"
    )
    name, namespace = ws["metadata"]["name"], ws["metadata"]["namespace"]
    address = f"{name}-0.{name}-headless.{namespace}.svc.cluster.local"
    worker = f"/workspace/vllm/multi-node-serving.sh worker --ray_address={address} --ray_port=6379"
    return f'if [ "${{POD_INDEX}}" = "0" ]; then {leader}; {command}; else {worker}; fi'


def _transformers_command(model: Preset, sku: Sku) -> str:
    return (
        f"accelerate launch --gpu_ids=all --num_machines=1 --num_processes={sku.gpus or 1} "
        "/workspace/tfs/inference_api.py --pipeline=text-generation --allow_remote_files "
        f"--torch_dtype=bfloat16 --pretrained_model_name_or_path={model.name}"
    )


def _vllm_command(ws: Raw, model: Preset, sku: Sku) -> str:
    flags = {
        "compilation-config.pass_config.fuse_allreduce_rms": "False",
        "config_format": "auto",
        "download-dir": WEIGHTS,
        "dtype": "bfloat16",
        "gpu-memory-utilization": "0.82" if "A10_" in sku.name else "0.84",
        "load_format": "auto",
        "max-model-len": "auto",
        "model": local_weights(ws) or model.name,
        "served-model-name": _served_name(ws, model),
        "tokenizer_mode": "auto",
    } | _parallelism(ws, model, sku)
    words = [f"--{name}={value}" for name, value in sorted(flags.items())]
    words.append("--trust-remote-code")
    if model.tool_parser:
        words += ["--enable-auto-tool-choice", f"--tool-call-parser={model.tool_parser}"]
    mode = workspaces.annotation(ws, workspaces.PERFORMANCE_ANNOTATION)
    if mode not in (None, "balanced"):
        words.append(f"--performance-mode={mode}")
    if ws["inference"].get("adapters"):
        words.append("--enable-lora")
    if ws["inference"].get("config"):
        words.append("--kaito-config-file=/mnt/config/inference_config.yaml")
    return " ".join(["python3 /workspace/vllm/inference_api.py", *words])


def _served_name(ws: Raw, model: Preset) -> str:
    """Children of an InferenceSet answer to the set's name."""
    labels = ws["metadata"].get("labels") or {}
    return labels.get("inferenceset.kaito.sh/created-by") or model.served_name


def _parallelism(ws: Raw, model: Preset, sku: Sku) -> dict[str, str]:
    """Small models are copied to every GPU, larger ones are cut across them."""
    gpus, nodes = max(sku.gpus, 1), workspaces.target_nodes(ws)
    if gpus > 1 and model.weights_gib * 2 < sku.gpu_memory_gib / gpus:
        return {"data-parallel-size": str(gpus)}
    parallel = {"tensor-parallel-size": str(gpus)}
    if nodes > 1:
        parallel["pipeline-parallel-size"] = str(nodes)
    return parallel


def _probes(ws: Raw, release: Release) -> Raw:
    health = {"httpGet": {"path": "/health", "port": workspaces.PORT, "scheme": "HTTP"}}
    startup_threshold = math.ceil(workspaces.model(ws).startup_minutes * 60 / 10)
    startup: Raw = health | _timing(period=10, failures=startup_threshold)
    if release.has_benchmark and workspaces.has_benchmark(ws):
        startup = {"exec": {"command": _benchmark_command(ws)}}
        startup |= _timing(period=10, failures=startup_threshold, timeout=600)
    if workspaces.is_vllm(ws) and workspaces.target_nodes(ws) > 1:
        health = {"exec": {"command": ["/bin/sh", "-c", f"{HEALTH_CHECK} readiness"]}}
    return {
        "startupProbe": startup,
        "livenessProbe": health | _timing(period=10, failures=3),
        "readinessProbe": health | _timing(period=10, failures=3) | {"initialDelaySeconds": 30},
    }


def _benchmark_command(ws: Raw) -> list[str]:
    if workspaces.target_nodes(ws) <= 1:
        return ["python3", BENCHMARK]
    line = f'if [ "$POD_INDEX" = "0" ]; then python3 {BENCHMARK}; else true; fi'
    return ["/bin/sh", "-c", line]


def _timing(*, period: int, failures: int, timeout: int = 1) -> Raw:
    return {
        "periodSeconds": period,
        "failureThreshold": failures,
        "successThreshold": 1,
        "timeoutSeconds": timeout,
    }
