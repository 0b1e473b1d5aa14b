"""Pages where something is asked for: deploy, delete, and what became of it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.people import caller
from accounts.refusals import refuse
from accounts.types import HtmxHttpRequest
from clusters.errors import Refused
from workspaces import feed, preflight, queries, services
from workspaces.forms import DeleteForm, DeployPage, deploy_page
from workspaces.models import Operation
from workspaces.types import OperationStatus
from workspaces.views import access
from workspaces.views.answering import answer, wants_part
from workspaces.views.highlighting import yaml_lines

UNPROCESSABLE = 422
FAILURES = (OperationStatus.FAILED, OperationStatus.REFUSED)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def deploy(request: HtmxHttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _submit(request)
    page = deploy_page(request.GET, person=request.user)
    if request.htmx.target == "models" and page.choice:
        return render(request, "workspaces/deploy_found.html", {"page": page})
    return _show(request, page)


@login_required
@require_POST
def check(request: HtmxHttpRequest) -> HttpResponse:
    """What the form makes of what is typed so far, or its manifest as a file. Nothing is asked of the cluster."""
    page = deploy_page(request.POST, person=request.user)
    if "download" in request.POST and page.form:
        return _file(page)
    return _show(request, page)


def _submit(request: HtmxHttpRequest) -> HttpResponse:
    page = deploy_page(request.POST, person=request.user, settle=False)
    if not page.may_deploy:
        refuse(request, "workspace.create", page.target)
    operation = page.earlier or _ask(request, page)
    if operation is None:
        return _show(request, page, status=UNPROCESSABLE)
    for warning in page.unjudged:
        messages.warning(request, warning.message)
    return redirect("workspaces:operation", pk=operation.pk)


def _ask(request: HtmxHttpRequest, page: DeployPage) -> Operation | None:
    """Our rules, then KAITO's judgement, then the wish; None when one of them refuses, and `page` then says why."""
    if page.is_refused or page.cluster is None:
        return None
    page.judge(preflight.dry_run(page.cluster, page.manifest))
    if page.is_refused:
        return None
    try:
        return services.deploy_workspace(
            page.manifest,
            cluster=page.cluster,
            by=caller(request),
            key=page.idempotency_key,
            reason=page.reason,
        )
    except Refused as refused:
        page.judge([preflight.FieldProblem(field=refused.field, message=refused.message)])
        return None


def _show(request: HtmxHttpRequest, page: DeployPage, *, status: int = 200) -> HttpResponse:
    is_part = wants_part(request) and page.form is not None
    template = "workspaces/deploy_answers.html" if is_part else "workspaces/deploy.html"
    context = {"page": page, "lines": yaml_lines(page.yaml, page.marks), "oob": is_part}
    return render(request, template, context, status=status)


def _file(page: DeployPage) -> HttpResponse:
    name = f"{page.name or 'workspace'}.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(page.yaml, content_type="application/yaml", headers=headers)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HtmxHttpRequest, cluster: str, namespace: str, name: str) -> HttpResponse:
    workspace = access.writable_workspace(
        request, cluster, namespace, name, action="workspace.delete"
    )
    form = DeleteForm(workspace, request.POST if request.method == "POST" else None)
    if form.is_valid() and _delete(request, form):
        return _to(request, queries.workspace_url(workspace))
    context = {"form": form, "workspace": workspace}
    response = answer(request, "workspaces/delete.html", "question", context)
    response.status_code = UNPROCESSABLE if form.is_bound else 200
    return response


def _delete(request: HtmxHttpRequest, form: DeleteForm) -> Operation | None:
    try:
        return services.delete_workspace(
            form.workspace,
            by=caller(request),
            key=form.cleaned_data["key"],
            reason=form.cleaned_data["reason"],
        )
    except Refused as refused:
        form.add_error(None, refused.message)
        return None


@login_required
@require_safe
def operation(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """What became of a wish; moves on to the workspace as soon as that can be seen."""
    page = queries.operation_page(request.user, pk)
    if page is None:
        raise Http404("There is no such operation, or you may not see it.")
    if page.workspace_url and page.status not in FAILURES:
        return _to(request, page.workspace_url)
    context = {"page": page, "is_queue_down": not feed.answers()}
    return answer(request, "workspaces/operation.html", "state", context)


def _to(request: HtmxHttpRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
