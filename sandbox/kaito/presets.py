"""What the sandbox's KAITO knows of models and VM sizes: a small copy of KAITO 0.12's catalogue.

https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/models/model_catalog.yaml
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    name: str
    alias: str | None
    weights_gib: float
    disk_gib: int
    context: int
    kv_bytes: int
    transformers: bool
    tuning: bool
    architecture: str | None
    quantization: str
    startup_minutes: float
    tool_parser: str | None
    lora: bool

    @property
    def weights_bytes(self) -> int:
        return math.ceil(self.weights_gib * GIB)

    @property
    def served_name(self) -> str:
        return self.name.rsplit("/", 1)[-1].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sku:
    """A VM size; `gpus` is 0 for sizes that KAITO accepts by prefix without knowing their GPU."""

    name: str
    gpus: int
    gpu_model: str
    gpu_memory_gib: int
    nvme: bool
    vcpus: int
    memory_gib: int
    family: str


def _load() -> tuple[tuple[Preset, ...], tuple[Sku, ...], frozenset[str]]:
    raw = json.loads(Path(__file__).with_name("catalogue.json").read_text())
    presets = tuple(Preset(**row) for row in raw["presets"])
    skus = tuple(Sku(**row) for row in raw["skus"])
    return presets, skus, frozenset(raw["deprecated"])


PRESETS, SKUS, DEPRECATED = _load()
_BY_NAME = {preset.name.lower(): preset for preset in PRESETS}
_ALIASES = {preset.alias: preset for preset in PRESETS if preset.alias}
_SKUS = {sku.name.lower(): sku for sku in SKUS}


# Short names of KAITO 0.7 that later ones do not know, with the GiB of their weights.
# https://github.com/kaito-project/kaito/tree/v0.7.0/presets/workspace/models
OLD_WEIGHTS = {
    "falcon-7b": 13.44,
    "falcon-7b-instruct": 13.44,
    "falcon-40b": 77.93,
    "falcon-40b-instruct": 77.93,
    "phi-2": 5.18,
}
NEWER = ("gemma-", "ministral-", "mistral-large-")


def is_old_name(name: str) -> bool:
    """Whether KAITO 0.7 has a preset of this name."""
    lowered = name.lower()
    return lowered in OLD_WEIGHTS or (is_alias(lowered) and not lowered.startswith(NEWER))


def is_hub_id(name: str) -> bool:
    """`organisation/model`, the only other form that KAITO takes beside its short names."""
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model


def is_alias(name: str) -> bool:
    return name.lower() in _ALIASES


def is_valid_name(name: str) -> bool:
    return is_alias(name) or is_hub_id(name)


def find_preset(name: str) -> Preset | None:
    """By alias or Hugging Face id, in any case; ids outside the catalogue are not here."""
    lowered = name.lower()
    return _ALIASES.get(lowered) or _BY_NAME.get(lowered)


def guess_preset(model_id: str) -> Preset:
    """For an id outside the catalogue: 16-bit weights, as many parameters as its name says.

    The real operator reads the size from huggingface.co; the sandbox has no network.
    """
    old = OLD_WEIGHTS.get(model_id.lower())
    weights = old or round(_parameters(model_id) * 2 / GIB, 2)
    return Preset(
        name=model_id,
        alias=None,
        weights_gib=weights,
        disk_gib=int(weights + 80),
        context=32768,
        kv_bytes=131072,
        transformers=old is not None,
        tuning=old is not None,
        architecture=None,
        quantization="",
        startup_minutes=max(30.0, min(180.0, 15 + 0.3 * weights)),
        tool_parser=None,
        lora=True,
    )


def _parameters(model_id: str) -> float:
    """`bloomz-560m` has 560 million; a name without a number is taken for 7 billion."""
    basename = model_id.lower().rsplit("/", 1)[-1]
    found = re.search(r"(\d+(?:\.\d+)?)(b|m)(?![a-z])", basename)
    if found is None:
        return 7e9
    return float(found.group(1)) * (1e9 if found.group(2) == "b" else 1e6)


def model_of(preset_name: str) -> Preset:
    return find_preset(preset_name) or guess_preset(preset_name)


def find_sku(name: str) -> Sku | None:
    return _SKUS.get(name.lower())


def is_azure_size(name: str) -> bool:
    """Azure sizes that pass admission without being in the catalogue."""
    return name.lower().startswith(("standard_n", "standard_d"))


def machine(name: str) -> Sku:
    """The VM that Azure would make of a name: from the catalogue, else read off the name."""
    known = find_sku(name)
    if known is not None:
        return known
    found = re.search(r"_[A-Za-z]+(\d+)", name)
    vcpus = int(found.group(1)) if found else 4
    return Sku(
        name=name,
        gpus=0,
        gpu_model="",
        gpu_memory_gib=0,
        nvme=False,
        vcpus=vcpus,
        memory_gib=vcpus * 4,
        family=_family(name),
    )


def _family(name: str) -> str:
    """`Standard_D16s_v5` is billed to the quota `standardDSv5Family`."""
    body = name.split("_", 1)[-1]
    letters = re.sub(r"\d+", "", body.split("_")[0]).upper()
    version = body.split("_")[-1] if "_" in body else ""
    return f"standard{letters}{version}Family"
