"""The webhook's rules for `resource` and `inference` at creation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sandbox.kaito import byorules, gpunodes, workspaces
from sandbox.kaito.adapterrules import duplicate_names
from sandbox.kaito.byorules import FindNodes
from sandbox.kaito.fielderrors import Errors, generic, invalid, missing, via
from sandbox.kaito.presets import (
    DEPRECATED,
    GIB,
    SKUS,
    Sku,
    find_preset,
    find_sku,
    is_azure_size,
    is_old_name,
    is_valid_name,
)
from sandbox.kaito.releases import Edition, Release
from sandbox.kaito.triggers import hub_refusal, is_gated

MAX_ADAPTERS = 10
CONFIG_KEY = "inference_config.yaml"
SELECTOR_ERROR = "cannot be converted into the old label selector format"

Raw = dict[str, Any]
Lookup = Callable[[str, str], Raw | None]


def resource_errors(ws: Raw, edition: Edition, find_nodes: FindNodes) -> Errors:
    """Stops at the first of the early problems, as KAITO does."""
    name = workspaces.preset_name(ws).lower()
    if name and not is_known_name(name, edition.release):
        return _deprecation_errors(name)
    errors = _selector_errors(workspaces.resource(ws).get("labelSelector") or {}, edition.release)
    if errors:
        return errors
    if edition.makes_nodes:
        return _partition_refusal(ws) or (
            _size_errors(workspaces.instance_type(ws))
            + _memory_errors(ws, find_sku(workspaces.instance_type(ws)), workspaces.node_count(ws))
        )
    return _own_node_errors(ws, edition.release, find_nodes)


def _partition_refusal(ws: Raw) -> Errors:
    if workspaces.resource(ws).get("partition") is None:
        return []
    said = "GPU partitioning is only supported with BYO nodes (disableNodeAutoProvisioning=true)"
    return [generic(said, "partition")]


def _own_node_errors(ws: Raw, release: Release, find_nodes: FindNodes) -> Errors:
    partition = workspaces.resource(ws).get("partition")
    if partition is not None:
        return via("partition", byorules.partition_errors(partition))
    if not workspaces.preset_name(ws):
        return []
    if not release.has_hub_models:
        return byorules.old_node_errors(ws, find_nodes)
    errors = byorules.node_errors(ws, find_nodes)
    if errors:
        return errors
    nodes = find_nodes(workspaces.match_labels(ws))
    sku = gpunodes.common_sku(nodes)
    return _memory_errors(ws, None if isinstance(sku, str) else sku, len(nodes))


def is_known_name(name: str, release: Release) -> bool:
    return is_valid_name(name) if release.has_hub_models else is_old_name(name)


def _deprecation_errors(name: str) -> Errors:
    if name not in DEPRECATED:
        return []
    return [generic(f"Model {name} is deprecated and no longer supported", "presetName")]


def _selector_errors(selector: Raw, release: Release) -> Errors:
    for expression in selector.get("matchExpressions") or []:
        values, operator = expression.get("values") or [], expression.get("operator") or ""
        if operator != "In":
            why = f'operator "{operator}" {SELECTOR_ERROR}'
            return [invalid(why, "labelSelector")]
        if len(values) != 1:
            why = f'operator "{operator}" without a single value {SELECTOR_ERROR}'
            return [invalid(why, "labelSelector")]
    labels = selector.get("matchLabels") or {}
    if release.has_hub_models and labels and not set(labels) - workspaces.RESERVED_LABELS:
        said = "matchLabels must contain at least one non-reserved label"
        return [invalid(said, "labelSelector.matchLabels")]
    return []


def _size_errors(size: str) -> Errors:
    """An empty name falls here too, beside its own error."""
    if find_sku(size) is not None or is_azure_size(size):
        return []
    known = " ".join(sorted(sku.name for sku in SKUS))
    said = f"Unsupported instance type {size}. Supported SKUs: [{known}]"
    return [invalid(said, "instanceType")]


def _memory_errors(ws: Raw, sku: Sku | None, nodes: int) -> Errors:
    """Only the transformers runtime is checked: for vLLM the estimator adds nodes instead."""
    name = workspaces.preset_name(ws).lower()
    if sku is None or not name or workspaces.is_vllm(ws) or _refusal(ws) is not None:
        return []
    errors: Errors = []
    needed = workspaces.model(ws).weights_bytes
    total = nodes * sku.gpu_memory_gib * GIB
    bypass = workspaces.annotation(ws, workspaces.BYPASS_ANNOTATION) is not None
    if total < needed and not bypass:
        said = (
            f"Insufficient total GPU memory: Instance type {workspaces.instance_type(ws)} has a "
            f"total of {quantity(total)}, but preset {name} requires at least {quantity(needed)}"
        )
        errors.append(invalid(said, "instanceType"))
    if needed > sku.gpu_memory_gib * GIB:
        said = "Multi-node distributed inference is not supported with Huggingface Transformers runtime"
        errors.append(generic(said))
    return errors


def quantity(size: int) -> str:
    """Bytes as resource.Quantity prints them in its binary format."""
    for suffix in ("", "Ki", "Mi", "Gi"):
        if size % 1024 or suffix == "Gi":
            return f"{size}{suffix}"
        size //= 1024
    return str(size)


def inference_errors(ws: Raw, lookup: Lookup, release: Release) -> Errors:
    return via("inference", _body_errors(ws, release)) + _config_errors(ws, lookup)


def _body_errors(ws: Raw, release: Release) -> Errors:
    inference = ws["inference"]
    preset, template = inference.get("preset"), inference.get("template")
    errors: Errors = []
    if preset is None and template is None:
        errors.append(missing("Preset or Template must be specified"))
    if preset is not None and template is not None:
        errors.append(generic("Preset and Template cannot be set at the same time"))
    if preset is not None:
        unknown = _preset_lookup_errors(ws, release)
        if unknown:
            return errors + unknown
        errors += _runtime_errors(ws)
        if not release.has_hub_models:
            errors += _old_secret_errors(ws)
    return errors + _adapter_errors(inference.get("adapters") or [])


def _old_secret_errors(ws: Raw) -> Errors:
    """KAITO 0.7 wants a token for what it downloads itself, and none for the rest."""
    needs, has = is_gated(workspaces.model(ws).name), bool(workspaces.access_secret(ws))
    if needs == has:
        return []
    said = "requires" if needs else "does not require"
    end = " to download the model" if needs else ""
    told = f"This preset {said} a modelAccessSecret with HF_TOKEN key under presetOptions{end}"
    return [generic(told)]


def _preset_lookup_errors(ws: Raw, release: Release) -> Errors:
    name = workspaces.preset_name(ws)
    if not is_known_name(name, release):
        return [invalid(f"Unsupported inference preset name {name}", "presetName")]
    refusal = _refusal(ws) if release.has_hub_models else None
    if refusal is not None:
        return [invalid(f"failed to get model preset: {refusal}", "preset")]
    return []


def _refusal(ws: Raw) -> str | None:
    """Catalogue models need no look-up and so never fail here, gated or not."""
    name = workspaces.preset_name(ws)
    if find_preset(name) is not None:
        return None
    return hub_refusal(name, has_token=bool(workspaces.access_secret(ws)))


def _runtime_errors(ws: Raw) -> Errors:
    model = workspaces.model(ws)
    adapters = ws["inference"].get("adapters") or []
    problems = []
    if not workspaces.is_vllm(ws) and not model.transformers:
        why = "does not support inference with Huggingface Transformers runtime"
        problems.append(f"model {model.name.lower()} {why}")
    if workspaces.is_vllm(ws) and adapters and not model.lora:
        problems.append(f"vLLM does not support LoRA adapters for this model: {model.served_name}")
    if workspaces.is_vllm(ws) and any(adapter.get("strength") for adapter in adapters):
        problems.append("vLLM does not support adapter strength")
    return [generic(f"Runtime validation: {'; '.join(problems)}")] if problems else []


def _adapter_errors(adapters: list[Raw]) -> Errors:
    errors: Errors = []
    if len(adapters) > MAX_ADAPTERS:
        said = f"Number of Adapters exceeds the maximum limit, maximum of {MAX_ADAPTERS} allowed"
        errors.append(generic(said))
    return errors + duplicate_names(adapters)


def _config_errors(ws: Raw, lookup: Lookup) -> Errors:
    name, namespace = ws["inference"].get("config"), ws["metadata"].get("namespace") or "default"
    if not name or not workspaces.is_vllm(ws):
        return []
    config_map = lookup(namespace, name)
    if config_map is None:
        said = f"ConfigMap '{name}' specified in 'config' not found in namespace '{namespace}'"
        return [generic(said, "config")]
    text = (config_map.get("data") or {}).get(CONFIG_KEY)
    if text is None:
        return [missing(f"{CONFIG_KEY} in ConfigMap")]
    return _config_text_errors(ws, text)


def _config_text_errors(ws: Raw, text: str) -> Errors:
    settings = read_config(text)
    if settings is None:
        why = "yaml: unmarshal errors: cannot unmarshal into map[string]string"
        return [generic(f"Failed to parse {CONFIG_KEY}: {why}", CONFIG_KEY)]
    raw = str(settings.get("max-model-len", "")).strip()
    if not raw or not workspaces.preset_name(ws):
        return []
    if not re.fullmatch(r"[+-]?\d+", raw):
        why = f'strconv.Atoi: parsing "{raw}": invalid syntax'
        return [invalid(f"max-model-len must be an integer: {why}", "max-model-len")]
    limit = workspaces.model(ws).context if is_valid_name(workspaces.preset_name(ws)) else 0
    if limit and int(raw) > limit:
        said = (
            f"max-model-len {int(raw)} exceeds model's maximum supported context window {limit} "
            "(ModelTokenLimit)"
        )
        return [invalid(said, "max-model-len")]
    return []


def read_config(text: str) -> Raw | None:
    """The `vllm` map of an inference_config.yaml; None unless it is a map of scalars."""
    try:
        document = YAML(typ="safe").load(text) or {}
    except YAMLError:
        return None
    settings = document.get("vllm") or {} if isinstance(document, dict) else None
    if not isinstance(settings, dict):
        return None
    if any(isinstance(value, (dict, list)) for value in settings.values()):
        return None
    return settings
