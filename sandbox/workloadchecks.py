"""What the API server asks of a new workload: that it selects the pods which it makes.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/apps/validation/validation.go
"""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.resources import DEPLOYMENTS, REPLICASETS, STATEFULSETS, Resource
from sandbox.status import Cause

Object = dict[str, Any]

SELECTING = {row.key for row in (DEPLOYMENTS, REPLICASETS, STATEFULSETS)}


def check(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    if resource.key not in SELECTING or old is not None:
        return []
    spec = obj.get("spec") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    missing = Cause("FieldValueRequired", "spec.selector", "Required value")
    causes = [] if "selector" in spec else [missing]
    if not wanted.items() <= (labels or {}).items() or "selector" not in spec:
        said = orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()
        why = f"Invalid value: {said}: `selector` does not match template `labels`"
        causes.append(Cause("FieldValueInvalid", "spec.template.metadata.labels", why))
    return causes
