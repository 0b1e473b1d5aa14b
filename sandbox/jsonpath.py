"""The part of Kubernetes' JSONPath that printer columns use: `.a.b\\.c`, `[0]`,
`[?(@.type=="Ready")]`.

https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

from __future__ import annotations

import re
from functools import lru_cache

from sandbox.shapes import Json

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)
      | \[(?P<index>-?\d+)\]
      | \['(?P<quoted>[^']+)'\]
      | \[\?\(@\.(?P<key>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]""",
    re.VERBOSE,
)

Step = str | int | tuple[str, str]


def first(obj: Json, path: str) -> Json:
    """The value at a path; None when something on the way is missing."""
    here = obj
    for step in _steps(path):
        here = _follow(here, step)
        if here is None:
            return None
    return here


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[Step, ...]:
    return tuple(_step(found) for found in _STEP.finditer(path))


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return int(found["index"])
    if found["key"] is not None:
        return (found["key"], found["value"])
    if found["quoted"] is not None:
        return found["quoted"]
    return re.sub(r"\\(.)", r"\1", found["field"])


def _follow(here: Json, step: Step) -> Json:
    if isinstance(step, str):
        return here.get(step) if isinstance(here, dict) else None
    if not isinstance(here, list):
        return None
    if isinstance(step, int):
        return here[step] if -len(here) <= step < len(here) else None
    key, value = step
    return next((item for item in here if str(item.get(key)) == value), None)
