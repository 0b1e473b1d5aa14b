"""Logs of the pods of a workspace, on demand: followed, read once, or saved.

Speaks with the cluster inside a request, as one of the few rooms that may; never stores a line.
"""

from __future__ import annotations

from workspaces.logs.lines import LogLine
from workspaces.logs.reading import Notice, Source, follow, last_lines, whole
from workspaces.logs.starts import read_start, start_progress

__all__ = [
    "LogLine",
    "Notice",
    "Source",
    "follow",
    "last_lines",
    "read_start",
    "start_progress",
    "whole",
]
