"""What kubectl shows of a sandbox with models in it: every form of get, describe, logs, explain."""

import json

import pytest
import yaml

from tests.sandbox.kubectls import kubectl, pod_with_log, sandbox, space
from tests.sandbox.widgets import WIDGETS, widget

__all__ = ["kubectl", "sandbox", "space"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

READY, PRESET = "qwen2-5-coder-7b", "qwen2.5-coder-7b-instruct"
POD = f"{READY}-0"
SYSTEM_NODE = "aks-system-28431907-vmss000000"


@pytest.fixture
def team_a(kubectl):
    return kubectl.in_("team-a")


def test_what_the_server_is_and_serves(kubectl):
    assert "Server Version: v1.36.3" in kubectl("version")
    assert "control plane" in kubectl("cluster-info")
    versions = kubectl("api-versions").split()
    assert versions == sorted(versions)
    assert {"v1", "apps/v1", "kaito.sh/v1beta1", "events.k8s.io/v1"} <= set(versions)
    resources = kubectl.lines("api-resources", "--api-group=kaito.sh", "--no-headers")
    assert resources[0] == ["workspaces", "wk,wks", "kaito.sh/v1beta1", "true", "Workspace"]
    wide = kubectl.lines("api-resources", "--api-group=apps", "-o", "wide", "--no-headers")
    assert wide[1][-2:] == [
        "create,delete,deletecollection,get,list,patch,update,watch", "all",
    ]  # fmt: skip


def test_get_prints_the_columns_of_the_kind(kubectl):
    lines = kubectl.lines("get", "workspaces", "-A")

    assert lines[0][:3] == ["NAMESPACE", "NAME", "INSTANCE"]
    assert ["team-a", READY] in [line[:2] for line in lines]
    row = next(line for line in lines if line[1] == READY)
    assert row[2:7] == ["Standard_NC24ads_A100_v4", "True", "True", "True", "1"]


def test_get_by_short_name_category_and_several_kinds(team_a):
    assert team_a("get", "wk", READY, "-o", "name") == f"workspace.kaito.sh/{READY}\n"
    found = team_a("get", "all", "-o", "name").split()
    assert {f"pod/{POD}", f"service/{READY}", f"statefulset.apps/{READY}"} <= {*found}
    names = team_a("get", f"pod/{POD}", f"sts/{READY}", "-o", "name").split()
    assert names == [f"pod/{POD}", f"statefulset.apps/{READY}"]


@pytest.mark.parametrize("kind", ["workspace", "pod", "service", "statefulset"])
def test_wide_has_more_columns(team_a, kind):
    plain = team_a("get", kind).splitlines()[0].split()
    wide = team_a("get", kind, "-o", "wide").splitlines()[0].split()

    assert wide[: len(plain) - 1] == plain[: len(plain) - 1]
    assert len(wide) >= len(plain)


def test_get_as_yaml_and_json(team_a):
    from_yaml = yaml.safe_load(team_a("get", "wk", READY, "-o", "yaml"))
    from_json = json.loads(team_a("get", "wk", READY, "-o", "json"))
    listed = json.loads(team_a("get", "pods", "-o", "json"))

    assert from_yaml == from_json
    assert from_json["inference"]["preset"]["name"] == PRESET
    assert "managedFields" not in from_json["metadata"]
    assert (listed["kind"], listed["items"][0]["kind"]) == ("List", "Pod")
    shown = json.loads(team_a("get", "wk", READY, "-o", "json", "--show-managed-fields"))
    assert shown["metadata"]["managedFields"] != []


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("jsonpath={.status.state}", "Ready"),
        ('jsonpath={.status.conditions[?(@.type=="InferenceReady")].status}', "True"),
        ("go-template={{.inference.preset.name}}", PRESET),
        ("custom-columns=N:.metadata.name,STATE:.status.state", f"N STATE {READY} Ready"),
        ("name", f"workspace.kaito.sh/{READY}"),
    ],
)
def test_get_prints_one_value(team_a, form, expected):
    assert " ".join(team_a("get", "wk", READY, "-o", form).split()) == expected


def test_get_selects_sorts_and_shows_labels(kubectl, team_a):
    labelled = team_a("get", "pods", "-l", f"kaito.sh/workspace={READY}", "-o", "name")
    running = kubectl(
        "get", "pods", "-A", "--field-selector=status.phase=Running,metadata.namespace=kube-system",
        "--sort-by=.metadata.name", "-o", "name",
    ).split()  # fmt: skip
    shown = team_a("get", "pod", POD, "--show-labels", "--no-headers")
    columns = team_a.lines("get", "pod", POD, "-L", "kaito.sh/workspace", "--no-headers")

    assert labelled == f"pod/{POD}\n"
    assert [name.split("-")[0] for name in running] == ["pod/coredns", "pod/metrics"]
    assert f"kaito.sh/workspace={READY}" in shown
    assert columns[0][-1] == READY


