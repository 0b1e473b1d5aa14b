"""Pages about clusters: who is connected and how it is, connect, test, disconnect."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.people import caller, may_administer
from accounts.refusals import refuse
from accounts.types import HtmxHttpRequest
from audit.types import Target
from clusters import queries, services
from clusters.errors import ClusterError, Refused
from clusters.forms import ConnectForm
from clusters.models import Cluster
from clusters.probing import wanted_role

UNPROCESSABLE = 422
LONGEST_NUMBER = 19  # digits; more fit neither a database's integer nor, in thousands, Python's


@login_required
@require_safe
def cluster_list(request: HtmxHttpRequest) -> HttpResponse:
    """All cards; to htmx the health of one (?health=…)."""
    asked = request.GET.get("health", "")
    if request.htmx and asked.isdecimal() and len(asked) < LONGEST_NUMBER:
        return _part(request, "health", _visible(request, int(asked)))
    context = {"cards": queries.cluster_list(request.user), "opened": request.GET.get("open", "")}
    response = render(request, "clusters/list.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HtmxHttpRequest) -> HttpResponse:
    """A new cluster, or with ?renew=<name> fresh credentials for one that is connected."""
    if not may_administer(request.user):
        refuse(request, "cluster.connect", Target(kind="Cluster"))
    old = _to_renew(request)
    if request.method != "POST":
        name = {"name": old.name} if old else {}
        return _connect_page(request, ConnectForm(person=request.user, initial=name), old)
    form = ConnectForm(request.POST, request.FILES, person=request.user)
    cluster = _connected(request, form, old)
    if cluster is None:
        return _connect_page(request, form, old, status=UNPROCESSABLE)
    done = "has a fresh sign-in" if old else "is connected"
    messages.success(request, f"{cluster.name} {done}.")
    return redirect(f"{reverse('clusters:list')}?open={cluster.pk}#cluster-{cluster.pk}")


@login_required
@require_POST
def test(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    cluster = _administered(request, pk, "cluster.test")
    try:
        services.test_cluster(cluster, by=caller(request))
    except ClusterError as error:
        messages.error(request, f"{cluster.name}: {error.message}")
    else:
        messages.success(request, f"{cluster.name} answers.")
    if request.htmx:
        return _part(request, "card", cluster)
    return redirect(f"{reverse('clusters:list')}?open={pk}#cluster-{pk}")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    cluster = _administered(request, pk, "cluster.disconnect")
    if request.method == "POST":
        services.disconnect_cluster(cluster, by=caller(request))
        messages.success(request, f"{cluster.name} is disconnected.")
        return redirect("clusters:list")
    return render(request, "clusters/disconnect.html", {"card": queries.cluster_health(cluster)})


def _to_renew(request: HtmxHttpRequest) -> Cluster | None:
    name = (request.POST if request.method == "POST" else request.GET).get("renew", "")
    if not name:
        return None
    return get_object_or_404(queries.visible_clusters(request.user), name=name.replace("\0", ""))


def _connected(request: HtmxHttpRequest, form: ConnectForm, old: Cluster | None) -> Cluster | None:
    """The cluster that the form connected or renewed, or None with the reason in the form."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    try:
        if old:
            services.renew_cluster(old, form.text, context=given["context"], by=caller(request))
            return old
        return services.connect_cluster(
            form.text, name=given["name"], context=given["context"], by=caller(request)
        )
    except Refused as refused:
        form.add_error(refused.field or None, refused.message)
        return None


def _connect_page(
    request: HtmxHttpRequest, form: ConnectForm, old: Cluster | None, *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "old": old, "role": wanted_role()}
    return render(request, "clusters/connect.html", context, status=status)


def _visible(request: HtmxHttpRequest, pk: int) -> Cluster:
    return get_object_or_404(queries.visible_clusters(request.user), pk=pk)


def _administered(request: HtmxHttpRequest, pk: int, action: str) -> Cluster:
    cluster = _visible(request, pk)
    if not may_administer(request.user):
        refuse(request, action, Target(kind="Cluster", cluster=cluster.name, name=cluster.name))
    return cluster


def _part(request: HtmxHttpRequest, part: str, cluster: Cluster) -> HttpResponse:
    context = {"card": queries.cluster_health(cluster), "opened": str(cluster.pk), "oob": True}
    response = render(request, f"clusters/list.html#{part}", context)
    patch_vary_headers(response, ["HX-Request"])
    return response
