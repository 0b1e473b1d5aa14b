"""kubectl, as people have it and four minor versions older, says the same words on both servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conformance.targets import wait_until
from tests.conformance.widgets import GROUP, widget, widgets_path

OLD = os.environ.get("KAITOWEB_OLD_KUBECTL")
VERSIONS = {"current": shutil.which("kubectl", path=str(Path(sys.executable).parent))}
VERSIONS |= {"old": OLD} if OLD else {}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Kubectl:
    def __init__(self, api, binary, cache):
        self.namespace = api.namespace()
        self._command = [binary, f"--kubeconfig={api.kubeconfig}", f"--cache-dir={cache}"]

    def __call__(self, *arguments, stdin=None, code=0):
        """What it prints; of errors too where one is expected."""
        done = subprocess.run(
            [*self._command, f"--namespace={self.namespace}", *arguments],
            input=json.dumps(stdin) if isinstance(stdin, dict) else stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        # Of a server that is much newer or older than itself.
        warnings = re.compile(r"WARNING: version difference.*\n")
        return self._plain(done.stdout + warnings.sub("", done.stderr if code else ""))

    def _plain(self, text):
        return text.replace(self.namespace, "NAMESPACE")

    def rows(self, *arguments):
        """Of a table: the words of each line, ages apart."""
        lines = [line.split() for line in self("get", *arguments).splitlines()]
        return [
            ["AGE" if re.fullmatch(r"\d+[smh]", word) else word for word in line] for line in lines
        ]


@pytest.fixture(params=list(VERSIONS))
def kubectl(api, request, tmp_path):
    return Kubectl(api, VERSIONS[request.param], tmp_path)


def test_apply_creates_changes_and_leaves_alone(kubectl):
    said = [
        kubectl("apply", "-f", "-", stdin=body)
        for body in (widget(size=1), widget(size=1), widget(size=2))
    ]

    name = f"widget.{GROUP}/w"
    assert said == [f"{name} created\n", f"{name} unchanged\n", f"{name} configured\n"]
    assert json.loads(kubectl("get", "widget", "w", "-o", "json"))["spec"]["size"] == 2


def test_apply_on_the_server_side_and_its_conflict(kubectl):
    apply = ["apply", "--server-side", "-f", "-"]
    first = kubectl(*apply, stdin=widget(size=1))
    kubectl("apply", "--server-side", "--field-manager=another", "--force-conflicts", "-f", "-",
            stdin=widget(size=2))  # fmt: skip

    refused = kubectl(*apply, stdin=widget(size=3), code=1)

    assert first == f"widget.{GROUP}/w serverside-applied\n"
    assert refused.startswith(
        'error: Apply failed with 1 conflict: conflict with "another": .spec.size\n'
    )


def test_diff_shows_what_would_change(kubectl):
    kubectl("apply", "-f", "-", stdin=widget(size=1))

    told = kubectl("diff", "-f", "-", stdin=widget(size=2), code=1)

    assert [line for line in told.splitlines() if re.match(r"[-+] ", line)] == [
        "-  generation: 1",
        "+  generation: 2",
        "-  size: 1",
        "+  size: 2",
    ]


def test_tables_have_the_columns_of_the_kind(kubectl):
    kubectl("apply", "-f", "-", stdin=widget("a", size=1))
    kubectl("apply", "-f", "-", stdin=widget("b", size=2))

    assert kubectl.rows("widgets") == [
        ["NAME", "SIZE", "AGE"],
        ["a", "1", "AGE"],
        ["b", "2", "AGE"],
    ]
    assert kubectl.rows("wd", "-o", "wide")[0] == ["NAME", "SIZE", "PHASE", "AGE"]
    assert kubectl("get", "wd", "-o", "name") == f"widget.{GROUP}/a\nwidget.{GROUP}/b\n"
    path = "jsonpath={.items[*].spec.size}"
    assert kubectl("get", "wd", "--sort-by=.metadata.name", "-o", path) == "1 2"


def test_selectors_choose(kubectl):
    for name in ("a", "b"):
        kubectl("apply", "-f", "-", stdin=widget(name, size=1))
    kubectl("label", "widget", "a", "tier=gold")

    assert kubectl("get", "wd", "-l", "tier", "-o", "name") == f"widget.{GROUP}/a\n"
    assert kubectl("get", "wd", "-l", "tier!=gold", "-o", "name") == f"widget.{GROUP}/b\n"
    field = "--field-selector=metadata.name=b"
    assert kubectl("get", "wd", field, "-o", "name") == f"widget.{GROUP}/b\n"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"nonsense": 1}, 'strict decoding error: unknown field "spec.nonsense"'),
        ({"colour": "green"}, 'Unsupported value: "green": supported values: "red", "blue"'),
        ({"size": "big"}, "spec.size"),
    ],
)
def test_a_bad_manifest_is_refused_in_words(kubectl, spec, words):
    body = widget() | {"spec": {"size": 1} | spec}

    assert words in kubectl("apply", "-f", "-", stdin=body, code=1)


def test_what_is_not_there_is_said(kubectl):
    missing = kubectl("get", "widget", "none", code=1)
    unknown = kubectl("get", "nonsense", code=1)

    assert missing == f'Error from server (NotFound): widgets.{GROUP} "none" not found\n'
    assert unknown == 'error: the server doesn\'t have a resource type "nonsense"\n'


def test_kinds_that_go_as_protobuf(kubectl):
    said = [
        kubectl("create", "configmap", "c", "--from-literal=a=1"),
        kubectl("create", "secret", "generic", "s", "--from-literal=a=1"),
        kubectl("create", "serviceaccount", "sa"),
        kubectl("create", "role", "r", "--verb=get", "--resource=pods"),
        kubectl(
            "create", "rolebinding", "rb", "--role=r", f"--serviceaccount={kubectl.namespace}:sa"
        ),
    ]

    assert said == [
        "configmap/c created\n",
        "secret/s created\n",
        "serviceaccount/sa created\n",
        "role.rbac.authorization.k8s.io/r created\n",
        "rolebinding.rbac.authorization.k8s.io/rb created\n",
    ]
    assert json.loads(kubectl("get", "cm", "c", "-o", "json"))["data"] == {"a": "1"}
    assert json.loads(kubectl("get", "secret", "s", "-o", "json"))["data"] == {"a": "MQ=="}
    assert kubectl("create", "configmap", "c", code=1) == (
        'error: failed to create configmap: configmaps "c" already exists\n'
    )


def test_labels_annotations_and_patches(kubectl):
    kubectl("apply", "-f", "-", stdin=widget(size=1))

    said = [
        kubectl("label", "widget", "w", "a=1"),
        kubectl("label", "widget", "w", "a=1"),
        kubectl("annotate", "widget", "w", "b=2"),
        kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":4}}'),
        kubectl("patch", "widget", "w", "--type=json", "-p",
                '[{"op":"replace","path":"/spec/size","value":5}]'),
        kubectl("label", "widget", "w", "a-"),
    ]  # fmt: skip

    name = f"widget.{GROUP}/w"
    assert said == [
        f"{name} labeled\n",
        f"{name} not labeled\n",
        f"{name} annotated\n",
        f"{name} patched\n",
        f"{name} patched\n",
        f"{name} unlabeled\n",
    ]
    made = json.loads(kubectl("get", "widget", "w", "-o", "json"))
    assert (made["spec"]["size"], made["metadata"].get("labels")) == (5, None)


def test_deployment_is_patched_strategically_and_scaled(kubectl):
    kubectl("create", "deployment", "d", "--image=example.com/a:1")

    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:1"}]}}}}
    patched = kubectl("patch", "deployment", "d", "-p", json.dumps(patch))
    scaled = kubectl("scale", "deployment", "d", "--replicas=3")

    assert (patched, scaled) == (
        "deployment.apps/d patched\n",
        "deployment.apps/d scaled\n",
    )
    made = json.loads(kubectl("get", "deployment", "d", "-o", "json"))
    names = sorted(each["name"] for each in made["spec"]["template"]["spec"]["containers"])
    assert (names, made["spec"]["replicas"]) == (["a", "b"], 3)


def test_rights_are_asked_for(api, kubectl):
    rules = [{"apiGroups": [GROUP], "resources": ["widgets"], "verbs": ["list"]}]
    token = f"--token={api.person(rules=rules, namespace=kubectl.namespace)}"
    # Without a kubeconfig's own token, which would win.
    kubectl._command[1] = "--kubeconfig=/dev/null"
    server = [f"--server={api.url}", "--insecure-skip-tls-verify"]

    assert kubectl(*server, token, "auth", "can-i", "list", "widgets") == "yes\n"
    assert kubectl(*server, token, "auth", "can-i", "delete", "widgets", code=1) == "no\n"
    assert kubectl(*server, token, "get", "wd") == ""
    refused = kubectl(*server, token, "get", "cm", code=1)
    assert re.fullmatch(
        r'Error from server \(Forbidden\): configmaps is forbidden: User "system:serviceaccount:'
        r'NAMESPACE:[-\w]+" cannot list resource "configmaps" in API group "" in the namespace '
        r'"NAMESPACE"\n',
        refused,
    )


def test_somebody_else_is_played(kubectl):
    assert kubectl("auth", "can-i", "list", "pods", "--as=bob", code=1) == "no\n"
    assert kubectl("get", "cm", "--as=bob", code=1) == (
        'Error from server (Forbidden): configmaps is forbidden: User "bob" cannot list resource '
        '"configmaps" in API group "" in the namespace "NAMESPACE"\n'
    )


def test_a_token_is_made_for_an_account(kubectl):
    kubectl("create", "serviceaccount", "sa")

    assert kubectl("create", "token", "sa").count(".") == 2


def test_kinds_are_listed_and_explained(kubectl):
    listed = kubectl("api-resources", f"--api-group={GROUP}", "--no-headers")
    explained = kubectl("explain", "widget.spec.size")

    assert ["widgets", "wd", f"{GROUP}/v1", "true", "Widget"] in [
        line.split() for line in listed.splitlines()
    ]
    lines = [line.strip() for line in explained.splitlines()]
    assert "FIELD: size <integer>" in lines


def test_deletion_waits_for_a_finalizer(api, kubectl):
    body = widget()
    body["metadata"]["finalizers"] = [f"{GROUP}/held"]
    kubectl("apply", "-f", "-", stdin=body)
    path = widgets_path(kubectl.namespace, "w")
    release = {"metadata": {"finalizers": None}}
    kinds = {"Content-Type": "application/merge-patch+json"}

    early = kubectl("delete", "widget", "w", "--timeout=1s", code=1)
    waiting = subprocess.Popen(
        [*kubectl._command, f"--namespace={kubectl.namespace}", "delete", "widget", "w"],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.5)
    is_waiting = waiting.poll() is None
    api.admin.patch(path, json=release, headers=kinds).raise_for_status()
    said, _ = waiting.communicate(timeout=30)

    assert "timed out waiting for the condition" in early
    assert is_waiting
    assert said.startswith(f'widget.{GROUP} "w" deleted')
    assert api.admin.get(path).status_code == 404


def test_changes_are_followed(api, kubectl):
    kubectl("apply", "-f", "-", stdin=widget(size=1))
    follow = ["get", "widgets", "--watch", "--output-watch-events", "--no-headers"]
    with subprocess.Popen(
        [*kubectl._command, f"--namespace={kubectl.namespace}", *follow],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stdout.readline().split()
        kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":7}}')
        second = process.stdout.readline().split()
        kubectl("delete", "widget", "w")
        third = process.stdout.readline().split()
        process.kill()

    assert [line[:3] for line in (first, second, third)] == [
        ["ADDED", "w", "1"],
        ["MODIFIED", "w", "7"],
        ["DELETED", "w", "7"],
    ]


def test_a_condition_is_waited_for(api, kubectl):
    kubectl("apply", "-f", "-", stdin=widget())
    wait = ["wait", "widget/w", "--for=jsonpath={.status.phase}=Done", "--timeout=30s"]
    waiting = subprocess.Popen(
        [*kubectl._command, f"--namespace={kubectl.namespace}", *wait],
        stdout=subprocess.PIPE,
        text=True,
    )
    path = f"{widgets_path(kubectl.namespace, 'w')}/status"
    kinds = {"Content-Type": "application/merge-patch+json"}
    api.admin.patch(path, json={"status": {"phase": "Done"}}, headers=kinds).raise_for_status()

    said, _ = waiting.communicate(timeout=60)

    assert said == f"widget.{GROUP}/w condition met\n"


def test_replace_needs_the_newest_version(kubectl):
    kubectl("apply", "-f", "-", stdin=widget(size=1))
    read = json.loads(
        kubectl("get", "widget", "w", "-o", "json").replace("NAMESPACE", kubectl.namespace)
    )
    kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":2}}')

    refused = kubectl("replace", "-f", "-", stdin=read, code=1)

    assert (
        "the object has been modified; please apply your changes to the latest version" in refused
    )


def test_description_has_the_fields(kubectl):
    kubectl("apply", "-f", "-", stdin=widget(size=3))

    lines = [" ".join(line.split()) for line in kubectl("describe", "widget", "w").splitlines()]

    assert {"Name: w", "Namespace: NAMESPACE", "Kind: Widget", "Size: 3"} <= set(lines)
    assert lines[-1] == "Events: <none>"


def test_namespace_comes_and_is_listed(kubectl):
    name = f"{kubectl.namespace}-more"

    assert kubectl("create", "namespace", name) == "namespace/NAMESPACE-more created\n"
    rows = wait_until(lambda: kubectl.rows("namespace", name))
    assert rows == [["NAME", "STATUS", "AGE"], ["NAMESPACE-more", "Active", "AGE"]]
