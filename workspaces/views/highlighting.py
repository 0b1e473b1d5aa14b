"""YAML as lines of coloured parts, for templates; knows as much YAML as our own manifests hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(
    r"""(?P<indent>\ *)(?P<dashes>(?:-\ )*)(?:(?P<key>"[^"]*"|'[^']*'|[^\s:"'\#][^:]*):(?=\s|$))?(?P<rest>.*)""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"-?\d+(\.\d+)?|true|false|null|\[\]|\{\}")
_MARKS = {"error": "err", "warning": "chg"}


@dataclass(frozen=True, slots=True)
class Line:
    """`parts` are (style class, text); `mark` is a class for the whole line."""

    parts: tuple[tuple[str, str], ...]
    mark: str = ""


def yaml_lines(text: str, marks: Mapping[str, str] | None = None) -> list[Line]:
    """`marks` maps dotted paths (list items add nothing to a path) to "error" or "warning"."""
    return list(_lines(text, marks or {}))


def _lines(text: str, marks: Mapping[str, str]) -> Iterator[Line]:
    above: list[tuple[int, str]] = []  # indent and key of each mapping around the line
    for raw in text.splitlines():
        found = _LINE.fullmatch(raw)
        assert found is not None  # noqa: S101 - every part of the pattern may be empty
        depth = len(found["indent"]) + len(found["dashes"])
        if found["key"]:
            above = [(indent, key) for indent, key in above if indent < depth]
            above.append((depth, found["key"].strip("\"'")))
        path = ".".join(key for _, key in above) if found["key"] else ""
        yield Line(parts=tuple(_parts(found)), mark=_MARKS.get(marks.get(path, ""), ""))


def _parts(found: re.Match[str]) -> Iterator[tuple[str, str]]:
    value = found["rest"].lstrip(" ")
    gap = found["rest"][: len(found["rest"]) - len(value)]
    parts = (
        ("", found["indent"] + found["dashes"]),
        ("yk", found["key"]),
        ("", ":" if found["key"] else ""),
        ("", gap),
        (_style(value), value),
    )
    yield from ((style, text) for style, text in parts if text)


def _style(value: str) -> str:
    if value.startswith("#"):
        return "yc"
    return "yn" if _PLAIN.fullmatch(value) else "ys"
