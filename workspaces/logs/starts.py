"""How far a model server has come with its start, read from what it logs; the cluster's objects do not say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from asgiref.sync import async_to_sync

from workspaces.diagnosis import Progress
from workspaces.logs.lines import LogLine
from workspaces.logs.reading import Source, last_lines
from workspaces.parsing.raw import moment

LOOKED_AT = 400  # lines

# The last line that matches decides. In order of the start; vLLM's and transformers' words.
# https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/inference_api.py
# https://github.com/vllm-project/vllm/blob/v0.11.0/vllm/model_executor/model_loader/weight_utils.py
_STAGES = (
    (
        "weights",
        re.compile(
            r"Downloading|while weights download|Fetching \d+ files|\.safetensors: |Model args:"
        ),
    ),
    (
        "load",
        re.compile(
            r"download finished|API server version|Initializing a V\d LLM engine|to load model"
            r"|Loading (?:safetensors )?checkpoint shards|Model loading took|Capturing CUDA graphs"
        ),
    ),
    ("benchmark", re.compile(r"Application startup complete|KAITO_BENCHMARK")),
)
_PERCENT = re.compile(r"(\d{1,3})\s?%")
_SIZES = re.compile(
    r"(\d{1,6}(?:\.\d{1,6})?)\s?/\s?(\d{1,6}(?:\.\d{1,6})?)\s?(GiB|GB|G|MiB|MB|M)\b"
)
_REFUSAL = re.compile(r"gated repo|GatedRepoError|40[13] Client Error|Invalid user token", re.I)


def read_start(source: Source) -> Progress:
    """From the log as it is now; nothing when it cannot be read in time."""
    return start_progress(async_to_sync(last_lines)(source, tail=LOOKED_AT))


def start_progress(lines: Sequence[LogLine]) -> Progress:
    stage, percent, note = "", None, ""
    begun: dict[str, datetime | None] = {}
    for line in lines:
        found = next((key for key, words in reversed(_STAGES) if words.search(line.text)), None)
        if found is None:
            continue
        if found != stage:
            stage, percent, note = found, None, ""
            begun.setdefault(found, moment(line.at))
        percent, note = _share(line.text, percent), _amount(line.text) or note
    return Progress(
        stage=stage,
        percent=percent if stage != "benchmark" else None,
        note=note,
        loading_at=begun.get("load"),
        benchmark_at=begun.get("benchmark"),
        refusal=_refusal(lines),
    )


def _share(text: str, before: int | None) -> int | None:
    found = _PERCENT.search(text)
    share = int(found[1]) if found else None
    return share if share is not None and share <= 100 else before


def _amount(text: str) -> str:
    found = _SIZES.search(text)
    return f"{found[1]} of {found[2]} {found[3]}" if found else ""


def _refusal(lines: Sequence[LogLine]) -> str:
    """Words of Hugging Face that refuse the model; the most telling line."""
    said = [line.text.strip() for line in lines if _REFUSAL.search(line.text)]
    return said[-1] if said else ""
