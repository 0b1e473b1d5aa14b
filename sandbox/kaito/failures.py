"""Failures that are asked for by name: an annotation on a Workspace or a Node.

They are for what has no natural cause in a sandbox, and last as long as the annotation does.
docs/sandbox.md is the list for people; failures with a natural cause are in triggers.py.
"""

from __future__ import annotations

from typing import Any

FAIL_ANNOTATION = "sandbox.kaitoweb/fail"

# On a Workspace.
CLAIM_REFUSED = "claim-refused"
CAPACITY = "capacity"
SKU_UNAVAILABLE = "sku-unavailable"
CLOUD_AUTH = "cloud-auth"
NODE_NOT_READY = "node-not-ready"
GPU_PLUGIN = "gpu-plugin"
OUT_OF_MEMORY = "oom"
OUT_OF_GPU_MEMORY = "cuda-oom"
DOWNLOAD_STALLS = "download-stalls"
BENCHMARK = "benchmark"
CRASH = "crash"
EVICTED = "evicted"
TRAINING = "training"

# On a Node.
LOST = "lost"
DISK_PRESSURE = "disk-pressure"
MEMORY_PRESSURE = "memory-pressure"

Raw = dict[str, Any]


def failure_of(obj: Raw | None) -> str:
    if obj is None:
        return ""
    return (obj["metadata"].get("annotations") or {}).get(FAIL_ANNOTATION, "")
