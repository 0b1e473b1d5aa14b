"""What is said of a cluster: each state has its words, and none is taken for another."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from ruamel.yaml import YAML

from clusters import wording
from clusters.models import Cluster, WatchLease
from clusters.troubles import DEEDS, as_of, lacking, missing_rule, troubles_of
from clusters.wording import TroubleKind

NOW = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
THEN = NOW - timedelta(minutes=7)
HEARD = NOW - timedelta(seconds=3)


def stream(status=0, error="The cluster forbids this.", *, since=THEN, detail=""):
    told = {"state": "stale", "since": since.isoformat(), "error": error, "status": status}
    return told | {"reason": "", "detail": detail}


def cluster(state="ok", *, watched=True, **values):
    """Not saved: nothing here asks the database."""
    given = {"last_contact_at": HEARD, "created_at": NOW - timedelta(days=1), **values}
    made = Cluster(
        name="prod", kind="kubeconfig", endpoint="https://10.0.0.1", state=state, **given
    )
    if watched:
        made.watch_lease = WatchLease(cluster=made, expires_at=NOW + timedelta(seconds=6))
    return made


def kinds(made):
    return [t.kind for t in troubles_of(made, now=NOW)]


def only(made):
    (trouble,) = troubles_of(made, now=NOW)
    return trouble


CASES = [
    (cluster(), None, None),
    (cluster(watched=False), None, None),  # just now; another worker takes over
    (cluster(watched=False, last_contact_at=THEN), TroubleKind.UNWATCHED, THEN),
    (cluster("unreachable", watched=False, last_contact_at=THEN), TroubleKind.UNWATCHED, THEN),
    (cluster("unreachable", last_contact_at=THEN), TroubleKind.UNREACHABLE, THEN),
    (cluster("unreachable", streams={"pulse": stream()}), TroubleKind.UNREACHABLE, THEN),
    (cluster("unreachable", streams={"workspaces": stream(503)}), TroubleKind.FAILING, THEN),
    (cluster("denied", streams={"workspaces": stream(401)}), TroubleKind.REJECTED, THEN),
    (cluster("denied", last_error_at=THEN), TroubleKind.REJECTED, THEN),
    (cluster("denied", streams={"workspaces": stream(403)}), TroubleKind.FORBIDDEN, THEN),
    (cluster("kaito-missing", streams={"workspaces": stream(404)}), TroubleKind.KAITO_MISSING, THEN),
    (cluster("unknown"), TroubleKind.NEW, None),
    (cluster(last_contact_at=NOW - timedelta(seconds=61)), TroubleKind.SILENT, NOW - timedelta(seconds=61)),
]  # fmt: skip


@pytest.mark.parametrize(("made", "kind", "since"), CASES)
def test_the_main_trouble_is_told_with_its_time(made, kind, since):
    assert [(t.kind, t.since) for t in troubles_of(made, now=NOW)] == (
        [(kind, since)] if kind else []
    )


@pytest.mark.parametrize(("made", "kind", "since"), CASES)
def test_rows_are_as_of_then_where_the_trouble_makes_them_old(made, kind, since):
    assert as_of(made, now=NOW) == (since if kind and kind.makes_old else None)


def test_what_was_never_heard_is_as_of_its_connection():
    assert as_of(cluster("unreachable", last_contact_at=None), now=NOW) == NOW - timedelta(days=1)


def test_every_trouble_has_words_of_its_own():
    told = [wording.told(kind, "prod") for kind in wording._WORDS]

    assert len({t.title for t in told}) == len({t.word for t in told}) == len(told)
    assert {t.kind for t in told} == set(TroubleKind) - {TroubleKind.QUEUE}
    assert [t.title for t in told if "{" in t.title + t.text] == []


def test_forbidden_kinds_are_named_with_the_rule_and_what_they_are_for():
    made = cluster(streams={"pods": stream(403), "events": stream(403)})

    trouble = only(made)

    assert trouble.kind == TroubleKind.PARTIAL
    assert trouble.title == "kaitoweb may not watch pods and events in prod"
    assert "cannot say why a workspace is not ready or show events and the timeline" in trouble.text
    assert trouble.plurals == ("pods", "events")
    assert "All workspaces are shown" in trouble.text


def test_a_kind_that_is_only_behind_is_told_apart_from_a_forbidden_one():
    error = "The cluster did not answer in time."
    made = cluster(streams={"pods": stream(503, error, detail="etcd"), "jobs": stream(403)})

    forbidden, behind = troubles_of(made, now=NOW)

    assert (forbidden.kind, forbidden.plurals) == (TroubleKind.PARTIAL, ("jobs",))
    assert (behind.title, behind.when_word, behind.since) == (
        "Some of prod is old: its pods are shown",
        "as of",
        THEN,
    )
    assert (behind.error, behind.said) == (error, "etcd")


def test_a_kind_that_the_cluster_does_not_have_is_no_trouble():
    assert kinds(cluster(streams={"nodeclaims": stream(404)})) == []


def test_a_main_trouble_hides_what_concerns_only_a_part():
    assert kinds(cluster("unreachable", streams={"pods": stream(403)})) == [TroubleKind.UNREACHABLE]


def test_the_rule_is_yaml_that_allows_what_is_missing_to_the_account_there():
    made = cluster(identity={"username": "system:serviceaccount:kaitoweb:web"})
    made.capabilities = {"rights": [
        {"verb": "get", "resource": "pods", "group": "", "allowed": False, "purpose": ""},
        {"verb": "list", "resource": "events", "group": "", "allowed": True, "purpose": ""},
    ]}  # fmt: skip

    role, binding = YAML(typ="safe").load_all(missing_rule(made, ["pods", "events"]))

    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]},
    ]
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "kaitoweb-pods-events"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "kaitoweb", "name": "web"}
    ]


@pytest.mark.parametrize("name", ["kaito\nweb: [", 'me"', "system:serviceaccount:x", ""])
def test_the_rule_survives_whatever_the_cluster_calls_us(name):
    made = cluster(identity={"username": name})

    _, binding = YAML(typ="safe").load_all(missing_rule(made, ["pods"]))

    assert binding["subjects"][0]["kind"] == "User"
    assert binding["subjects"][0]["name"] == (name or "THE-ACCOUNT-OF-KAITOWEB")


def test_the_clusters_own_words_stand_apart_and_are_trimmed():
    made = cluster("unreachable", last_error="Nothing answers.", last_contact_at=THEN)
    made.streams = {
        "workspaces": stream(0, "Nothing answers.", detail="x" * 1000),
        "pulse": stream(),
    }

    trouble = only(made)

    assert (trouble.error, trouble.said[:3], len(trouble.said)) == ("Nothing answers.", "xxx", 300)


@pytest.mark.parametrize(
    ("namespaces", "words"),
    [
        (["a"], "the namespace a"),
        (["a", "b"], "the namespaces a and b"),
        (list("abcdefg"), "7 namespaces"),
    ],
)
def test_what_can_be_seen_in_some_namespaces_only_is_no_fault(namespaces, words):
    seen = {"state": "ok", "namespaces": namespaces, "polling": True}
    made = cluster(streams={"workspaces": seen, "pods": seen})

    trouble = only(made)

    assert (trouble.kind, trouble.title) == (
        TroubleKind.NARROW,
        f"Of prod only {words} can be seen",
    )
    assert "may not list workspaces and pods in the whole cluster" in trouble.text
    assert 'verbs: ["list", "watch"]' in trouble.remedy
    assert as_of(made, now=NOW) is None


def test_what_may_be_listed_but_not_watched_is_late():
    made = cluster(streams={"jobs": {"state": "ok", "polling": True}})

    assert only(made).title == "Changes of jobs in prod appear some seconds late"


def rights(resource, *denied):
    common = {"resource": resource, "group": "", "purpose": ""}
    return [{"verb": verb, "allowed": False, **common} for verb in denied]


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("deploy", "kaitoweb may not create workspaces in prod"),
        ("prompt", "kaitoweb may not prompt models in prod"),
        ("logs", "kaitoweb may not read logs in prod"),
    ],
)
def test_what_a_page_is_for_may_lack_a_right(deed, words):
    resource, verb, _ = DEEDS[deed]
    made = cluster(capabilities={"rights": rights(resource, verb)})

    trouble = lacking(made, deed)

    assert (trouble.title, trouble.kind.makes_old) == (words, False)
    assert f'resources: ["{resource}"]\n  verbs: ["{verb}"]' in trouble.remedy
    assert [other for other in DEEDS if lacking(made, other)] == [deed]


def test_a_right_is_not_missed_where_the_cluster_did_not_say_or_gives_it_by_namespace():
    narrow = {"workspaces": {"state": "ok", "namespaces": ["a"]}}
    denied = {"rights": rights("workspaces", "create")}

    assert lacking(cluster(), "deploy") is None
    assert lacking(cluster(capabilities=denied), "delete") is None
    assert lacking(cluster(capabilities=denied, streams=narrow), "deploy") is None


def test_streams_are_plain_json():
    """They come from a column that an older version may have written."""
    made = cluster(streams=json.loads('{"pods": {"state": "stale", "error": "x"}, "jobs": null}'))

    assert only(made).plurals == ("pods",)
