"""What the frame shows: pages, scope, rights; lazily."""

from __future__ import annotations

import types

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import ResolverMatch
from django.utils import timezone

from clusters.models import Cluster, ClusterKind
from kaitoweb import context

pytestmark = pytest.mark.django_db


def frame(person, *, path="/", app="workspaces", view="list", kwargs=None):
    request = RequestFactory().get(path)
    request.user = person
    request.resolver_match = ResolverMatch(
        lambda _request: None, (), kwargs or {}, url_name=view, app_names=[app], namespaces=[app]
    )
    return context.frame(request)


def connect(name, **fields):
    return Cluster.objects.create(
        name=name, kind=ClusterKind.KUBECONFIG, endpoint="https://127.0.0.1", **fields
    )


def current(frame_context):
    return [page.key for page in frame_context["nav"] if page.is_current]


def test_frame_costs_no_query_until_it_is_shown(alice, django_assert_num_queries):
    with django_assert_num_queries(0):
        frame(alice)


def test_frame_costs_one_query_when_all_of_it_is_shown(alice, django_assert_num_queries):
    connect("one")

    with django_assert_num_queries(1):
        shown = frame(alice)
        assert [page.key for page in shown["nav"]][:2] == ["workspaces", "deploy"]
        assert shown["scope"].cluster == "one"
        assert len(shown["clusters"]) == 1


def test_nav_shows_audit_to_administrators_only(alice, bob):
    pages = ["workspaces", "deploy", "playground", "clusters"]

    assert [page.key for page in frame(bob)["nav"]] == pages
    assert [page.url for page in frame(bob)["nav"]] == [
        "/workspaces/",
        "/deploy/",
        "/playground/",
        "/clusters/",
    ]
    assert [page.key for page in frame(alice)["nav"]] == [*pages, "audit"]


@pytest.mark.parametrize(
    ("app", "view", "key"),
    [
        ("workspaces", "list", "workspaces"),
        ("workspaces", "detail", "workspaces"),
        ("workspaces", "deploy", "deploy"),
        ("playground", "page", "playground"),
        ("clusters", "connect", "clusters"),
        ("admin", "audit_entry_changelist", "audit"),
    ],
)
def test_nav_marks_the_page_it_is_on(alice, app, view, key):
    assert current(frame(alice, app=app, view=view)) == [key]


def test_frame_of_a_request_that_never_met_a_person():
    request = RequestFactory().get("/")
    request.resolver_match = None

    shown = context.frame(request)

    assert not shown["person_may_change"]
    assert list(shown["clusters"]) == []
    assert current(shown) == []
    assert shown["scope"].cluster == ""


def test_frame_hides_clusters_from_strangers(django_assert_num_queries):
    connect("one")

    with django_assert_num_queries(0):
        assert list(frame(AnonymousUser())["clusters"]) == []


def test_frame_leaves_out_clusters_that_are_disconnected(bob):
    connect("gone", disconnected_at=timezone.now())
    connect("here")

    assert [cluster.name for cluster in frame(bob)["clusters"]] == ["here"]


def test_frame_says_what_the_person_may_do(alice, bob, dora):
    rights = {
        person.username: (
            bool(frame(person)["person_may_change"]),
            bool(frame(person)["person_may_administer"]),
        )
        for person in (alice, bob, dora)
    }

    assert rights == {"alice": (True, True), "bob": (False, False), "dora": (True, False)}


def scope_of(shown):
    scope = shown["scope"]
    return types.SimpleNamespace(where=(scope.cluster, scope.namespace), menu=scope.namespaces)


def test_scope_is_the_only_cluster(bob):
    connect("one", namespaces=["team-a", "team-b"])

    scope = scope_of(frame(bob))

    assert scope.where == ("one", "")
    assert scope.menu == ["team-a", "team-b"]


def test_scope_is_all_of_several_clusters(bob):
    connect("one")
    connect("two")

    assert scope_of(frame(bob)).where == ("", "")


def test_scope_follows_the_filters(bob):
    connect("one")
    connect("two")

    shown = frame(bob, path="/workspaces/?cluster=two&namespace=team-a")

    assert scope_of(shown).where == ("two", "team-a")


def test_scope_follows_the_address_before_the_filters(bob):
    connect("one")
    connect("two")

    shown = frame(
        bob,
        path="/?cluster=two",
        view="detail",
        kwargs={"cluster": "one", "namespace": "team-a", "name": "phi"},
    )

    assert scope_of(shown).where == ("one", "team-a")


def test_scope_of_an_unknown_cluster_is_empty(bob):
    connect("one")
    connect("two")

    assert scope_of(frame(bob, path="/?cluster=nope&namespace=x")).where == ("", "")
