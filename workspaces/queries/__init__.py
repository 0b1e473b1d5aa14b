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
from workspaces.queries.filtering import Filters, filters_from
from workspaces.queries.listing import (
    Row,
    Tiles,
    WorkspaceList,
    tiles,
    visible_workspaces,
    workspace_list,
    workspace_row,
    workspace_url,
)

__all__ = [
    "Asked",
    "Filters",
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
    "operation_page",
    "playable",
    "tiles",
    "visible_workspaces",
    "workspace_list",
    "workspace_page",
    "workspace_row",
    "workspace_url",
]
