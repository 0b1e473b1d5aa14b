"""The webhook's rules for tuning workspaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.kaito import workspaces
from sandbox.kaito.adapterrules import image_errors, source_errors
from sandbox.kaito.fielderrors import Errors, generic, invalid, missing, via
from sandbox.kaito.presets import is_old_name, is_valid_name
from sandbox.kaito.releases import Release
from sandbox.kaito.trainingrules import config_problem

METHODS = ("lora", "qlora")
CONFIG_KEY = "training_config.yaml"
RELEASE_NAMESPACE = "kaito-workspace"

Raw = dict[str, Any]
Lookup = Callable[[str, str], Raw | None]


def resource_errors(ws: Raw) -> Errors:
    errors: Errors = []
    if workspaces.node_count(ws) > 1:
        said = (
            "Tuning does not currently support multinode configurations. Please set the node count "
            "to 1. Future support with DeepSpeed will allow this."
        )
        errors.append(invalid(said, "count"))
    if workspaces.resource(ws).get("partition") is not None:
        said = "GPU partitioning is not supported for tuning workloads"
        errors.append(invalid(said, "partition"))
    return errors


def tuning_errors(ws: Raw, lookup: Lookup, release: Release) -> Errors:
    tuning = ws["tuning"]
    errors: Errors = []
    method = tuning.get("method") or ""
    if method.lower() not in METHODS:
        errors.append(invalid(method, "Method"))
    errors += _config_errors(tuning, ws["metadata"].get("namespace") or "default", lookup)
    errors += via("Input", source_errors(tuning.get("input") or {}))
    errors += via("Output", _output_errors(tuning.get("output") or {}))
    return errors + _preset_errors(tuning.get("preset"), release)


def update_errors(tuning: Raw, old: Raw) -> Errors:
    errors: Errors = []
    source, old_source = tuning.get("input") or {}, old.get("input") or {}
    if (source.get("name") or "") != (old_source.get("name") or ""):
        said = "During tuning Name field cannot be changed once set"
        errors.append(invalid(said, "Input.Name"))
    errors += via("Input", image_errors(source.get("image") or "", "input"))
    output = tuning.get("output") or {}
    errors += via("Output", image_errors(output.get("image") or "", "output"))
    if tuning.get("preset") != old.get("preset"):
        errors.append(generic("Preset cannot be changed", "Preset"))
    if (tuning.get("method") or "").lower() != (old.get("method") or "").lower():
        errors.append(generic("Method cannot be changed", "Method"))
    return errors


def _preset_errors(preset: Raw | None, release: Release) -> Errors:
    if preset is None:
        return [missing("Preset")]
    name = preset.get("name") or ""
    if not (is_valid_name(name) if release.has_hub_models else is_old_name(name)):
        return [invalid(f"Unsupported tuning preset name {name}", "presetName")]
    return []


def _config_errors(tuning: Raw, namespace: str, lookup: Lookup) -> Errors:
    """A named ConfigMap must exist; without a name the operator's own template counts."""
    method = (tuning.get("method") or "").lower()
    name = tuning.get("config") or f"{method}-params-template"
    config_map = lookup(namespace if tuning.get("config") else RELEASE_NAMESPACE, name)
    if config_map is None:
        if not tuning.get("config") and method not in METHODS:
            return []
        why = f"ConfigMap '{name}' specified in 'config' not found in namespace '{namespace}'"
    elif CONFIG_KEY not in (config_map.get("data") or {}):
        why = f"{CONFIG_KEY} in ConfigMap"
    else:
        problem = config_problem(config_map["data"][CONFIG_KEY], name, method)
        if problem is None:
            return []
        why = problem
    return [generic(f"Failed to evaluate validateConfigMap: {why}", "Config")]


def _output_errors(output: Raw) -> Errors:
    image = output.get("image") or ""
    errors = image_errors(image, "output")
    if image and not output.get("imagePushSecret"):
        errors.append(missing("Must specify imagePushSecret with destination image"))
    if bool(image) == (output.get("volumeSource") is not None):
        errors.append(missing("Exactly one of Volume or Image must be specified"))
    return errors
