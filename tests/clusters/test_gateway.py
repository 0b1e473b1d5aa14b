from __future__ import annotations

import os
import threading
import time

import pytest

from clusters import gateway as gateways
from clusters.credentials import seal
from clusters.errors import Conflict, NotFound, Unreachable
from clusters.gateway import Gateway
from clusters.targets import NODECLAIMS, PODS, WORKSPACES
from clusters.transport import USER_AGENT
from clusters.watching import watch
from tests.clusters.certificates import Authority, server_context
from tests.clusters.scripted import answers, event, page, pod, refuses, scripted, silence, streams

OBJECT = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"namespace": "team a", "name": "x"},
}
PATH = "/apis/kaito.sh/v1beta1/namespaces/team%20a/workspaces"
DONE = answers(200, OBJECT)


def asked(server):
    """(method, path, query, body, content type) of the only request."""
    (only,) = server.asked
    return (
        only.method,
        only.path,
        only.query,
        only.body and only.json,
        only.headers.get("content-type"),
    )


def test_create_posts_strictly_and_as_kaitoweb(server, gateway):
    server.script("call", answers(201, OBJECT))

    created = gateway.create(WORKSPACES, OBJECT)

    assert created == OBJECT
    assert asked(server) == (
        "POST",
        PATH,
        {"fieldManager": "kaitoweb", "fieldValidation": "Strict"},
        OBJECT,
        "application/json",
    )


def test_create_tells_a_taken_name_and_is_tried_once(server, gateway):
    server.script("call", refuses(409, "AlreadyExists"))

    with pytest.raises(Conflict) as caught:
        gateway.create(WORKSPACES, OBJECT)

    assert (caught.value.kind, len(server.asked)) == ("exists", 1)


def test_apply_sends_only_what_is_given(server, gateway):
    server.script("call", answers(201, OBJECT))

    applied = gateway.apply(WORKSPACES, OBJECT, dry_run=True)

    assert applied == OBJECT
    query = {
        "fieldManager": "kaitoweb",
        "fieldValidation": "Strict",
        "force": "false",
        "dryRun": "All",
    }
    assert asked(server) == ("PATCH", PATH + "/x", query, OBJECT, "application/apply-patch+yaml")


def test_patch_merge_patches(server, gateway):
    server.script("call", DONE)

    gateway.patch_merge(WORKSPACES, "team a", "x", {"metadata": {"labels": {"a": None}}})

    assert asked(server) == (
        "PATCH",
        PATH + "/x",
        {"fieldManager": "kaitoweb"},
        {"metadata": {"labels": {"a": None}}},
        "application/merge-patch+json",
    )


@pytest.mark.parametrize(("dry_run", "more"), [(False, {}), (True, {"dryRun": ["All"]})])
def test_delete_puts_all_options_into_the_body(server, gateway, dry_run, more):
    server.script("call", DONE)

    gateway.delete(WORKSPACES, "team a", "x", uid="u-1", dry_run=dry_run)

    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u-1"},
        "propagationPolicy": "Background",
    }
    assert asked(server) == ("DELETE", PATH + "/x", {}, {**options, **more}, "application/json")


def test_get_reads_a_cluster_wide_object(server, gateway):
    server.script("list", DONE)

    gateway.get(NODECLAIMS, "team-a", "ws1")

    assert asked(server) == ("GET", "/apis/karpenter.sh/v1/nodeclaims/ws1", {}, b"", None)


def test_every_request_says_who_asks(server, gateway):
    server.script("list", DONE)

    gateway.get(WORKSPACES, "default", "x")

    sent = server.asked[0].headers
    assert (sent["authorization"], sent["user-agent"], sent["accept-encoding"]) == (
        "Bearer s3cret",
        "kaitoweb/0.1.0",
        "identity",
    )


def test_user_agent_names_the_version_of_the_project(pytestconfig):
    assert (
        f'\nversion = "{USER_AGENT.removeprefix("kaitoweb/")}"\n'
        in (pytestconfig.rootpath / "pyproject.toml").read_text()
    )


def test_gateway_takes_no_proxy_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.script("list", answers(200, {"gitVersion": "v1.37.0"}))

    assert Gateway(server.cluster()).version() == "v1.37.0"


def test_gateway_follows_no_redirect(server, gateway):
    server.script("list", answers(307, b"", headers=["Location: /elsewhere"]), DONE)

    with pytest.raises(Unreachable) as caught:
        gateway.version()

    assert (caught.value.reason, len(server.asked)) == ("Redirected", 1)


def test_gateway_does_not_sleep_on_retry_after(server, gateway):
    server.script("list", refuses(503, headers=["Retry-After: 30"]))
    began = time.monotonic()

    with pytest.raises(Unreachable) as caught:
        gateway.version()

    assert (caught.value.retry_after_s, time.monotonic() - began < 10) == (30, True)


def test_gateway_gives_up_on_a_silent_server(server, gateway, monkeypatch):
    monkeypatch.setattr(gateways, "WRITE", (1, 0.2))
    server.script("call", silence())

    with pytest.raises(Unreachable) as caught:
        gateway.create(WORKSPACES, OBJECT)

    assert (caught.value.reason, caught.value.outcome_unknown, len(server.asked)) == (
        "Timeout",
        True,
        1,
    )


def test_gateway_uses_a_connection_again_after_an_error(server, gateway):
    server.script("list", refuses(404, "NotFound"), answers(200, {"gitVersion": "v1"}))

    with pytest.raises(NotFound):
        gateway.get(WORKSPACES, "default", "x")

    assert gateway.version() == "v1"


