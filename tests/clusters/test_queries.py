from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from clusters import queries
from clusters.models import Cluster, WatchLease

pytestmark = pytest.mark.django_db


def cluster(name="one", **values):
    return Cluster.objects.create(
        **{"name": name, "kind": "kubeconfig", "endpoint": "https://10.0.0.1", **values}
    )


def right(verb, allowed, resource="pods", group=""):
    return {
        "verb": verb,
        "group": group,
        "resource": resource,
        "purpose": "see",
        "allowed": allowed,
    }


def test_visible_clusters_are_the_connected_ones_by_name(bob):
    cluster("b"), cluster("a"), cluster("gone", disconnected_at=timezone.now())

    assert [c.name for c in queries.visible_clusters(bob)] == ["a", "b"]
    assert not queries.visible_clusters(AnonymousUser()).exists()


@pytest.mark.parametrize("count", [1, 3])
def test_cluster_list_costs_one_query(bob, count, django_assert_num_queries):
    for number in range(count):
        cluster(f"c{number}", capabilities={"rights": [right("get", True)]})

    with django_assert_num_queries(1):
        assert len(queries.cluster_list(bob)) == count


@pytest.mark.parametrize(
    ("state", "silent_minutes", "word"),
    [
        ("ok", 0, "Connected"),
        ("ok", 5, "Silent"),
        ("unknown", None, "Not heard of yet"),
        ("unreachable", None, "Unreachable"),
        ("denied", None, "Sign-in rejected"),
        ("kaito-missing", None, "KAITO not installed"),
    ],
)
def test_health_says_the_state_in_words(state, silent_minutes, word):
    made = cluster(state=state)
    if silent_minutes is not None:
        made.last_contact_at = timezone.now() - timedelta(minutes=silent_minutes)
    WatchLease.objects.create(cluster=made, expires_at=timezone.now() + timedelta(seconds=9))

    card = queries.cluster_health(made)

    assert card.word == word
    assert (card.tone == "green") == (card.troubles == ()) == (word == "Connected")


def test_health_gathers_rights_by_resource_and_the_role_to_copy():
    rights = [
        right("get", True),
        right("list", False),
        right("get", None, "nodeclaims", "karpenter.sh"),
    ]

    card = queries.cluster_health(cluster(capabilities={"rights": rights}))

    assert [(p.resource, [r.allowed for r in p.verbs]) for p in card.permissions] == [
        ("pods", [True, False]),
        ("nodeclaims.karpenter.sh", [None]),
    ]
    assert (card.missing, card.unknown) == (1, 1)
    assert card.role.endswith(
        'rules:\n- apiGroups: [""]\n  resources: ["pods"]\n  verbs: ["list"]\n'
    )


def test_health_tells_a_kind_that_is_forbidden_from_one_that_is_not_there():
    streams = {
        "pods": {"state": "ok", "error": ""},
        "jobs": {"state": "stale", "error": "Forbidden.", "status": 403},
        "nodeclaims": {"state": "stale", "error": "Not served.", "status": 404},
        "pulse": {"error": "x"},
    }

    card = queries.cluster_health(
        cluster(state="ok", last_contact_at=timezone.now(), streams=streams)
    )

    assert [(t.kind, t.plurals) for t in card.troubles] == [("partial", ("jobs",))]
    assert (card.word, card.unserved) == ("Partly forbidden", ("nodeclaims",))


def test_health_of_a_cluster_that_was_never_asked_is_empty():
    card = queries.cluster_health(cluster())

    assert (card.kubernetes, card.username, card.permissions, card.role) == ("", "", (), "")
