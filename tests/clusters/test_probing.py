from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from clusters import probing
from clusters.errors import Denied
from clusters.gateway import Gateway
from clusters.kubeconfigs import parse_kubeconfig
from clusters.models import ClusterKind
from clusters.services import _built
from tests.clusters.scripted import answers, refuses
from tests.servers import run_sandbox


@pytest.fixture(scope="module")
def sandbox():
    with run_sandbox() as running:
        yield running


def probed(sandbox, user):
    cluster = _built("sandbox", ClusterKind.SANDBOX, parse_kubeconfig(sandbox.kubeconfig(user)))
    gateway = Gateway(cluster)
    try:
        return probing.probe(gateway)
    finally:
        gateway.close()


def test_probe_of_the_sandbox_finds_kaito_and_all_rights(sandbox):
    findings = probed(sandbox, "kaitoweb")

    assert findings.identity["username"] == "system:serviceaccount:kaitoweb:kaitoweb"
    assert (findings.has_kaito, findings.kubernetes_version[:2]) == (True, "v1")
    assert "workspaces" in findings.served["kaito.sh/v1beta1"]
    assert [r for r in findings.rights if r.allowed is not True] == []
    assert "default" in findings.namespaces


def test_probe_with_a_viewers_token_tells_what_is_missing(sandbox):
    findings = probed(sandbox, "viewer")

    missing = {(r.verb, r.resource) for r in findings.rights if r.allowed is False}
    assert missing == {
        ("create", "workspaces"),
        ("delete", "workspaces"),
        ("create", "services/proxy"),
    }


def test_probe_raises_when_it_is_not_let_in(server, gateway):
    server.script("list", refuses(401, "Unauthorized"))

    with pytest.raises(Denied):
        probing.probe(gateway)


def test_probe_tolerates_a_cluster_that_knows_no_reviews(server, gateway):
    server.script("list", answers(200, {"gitVersion": "v1.27.0"}))
    server.script("call", refuses(404))

    findings = probing.probe(gateway)

    assert (findings.identity, findings.has_kaito, findings.kaito_version) == ({}, False, "")
    assert {r.allowed for r in findings.rights} == {None}


@pytest.mark.parametrize(
    ("kinds", "fields", "words"),
    [
        ([], (), ""),
        (["workspaces"], (), "0.7 or earlier"),
        (["inferencesets", "workspaces"], (), "0.8"),
        (["workspaces"], ("state",), "0.9"),
        (["workspaces"], ("state", "performance"), "0.10 or later"),
        (["modelmirrors", "workspaces"], ("performance",), "0.11 or later"),
    ],
)
def test_guess_narrows_the_version_down(kinds, fields, words):
    assert (
        probing.guess_kaito_version({"kaito.sh/v1beta1": kinds, "v1": ["modelmirrors"]}, fields)
        == words
    )


def test_wanted_role_is_yaml_with_every_need():
    role = YAML(typ="safe").load(probing.wanted_role())

    assert (role["kind"], role["metadata"]) == ("ClusterRole", {"name": "kaitoweb"})
    assert [(r["resources"], tuple(r["verbs"])) for r in role["rules"]] == [
        ([n.resource], n.verbs) for n in probing.NEEDS
    ]


def test_right_names_its_own_rule():
    right = probing.Right(verb="get", group="", resource="pods/log", purpose="", allowed=False)

    assert YAML(typ="safe").load(right.rule) == [
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}
    ]