def test_log_lines_are_split_at_line_feeds_only(server, gateway):
    server.script("list", answers(200, b"a 10%\r20%\x85x\n\nb\xff\n"))

    lines = gateway.log_lines("ns", "x-0", container="main", tail=5, previous=True)

    assert lines == ["a 10%\r20%\ufffdx", "", "b\ufffd"]
    query = {
        "container": "main",
        "tailLines": "5",
        "limitBytes": "4194304",
        "timestamps": "true",
        "previous": "true",
    }
    assert asked(server)[1:3] == ("/api/v1/namespaces/ns/pods/x-0/log", query)


def test_log_lines_of_an_empty_log_are_none(server, gateway):
    server.script("list", answers(200, b""))

    assert gateway.log_lines("ns", "x-0", container="main", tail=5) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answers(201, {"status": {"allowed": True}}), True),
        (answers(201, {"status": {"allowed": False}}), False),
        (answers(201, {}), None),
        (refuses(500), None),
    ],
)
def test_may_says_what_the_cluster_says(server, gateway, answer, expected):
    server.script("call", answer)

    assert gateway.may("get", "", "pods", subresource="log") is expected
    assert asked(server)[3]["spec"] == {
        "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log"}
    }


def test_whoami_reads_the_user(server, gateway):
    server.script("call", answers(201, {"status": {"userInfo": {"username": "me"}}}))

    assert gateway.whoami() == {"username": "me"}


def test_list_asks_for_everything_where_pages_are_not_wanted(server, gateway):
    server.script("list", answers(200, page([], version="3")))

    assert gateway.list(PODS, limit=0).resource_version == "3"
    assert asked(server)[2] == {"labelSelector": "kaito.sh/workspace"}


@pytest.fixture(scope="module")
def authority():
    return Authority()


def test_gateway_trusts_the_clusters_own_authority(authority, tmp_path):
    with scripted(server_context(authority, tmp_path)) as server:
        server.script("list", answers(200, {"gitVersion": "v1"}))

        assert Gateway(server.cluster(ca_pem=authority.pem)).version() == "v1"


def test_gateway_trusts_no_other_authority(authority, tmp_path):
    with scripted(server_context(authority, tmp_path)) as server:
        stranger = Gateway(server.cluster(ca_pem=Authority().pem))
        with pytest.raises(Unreachable) as caught:
            stranger.version()

    assert (caught.value.reason, server.asked) == ("Certificate", [])


@pytest.mark.parametrize(("name", "works"), [("server", True), ("another", False)])
def test_gateway_checks_the_name_that_the_kubeconfig_gives(authority, tmp_path, name, works):
    with scripted(server_context(authority, tmp_path)) as server:
        server.script("list", answers(200, {"gitVersion": "v1"}))
        gateway = Gateway(server.cluster(ca_pem=authority.pem, tls_server_name=name))
        if works:
            assert gateway.version() == "v1"
        else:
            with pytest.raises(Unreachable):
                gateway.version()


def test_gateway_shows_its_client_certificate(authority, tmp_path):
    certificate, key = authority.issue("kaitoweb")
    secrets = seal({"client_certificate_pem": certificate, "client_key_pem": key})
    with scripted(server_context(authority, tmp_path, demand_client=True)) as server:
        server.script("list", answers(200, {"gitVersion": "v1"}))
        gateway = Gateway(server.cluster(ca_pem=authority.pem, sealed_credentials=secrets))

        assert gateway.version() == "v1"
        assert "authorization" not in server.asked[0].headers


def test_watch_over_tls_stops_while_it_waits(authority, tmp_path):
    with scripted(server_context(authority, tmp_path)) as server:
        server.script("list", answers(200, page([], version="1")))
        server.script("watch", streams(event("ADDED", pod(1, 2)), then="hold"))
        gateway, stop = Gateway(server.cluster(ca_pem=authority.pem)), threading.Event()
        thread = threading.Thread(target=lambda: list(watch(gateway, PODS, stop=stop)))
        thread.start()
        time.sleep(0.3)

        stop.set()
        thread.join(2)

        assert not thread.is_alive()


def test_a_stop_does_not_touch_requests_of_other_threads(server, gateway):
    """A connection that a watch has used serves somebody else while the watch pauses."""
    slow = streams(b'{"gitVersion":', b'"v1"}', every_s=0.25)
    server.script("list", refuses(403, "Forbidden"), slow)
    stop = threading.Event()

    def consume():
        for _ in watch(gateway, PODS, stop=stop):
            time.sleep(0.8)  # still busy with what it heard when it is told to stop

    thread = threading.Thread(target=consume)
    thread.start()
    time.sleep(0.2)
    stop.set()

    assert gateway.version() == "v1"
    thread.join(2)
    assert len(server.asked) == 2


def test_for_cluster_keeps_one_gateway_for_each_revision(server):
    cluster = server.cluster(pk=7001)
    first = gateways.for_cluster(cluster)

    assert gateways.for_cluster(cluster) is first
    cluster.revision += 1
    second = gateways.for_cluster(cluster)
    assert second is not first
    gateways.forget(cluster)
    assert gateways.for_cluster(cluster) is not second
    gateways.forget(cluster)


def test_for_cluster_shares_nothing_over_a_fork(server, monkeypatch):
    cluster = server.cluster(pk=7002)
    first = gateways.for_cluster(cluster)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert gateways.for_cluster(cluster) is not first
    gateways.forget(cluster)