def test_get_of_what_is_not_there(team_a):
    missing = team_a("get", "wk", "none", code=1)
    unknown = team_a("get", "gadgets", code=1)

    assert missing == 'Error from server (NotFound): workspaces.kaito.sh "none" not found\n'
    assert unknown == 'error: the server doesn\'t have a resource type "gadgets"\n'
    assert team_a("get", "wk", "none", "--ignore-not-found") == ""


def test_get_follows_changes(sandbox, space):
    watch = space.begun("get", "widgets", "-w", "--output-watch-events", "--no-headers")
    with watch:
        try:
            obj = widget(size=7)
            obj["metadata"]["namespace"] = space.namespace
            sandbox.call(lambda cluster: cluster.store.create(WIDGETS, obj, manager="k"))
            assert watch.stdout.readline().split()[:3] == ["ADDED", "w", "7"]
            space("delete", "widget", "w")
            assert watch.stdout.readline().split()[:2] == ["DELETED", "w"]
        finally:
            watch.kill()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (f"workspace/{READY}", ["Instance Type:  Standard_NC24ads_A100_v4", "WorkspaceSucceeded"]),
        (f"pod/{POD}", [f"Controlled By:  StatefulSet/{READY}", "QoS Class:", "Restart Count:  0"]),
        (f"service/{READY}", ["TargetPort:", "5000/TCP"]),
        (f"statefulset/{READY}", ["1 desired | 1 total", "1 Running / 0 Waiting"]),
        (f"node/{SYSTEM_NODE}", ["Container Runtime Version:  containerd", "Non-terminated Pods:"]),
        ("namespace/team-a", ["Status:       Active"]),
        (
            "crd/workspaces.kaito.sh",
            ["API Version:  apiextensions.k8s.io/v1", "InitialNamesAccepted"],
        ),
        ("clusterrole/kaitoweb", ["workspaces.kaito.sh", "[get list watch create update"]),
    ],
)
def test_describe_tells_of_it(team_a, what, told):
    said = team_a("describe", what)

    assert [text for text in told if text not in said] == []


def test_describe_tells_of_its_events(kubectl):
    assert "NodeClaimCreated" in kubectl("describe", "workspace", "llama-3-3-70b")


def test_events_are_listed_both_ways(kubectl):
    events = kubectl.lines("events", "--for", "workspace/llama-3-3-70b", "--no-headers")
    got = kubectl.lines("get", "events", "--field-selector=involvedObject.name=llama-3-3-70b")
    newer = kubectl.lines("get", "events.events.k8s.io", "--no-headers")

    assert {event[3] for event in events} == {"Workspace/llama-3-3-70b"}
    assert got[0] == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [line[2] for line in got[1:]] == [event[2] for event in events]
    assert {event[2] for event in events} <= {line[2] for line in newer}


def test_logs_are_read_cut_and_those_before_a_restart(sandbox, space):
    pod_with_log(sandbox, space.namespace, "one", "two", "three", before=["earlier"])

    assert space("logs", "p") == "one\ntwo\nthree\n"
    assert space("logs", "p", "--tail=1") == "three\n"
    assert space("logs", "p", "--previous") == "earlier\n"
    assert space("logs", "-l", "app=p", "--prefix") == "".join(
        f"[pod/p/c] {line}\n" for line in ("one", "two", "three")
    )
    stamped = space("logs", "p", "--timestamps", "--limit-bytes=4")
    assert len(stamped) == 4
    assert "container x is not valid for pod p" in space("logs", "p", "-c", "x", code=1)


def test_logs_are_followed(sandbox, space):
    uid = pod_with_log(sandbox, space.namespace, "hello")
    logs = space.begun("logs", "-f", "p")
    with logs:
        try:
            assert logs.stdout.readline() == "hello\n"
            sandbox.call(lambda cluster: cluster.logbook.append(uid, "c", "more"))
            assert logs.stdout.readline() == "more\n"
        finally:
            logs.kill()


def test_explain_walks_through_a_kind(kubectl):
    fields = kubectl("explain", "workspace", "--recursive")
    preset = kubectl("explain", "workspace.inference.preset")
    container = kubectl("explain", "pod.spec.containers")
    strategy = kubectl("explain", "deployments.spec.strategy.rollingUpdate")

    assert "GROUP:      kaito.sh\nKIND:       Workspace\nVERSION:    v1beta1\n" in fields
    assert "    preset\t<Object>\n" in fields
    assert "FIELD: preset <Object>" in preset
    assert "FIELD: containers <[]Container>" in container
    assert "name\t<string> -required-" in container
    assert "maxSurge\t<IntOrString>" in strategy


def test_the_server_is_asked_raw(kubectl):
    assert kubectl("get", "--raw", "/readyz") == "ok"
    assert json.loads(kubectl("get", "--raw", "/api"))["versions"] == ["v1"]
