"""Pages that only show: the list, one workspace."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from accounts.types import HtmxHttpRequest
from workspaces import feed, logs, queries
from workspaces.views import access, highlighting
from workspaces.views.answering import answer, wants_part

PARTS = {"now", "endpoint", "tab"}


@login_required
@require_safe
def workspace_list(request: HtmxHttpRequest) -> HttpResponse:
    if wants_part(request) and "row" in request.GET:
        return _row(request, request.GET["row"])
    page = queries.workspace_list(request.user, queries.filters_from(request.GET))
    response = answer(request, "workspaces/list.html", "results", {"page": page})
    if request.htmx.trigger == "filters":
        response["HX-Push-Url"] = page.url  # without the filters that filter nothing
    return response


def _row(request: HtmxHttpRequest, uid: str) -> HttpResponse:
    """One row again; nothing where it is gone, which takes it off the table."""
    row = queries.workspace_row(request.user, uid.replace("\0", ""))
    if row is None:
        return HttpResponse()
    return answer(request, "workspaces/list.html", "row", {"row": row})


@login_required
@require_safe
def workspace_detail(
    request: HtmxHttpRequest, cluster: str, namespace: str, name: str
) -> HttpResponse:
    workspace = access.readable_workspace(request, cluster, namespace, name)
    page = queries.workspace_page(request.user, workspace, queries.asked_from(request.GET))
    part = request.GET.get("part", "tab")
    if part == "now" and "look" in request.GET:
        page = _told_by_log(page)
    context: dict[str, Any] = {"page": page, "row": page.row, "oob": wants_part(request)}
    if page.has_open_wish:
        context["is_queue_down"] = not feed.answers()
    if page.tab == "manifest":
        context["manifest_lines"] = highlighting.yaml_lines(page.manifest)
    return answer(request, "workspaces/detail.html", part if part in PARTS else "tab", context)


def _told_by_log(page: queries.WorkspacePage) -> queries.WorkspacePage:
    """Only for the fragment that is loaded after the page: a look into the log may take seconds."""
    target = page.log_target
    if target is None:
        return page
    source = logs.Source(
        cluster=page.row.cluster,
        namespace=page.row.namespace,
        pod=target.pod,
        container=target.container,
        previous=target.previous,
    )
    return page.told(logs.read_start(source))
