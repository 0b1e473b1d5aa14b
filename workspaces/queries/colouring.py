"""Shell and Python as lines of coloured pieces, so that templates need no markup of their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

Piece = tuple[str, str]  # class of kaitoweb.css (ys string, yn number, yc comment, yw word), text
Line = tuple[Piece, ...]

_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_PATTERNS = {
    "curl": re.compile(
        rf"(?P<yw>^curl\b| -{{1,2}}[A-Za-z]+\b)|(?P<ys>{_STRING})|(?P<yn>(?<=: )\d+)"
    ),
    "python": re.compile(
        rf"(?P<yc>\#.*$)|(?P<ys>{_STRING})|(?P<yw>\b(?:from|import|print|False|True)\b)|(?P<yn>\b\d+\b)"
    ),
}


def coloured(code: str, language: str) -> tuple[Line, ...]:
    """Every character of `code` is kept; only newlines become line ends."""
    pattern = _PATTERNS[language]
    return tuple(tuple(_pieces(line, pattern)) for line in code.split("\n"))


def _pieces(line: str, pattern: re.Pattern[str]) -> Iterator[Piece]:
    end = 0
    for match in pattern.finditer(line):
        if match.start() > end:
            yield "", line[end : match.start()]
        if match[0]:
            yield match.lastgroup or "", match[0]
        end = match.end()
    if end < len(line) or not line:
        yield "", line[end:]
