"""What KAITO 0.12 knows: its presets, and the Azure machines it can size. Data with pure look-ups.

The data is KAITO's own catalogue; names are compared without case, as KAITO does. A Hugging Face id that is
not in it may still work ("best effort": KAITO then asks huggingface.co about it).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

GIB = 1024**3
_DATA = Path(__file__).parent / "data"
# KAITO takes any a/b for a Hugging Face id.
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_validation.go
_HUGGING_FACE_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PARAMETERS_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([mb])(?![A-Za-z0-9])", re.I)


class Gated(StrEnum):
    """Whether Hugging Face asks for an accepted licence and a token before it gives the weights."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One model of KAITO's catalogue; `name` is its Hugging Face id."""

    name: str
    alias: str
    family: str
    parameters: str  # as people say it: "3.8B"; empty when unknown
    licence: str
    gated: Gated
    weights_gib: float
    disk_gib: int
    context_tokens: int
    kv_bytes_per_token: int
    transformers: bool  # KAITO can also serve it with the transformers runtime
    quantization: str
    tool_parser: str
    chats: bool  # False: a base model without a chat template; it completes text only

    @property
    def asked_as(self) -> str:
        """How to ask for it: the short name where there is one, since KAITO before 0.9 knows no other."""
        return self.alias or self.name

    @property
    def publisher(self) -> str:
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        name = self.name.rpartition("/")[2]
        return self.family if name.lower() == self.family.lower() else name  # phi-4 is Phi-4

    @property
    def weights_bytes(self) -> int:
        return round(self.weights_gib * GIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A name that KAITO refuses though people meet it in documents, and what to ask for instead."""

    name: str
    last_version: str  # of KAITO that knew it; empty: none ever did
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """One Azure machine, in the canonical case that node readiness compares byte for byte."""

    name: str
    gpus: int = 0
    gpu: str = ""
    gpu_memory_gib: int = 0  # of all its GPUs
    local_nvme: bool = False
    cuda: bool = False  # KAITO's images run on CUDA only
    vcpus: int = 0
    memory_gib: int = 0

    @property
    def has_gpu(self) -> bool:
        return self.gpus > 0

    @property
    def gpu_memory_bytes(self) -> int:
        return self.gpu_memory_gib * GIB

    @property
    def summary(self) -> str:
        if not self.has_gpu:
            return f"{self.vcpus} vCPU, {self.memory_gib} GiB"
        return f"{self.gpus} × {self.gpu} {self.gpu_memory_gib // self.gpus} GiB"


@cache
def presets() -> tuple[Preset, ...]:
    """In KAITO's own order."""
    rows = _read("presets.json")["presets"]
    return tuple(Preset(**row | {"gated": Gated(row["gated"])}) for row in rows)


def preset(name: str) -> Preset | None:
    return _presets_by_name().get(name.strip().lower())


def retired(name: str) -> Retired | None:
    return _retired_by_name().get(name.strip().lower())


@cache
def instance_types() -> tuple[InstanceType, ...]:
    data = _read("instance_types.json")
    return tuple(InstanceType(**row) for row in data["gpu"] + data["cpu"])


def instance_type(name: str) -> InstanceType | None:
    return _instance_types_by_name().get(name.strip().lower())


def served_name(model: Preset | str) -> str:
    """What the model answers to in requests: the last part of its id in lower case."""
    name = model if isinstance(model, str) else model.name
    known = preset(name)
    return (known.name if known else name).rpartition("/")[2].lower()


def is_hugging_face_id(text: str) -> bool:
    return _HUGGING_FACE_ID.fullmatch(text.strip()) is not None


def guess_parameters(model_id: str) -> int | None:
    """The number of parameters that a model's name tells: 560 million for bigscience/bloomz-560m."""
    found = _PARAMETERS_IN_NAME.search(model_id.rpartition("/")[2])
    if found is None:
        return None
    return round(float(found[1]) * (10**9 if found[2].lower() == "b" else 10**6))


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((_DATA / name).read_text("utf-8"))
    return data


@cache
def _presets_by_name() -> dict[str, Preset]:
    names = {p.alias.lower(): p for p in presets() if p.alias}
    return names | {p.name.lower(): p for p in presets()}


@cache
def _retired_by_name() -> dict[str, Retired]:
    rows = _read("presets.json")["retired"]
    return {row["name"]: Retired(**row | {"instead": tuple(row["instead"])}) for row in rows}


@cache
def _instance_types_by_name() -> dict[str, InstanceType]:
    return {t.name.lower(): t for t in instance_types()}
