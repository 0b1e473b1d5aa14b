"""KAITO's validating webhook: what it refuses, in its own words.

Pure but for `lookup`, which reads a ConfigMap, and `find_nodes`, which finds nodes by their labels.
The cloud is Azure, so the rules of others do not apply.
https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_validation.go
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.kaito import podtemplates, tuningrules, workspaces
from sandbox.kaito.adapterrules import adapter_update_errors, duplicate_names
from sandbox.kaito.byorules import FindNodes, no_nodes
from sandbox.kaito.fielderrors import Errors, generic, invalid, missing, render, via
from sandbox.kaito.inferencerules import inference_errors, resource_errors
from sandbox.kaito.releases import Edition

CURRENT_EDITION = Edition()
IMAGE_FAMILIES = ("azurelinux", "ubuntu")
PERFORMANCE_MODES = ("balanced", "interactivity", "throughput")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

Raw = dict[str, Any]
Lookup = Callable[[str, str], Raw | None]


def denial(
    ws: Raw,
    old: Raw | None,
    lookup: Lookup,
    *,
    edition: Edition = CURRENT_EDITION,
    find_nodes: FindNodes = no_nodes,
    more: Errors | None = None,
) -> str | None:
    """`more`: what else was found, for the version that the request is of."""
    problem = podtemplates.first_problem(ws)
    if problem is not None:
        return f"decoding request failed: cannot decode incoming new object: {problem}"
    if old is None:
        errors = validate_create(ws, lookup, edition, find_nodes)
    else:
        errors = validate_update(ws, old, edition)
    errors += more or []
    return f"validation failed: {render(errors)}" if errors else None


def validate_create(
    ws: Raw,
    lookup: Lookup,
    edition: Edition = CURRENT_EDITION,
    find_nodes: FindNodes = no_nodes,
) -> Errors:
    errors = _name_errors(ws) + via("spec", _top_level_errors(ws, edition))
    if edition.release.has_hub_models:
        errors += _annotation_errors(ws)
    if ws.get("inference") is not None:
        errors += via("resource", resource_errors(ws, edition, find_nodes))
        errors += inference_errors(ws, lookup, edition.release)
    if ws.get("tuning") is not None:
        errors += via("resource", tuningrules.resource_errors(ws))
        errors += via("tuning", tuningrules.tuning_errors(ws, lookup, edition.release))
    return errors


def validate_update(ws: Raw, old: Raw, edition: Edition = CURRENT_EDITION) -> Errors:
    """Also judges what the operator itself writes: an object that breaks a rule here is stuck."""
    errors = _name_errors(ws) + via("spec", _toggle_errors(ws, old))
    errors += via("resource", _resource_update_errors(ws, old, edition))
    if ws.get("inference") is not None and old.get("inference") is not None:
        errors += via("inference", _inference_update_errors(ws["inference"], old["inference"]))
    if ws.get("tuning") is not None and old.get("tuning") is not None:
        errors += via("tuning", tuningrules.update_errors(ws["tuning"], old["tuning"]))
    return errors


def _name_errors(ws: Raw) -> Errors:
    name = ws["metadata"].get("name") or ""
    problems = []
    if len(name) > 63:
        problems.append("must be no more than 63 characters")
    if not LABEL.fullmatch(name):
        problems.append(LABEL_RULE)
    return [invalid(", ".join(problems), "name")] if problems else []


def _top_level_errors(ws: Raw, edition: Edition) -> Errors:
    errors: Errors = []
    has_inference, has_tuning = ws.get("inference") is not None, ws.get("tuning") is not None
    if not has_inference and not has_tuning:
        errors.append(generic("Either Inference or Tuning must be specified, not neither", ""))
    if has_inference and has_tuning:
        errors.append(generic("Either Inference or Tuning must be specified, but not both", ""))
    size = workspaces.instance_type(ws)
    if edition.makes_nodes and not size:
        said = "instanceType is required when node auto-provisioning is enabled"
        errors.append(missing(said, "resource.instanceType"))
    if not edition.makes_nodes and size:
        said = "instanceType must be empty when node auto-provisioning is disabled (BYO scenario)"
        errors.append(invalid(said, "resource.instanceType"))
    return errors


def _annotation_errors(ws: Raw) -> Errors:
    return via("spec", _family_errors(ws)) + _mode_errors(ws)


def _family_errors(ws: Raw) -> Errors:
    family = workspaces.annotation(ws, workspaces.IMAGE_FAMILY_ANNOTATION)
    if family is None or family.strip().lower() in IMAGE_FAMILIES:
        return []
    said = f'unsupported node image family "{family}", supported values are azurelinux, ubuntu'
    return [invalid(said, f'metadata.annotations["{workspaces.IMAGE_FAMILY_ANNOTATION}"]')]


def _mode_errors(ws: Raw) -> Errors:
    errors: Errors = []
    mode = workspaces.annotation(ws, workspaces.PERFORMANCE_ANNOTATION)
    if mode is not None and mode not in PERFORMANCE_MODES:
        choices = ", ".join(PERFORMANCE_MODES)
        said = f'"{mode}" is not a valid performance mode; choose one of: {choices}'
        errors.append(invalid(said, f"metadata.annotations[{workspaces.PERFORMANCE_ANNOTATION}]"))
    local = workspaces.annotation(ws, workspaces.LOCAL_WEIGHTS_ANNOTATION)
    if local is not None and local not in ("true", "false"):
        said = f'"{local}" must be "true" or "false"'
        errors.append(invalid(said, f"metadata.annotations[{workspaces.LOCAL_WEIGHTS_ANNOTATION}]"))
    return errors


def _toggle_errors(ws: Raw, old: Raw) -> Errors:
    return [
        generic(f"{field.capitalize()} field cannot be toggled once set", field)
        for field in ("inference", "tuning")
        if (ws.get(field) is None) != (old.get(field) is None)
    ]


def _resource_update_errors(ws: Raw, old: Raw, edition: Edition) -> Errors:
    new_spec, old_spec = workspaces.resource(ws), workspaces.resource(old)
    errors: Errors = []
    counts = {new_spec.get("count"), old_spec.get("count")} - {None}
    if len(counts) > 1:
        errors.append(generic("field is immutable", "count"))
    if new_spec.get("partition") != old_spec.get("partition"):
        errors.append(generic("field is immutable", "partition"))
    size, old_size = workspaces.instance_type(ws), workspaces.instance_type(old)
    errors += _size_update_errors(size, old_size, edition)
    if (new_spec.get("labelSelector") or {}) != (old_spec.get("labelSelector") or {}):
        errors.append(generic("field is immutable", "labelSelector"))
    return errors


def _size_update_errors(size: str, old_size: str, edition: Edition) -> Errors:
    if not edition.release.has_hub_models:
        return [generic("field is immutable", "instanceType")] if size != old_size else []
    if not edition.makes_nodes:
        said = "instanceType cannot be set when node auto-provisioning is disabled"
        return [generic(said, "instanceType")] if size not in ("", old_size) else []
    if not size:
        said = "instanceType is required when node auto-provisioning is enabled"
        return [missing(said, "instanceType")]
    if old_size and size != old_size:
        said = "instanceType cannot be changed once set when node auto-provisioning is enabled"
        return [generic(said, "instanceType")]
    return []


def _inference_update_errors(inference: Raw, old: Raw) -> Errors:
    errors: Errors = []
    if inference.get("preset") != old.get("preset"):
        errors.append(generic("field is immutable", "preset"))
    if (inference.get("template") is None) != (old.get("template") is None):
        errors.append(generic("field cannot be unset/set if it was set/unset", "template"))
    adapters = inference.get("adapters") or []
    for adapter in adapters:
        errors += adapter_update_errors(adapter)
    return errors + duplicate_names(adapters)
