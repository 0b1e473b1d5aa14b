"""The Workspace object: what was asked, and what KAITO says of it."""

from __future__ import annotations

import json
from dataclasses import replace

from workspaces.parsing.conditions import parse_conditions
from workspaces.parsing.raw import at, mapping, moment, number, strings, text, texts
from workspaces.parsing.servers import argument, command_line, server_container
from workspaces.types import (
    Condition,
    ContainerChoice,
    ParsedWorkspace,
    PresetChoice,
    RawObject,
    Recipe,
    Runtime,
    WorkspaceSpec,
    WorkspaceStatus,
)

OPERATION_ANNOTATION = "kaitoweb/operation-id"
RUNTIME_ANNOTATION = "kaito.sh/runtime"
MODEL_FLAG = "--pretrained_model_name_or_path"
# https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/controllers/workspace_controller.go
RECONCILE_ERROR = "(last reconcile error: "


def parse_workspace(raw: RawObject) -> ParsedWorkspace:
    meta = mapping(raw.get("metadata"))
    annotations = strings(meta.get("annotations"))
    runtime = annotations.get(RUNTIME_ANNOTATION, "")
    return ParsedWorkspace(
        uid=text(meta.get("uid")),
        namespace=text(meta.get("namespace")),
        name=text(meta.get("name")),
        resource_version=text(meta.get("resourceVersion")),
        generation=number(meta.get("generation")),
        recipe=_recipe(raw),
        model=_model(raw),
        # Anything but "transformers" means vLLM to KAITO.
        runtime=Runtime.TRANSFORMERS if runtime == Runtime.TRANSFORMERS else Runtime.VLLM,
        instance_type=text(at(raw, "resource", "instanceType")),
        count=number(at(raw, "resource", "count"), 1),
        status=parse_status(raw),
        created_at=moment(meta.get("creationTimestamp")),
        deletion_requested_at=moment(meta.get("deletionTimestamp")),
        operation_id=annotations.get(OPERATION_ANNOTATION, ""),
        labels=strings(meta.get("labels")),
        annotations=annotations,
        finalizers=texts(meta.get("finalizers")),
    )


def parse_status(raw: RawObject) -> WorkspaceStatus:
    """The status, with the reconcile error, which KAITO appends to every condition's message, taken out once."""
    status = mapping(raw.get("status"))
    found = parse_conditions(status)
    errors = [error for c in found if (error := _words_and_error(c.message)[1])]
    count = status.get("targetNodeCount")
    peak = at(status, "performance", "metrics", "peakTokensPerMinute", "value")
    return WorkspaceStatus(
        state=text(status.get("state")),
        conditions=tuple(_without_error(c) for c in found),
        worker_nodes=texts(status.get("workerNodes")),
        target_node_count=number(count) if isinstance(count, int) else None,
        peak_tokens_per_minute=str(peak) if isinstance(peak, str | int | float) else "",
        reconcile_error=errors[0] if errors else "",
    )


def spec_from_manifest(raw: RawObject) -> WorkspaceSpec | None:
    """What the deploy form can show of a manifest; None when it was made by neither of its recipes."""
    recipe = _recipe(raw)
    if recipe == Recipe.OTHER:
        return None
    parsed = parse_workspace(raw)
    return WorkspaceSpec(
        name=parsed.name,
        namespace=parsed.namespace,
        recipe=recipe,
        instance_type=parsed.instance_type,
        count=parsed.count,
        match_labels=tuple(strings(at(raw, "resource", "labelSelector", "matchLabels")).items()),
        preset=_preset_choice(raw) if recipe == Recipe.PRESET else None,
        container=_container_choice(raw) if recipe == Recipe.CPU_CONTAINER else None,
        runtime=parsed.runtime,
        load_balancer=parsed.annotations.get("kaito.sh/enablelb") == "True",
    )


def _recipe(raw: RawObject) -> Recipe:
    if text(at(raw, "inference", "preset", "name")):
        return Recipe.PRESET
    server = server_container(at(raw, "inference", "template", "spec"))
    asks_gpu = "nvidia.com/gpu" in json.dumps(server.get("resources"))
    serves = "tfs/inference_api.py" in " ".join(command_line(server)) and argument(
        server, MODEL_FLAG
    )
    return Recipe.CPU_CONTAINER if serves and not asks_gpu else Recipe.OTHER


def _model(raw: RawObject) -> str:
    """Preset name, or the model that a container's arguments name, or its image."""
    preset = text(at(raw, "inference", "preset", "name")) or text(
        at(raw, "tuning", "preset", "name")
    )
    server = server_container(at(raw, "inference", "template", "spec"))
    return preset or argument(server, MODEL_FLAG) or text(server.get("image"))


def _preset_choice(raw: RawObject) -> PresetChoice:
    preset = mapping(at(raw, "inference", "preset"))
    secret = text(at(preset, "presetOptions", "modelAccessSecret"))
    return PresetChoice(name=text(preset.get("name")), access_secret=secret)


def _container_choice(raw: RawObject) -> ContainerChoice:
    server = server_container(at(raw, "inference", "template", "spec"))
    wishes = strings(at(server, "resources", "requests"))
    limits = strings(at(server, "resources", "limits"))
    given = {
        "dtype": argument(server, "--torch_dtype"),
        "image": text(server.get("image")),
        "cpu_request": wishes.get("cpu", ""),
        "cpu_limit": limits.get("cpu", ""),
        "memory_request": wishes.get("memory", ""),
        "memory_limit": limits.get("memory", ""),
    }
    return ContainerChoice(
        model_id=argument(server, MODEL_FLAG),
        **{key: value for key, value in given.items() if value},
    )


def _without_error(condition: Condition) -> Condition:
    words = _words_and_error(condition.message)[0]
    return condition if words == condition.message else replace(condition, message=words)


def _words_and_error(message: str) -> tuple[str, str]:
    words, mark, error = message.rstrip().partition(RECONCILE_ERROR)
    return (words.rstrip(), error[:-1]) if mark and error.endswith(")") else (message, "")
