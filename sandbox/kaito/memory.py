"""Whether a model fits into its container's memory limit. Pure."""

from __future__ import annotations

import re
from typing import Any

from sandbox.kaito.presets import GIB, model_of
from sandbox.kaito.serving import Serving

UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
OVERHEAD = GIB // 4  # Python, torch and the tokenizer

Raw = dict[str, Any]


def is_too_large(container: Raw, serving: Serving) -> bool:
    """Weights in float32 take twice the room of the 16-bit ones that sizes are given for."""
    limit = _bytes(((container.get("resources") or {}).get("limits") or {}).get("memory"))
    if limit is None or not serving.is_download:
        return False
    factor = 2 if serving.dtype.endswith("float32") else 1
    return factor * model_of(serving.model_id).weights_bytes + OVERHEAD > limit


def _bytes(quantity: object) -> int | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]i?|Ki)?", str(quantity))
    return int(float(found.group(1)) * UNITS[found.group(2) or ""]) if found else None
