"""Gives a view the workspace that it is about, or ends the request: 404 for what one may not see, 403 for what one may not do."""

from __future__ import annotations

from django.http import Http404

from accounts import people, refusals
from accounts.types import HtmxHttpRequest
from audit.types import Target
from workspaces import queries
from workspaces.models import Workspace


def readable_workspace(
    request: HtmxHttpRequest, cluster: str, namespace: str, name: str
) -> Workspace:
    """The live one of that name, else the last that was; with ?uid= exactly that one."""
    uid = request.GET.get("uid", "").replace("\0", "")
    found = queries.find_workspace(request.user, cluster, namespace, name, uid=uid)
    if found is None:
        raise Http404("There is no such workspace, or you may not see it.")
    return found


def writable_workspace(
    request: HtmxHttpRequest, cluster: str, namespace: str, name: str, *, action: str
) -> Workspace:
    """As readable_workspace, for a person who may change it; else the refusal is recorded, and 403."""
    found = readable_workspace(request, cluster, namespace, name)
    if not people.may_change(request.user, cluster=found.cluster, namespace=found.namespace):
        target = Target(
            kind="Workspace", cluster=cluster, namespace=namespace, name=name, uid=found.uid
        )
        refusals.refuse(request, action, target)
    return found
