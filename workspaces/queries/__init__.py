"""Every read that the pages need. Takes the person, returns small frozen values, never asks a cluster."""

from __future__ import annotations

from workspaces.queries.detail import (
    Asked,
    LogTarget,
    WorkspacePage,
    asked_from,
    find_workspace,
    workspace_page,
)
from workspaces.queries.elsewhere import OperationPage, Playable, operation_page, playable
from workspaces.queries.freshness import Freshness, freshness
from workspaces.queries.listing import (
    Filters,
    Row,
    Tiles,
    WorkspaceList,
    filters_from,
    tiles,
    visible_workspaces,
    workspace_list,
    workspace_row,
    workspace_url,
)

__all__ = [
    "Asked",
    "Filters",
    "Freshness",
    "LogTarget",
    "OperationPage",
    "Playable",
    "Row",
    "Tiles",
    "WorkspaceList",
    "WorkspacePage",
    "asked_from",
    "filters_from",
    "find_workspace",
    "freshness",
    "operation_page",
    "playable",
    "tiles",
    "visible_workspaces",
    "workspace_list",
    "workspace_page",
    "workspace_row",
    "workspace_url",
]
