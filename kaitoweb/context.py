"""What the frame around every page shows: its pages, the clusters, and what this person may do.

Everything is lazy and costs one query at most, and none where the page does not show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import ResolverMatch, reverse
from django.utils.functional import SimpleLazyObject

from accounts import people
from clusters import queries
from clusters.models import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A link of the top bar."""

    key: str
    label: str
    icon: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The cluster and namespace that the page is about; empty means all."""

    cluster: str
    namespace: str
    namespaces: list[str]
    list_url: str


# key, label, icon, view
PAGES_WITH_ICONS = (
    ("workspaces", "Workspaces", "stack-2", "workspaces:list"),
    ("deploy", "Deploy", "rocket", "workspaces:deploy"),
    ("playground", "Playground", "message-2", "playground:page"),
    ("clusters", "Clusters", "affiliate", "clusters:list"),
    ("audit", "Audit", "shield-check", "admin:audit_entry_changelist"),
)
DEPLOY_VIEWS = frozenset({"deploy", "check"})  # of the room workspaces
SUPERUSER_PAGES = frozenset({"audit"})


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor; also for requests that failed before they had a person."""
    person = getattr(request, "user", None) or AnonymousUser()
    clusters = SimpleLazyObject(lambda: list(queries.watched_clusters(person)))
    return {
        "nav": SimpleLazyObject(lambda: _pages(request, person)),
        "clusters": clusters,
        "scope": SimpleLazyObject(lambda: _scope(request, clusters)),  # type: ignore[arg-type]
        "person_may_change": SimpleLazyObject(lambda: people.may_change(person)),
        "person_may_administer": SimpleLazyObject(lambda: people.may_administer(person)),
        "is_embedded": settings.KAITOWEB_EMBEDDED,
    }


def _pages(request: HttpRequest, person: people.Person) -> list[Page]:
    current = _current_page(request.resolver_match)
    return [
        Page(key=key, label=label, icon=icon, url=reverse(view), is_current=key == current)
        for key, label, icon, view in PAGES_WITH_ICONS
        if key not in SUPERUSER_PAGES or people.may_administer(person)
    ]


def _current_page(match: ResolverMatch | None) -> str:
    if match is None:
        return ""
    if match.app_name == "workspaces" and match.url_name in DEPLOY_VIEWS:
        return "deploy"
    return "audit" if match.app_name == "admin" else match.app_name


def _scope(request: HttpRequest, clusters: list[Cluster]) -> Scope:
    """From the page's address, else its filters; with one cluster only, that one."""
    kwargs = request.resolver_match.kwargs if request.resolver_match else {}
    cluster = kwargs.get("cluster") or request.GET.get("cluster", "")
    if not cluster and len(clusters) == 1:
        cluster = clusters[0].name
    found = next((c for c in clusters if c.name == cluster), None)
    return Scope(
        cluster=found.name if found else "",
        namespace=(kwargs.get("namespace") or request.GET.get("namespace", "")) if found else "",
        namespaces=found.namespaces if found else [],
        list_url=reverse("workspaces:list"),
    )
