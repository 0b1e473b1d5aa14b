"""The webhook's rules for the ConfigMap of a tuning: sections, quantisation, where results go.

https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/tuning_config_validation.go
"""

from __future__ import annotations

import posixpath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

SECTIONS = (
    "ModelConfig",
    "QuantizationConfig",
    "LoraConfig",
    "TrainingArguments",
    "DatasetConfig",
    "DataCollator",
)
ROOT = "/mnt"

Raw = dict[str, Any]


def config_problem(text: str, name: str, method: str) -> str | None:
    """The first thing that KAITO says against a training_config.yaml."""
    try:
        document = YAML(typ="safe").load(text)
    except YAMLError as error:
        return f"invalid value: {error}"
    config = document.get("training_config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        return "invalid value: Expected 'training_config' key to contain a map"
    unknown = next((section for section in config if section not in SECTIONS), None)
    if unknown is not None:
        return f"invalid value: Unrecognized section: {unknown}"
    return _quantisation_problem(config.get("QuantizationConfig"), name, method) or _output_problem(
        config.get("TrainingArguments") or {}
    )


def _quantisation_problem(section: Raw | None, name: str, method: str) -> str | None:
    four, eight = ((section or {}).get(key) for key in ("load_in_4bit", "load_in_8bit"))
    for value in (four, eight):
        if value is not None and not isinstance(value, bool):
            kind = {str: "string", int: "int", float: "float64"}.get(type(value), "map")
            return f"invalid value: value must be either nil or a boolean, got type {kind}"
    if four and eight:
        return f"Cannot set both 'load_in_4bit' and 'load_in_8bit' to true in ConfigMap '{name}'"
    if method == "lora" and (four or eight):
        return (
            f"For method 'lora', 'load_in_4bit' or 'load_in_8bit' in ConfigMap '{name}' must not "
            "be true"
        )
    if method == "qlora" and not (four or eight):
        return (
            "missing field(s): For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be "
            f"true in ConfigMap '{name}'"
        )
    return None


def _output_problem(arguments: Raw) -> str | None:
    if "output_dir" not in arguments:
        return None
    folder = arguments["output_dir"]
    if not isinstance(folder, str):
        return "invalid value: output_dir is not a string"
    path = posixpath.normpath(f"{ROOT}/{folder}")
    if path == ROOT or not path.startswith(ROOT):
        return f"invalid value: Invalid output_dir specified: '{folder}', must be a directory"
    return None
