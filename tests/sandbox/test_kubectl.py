"""The real kubectl and the official Python client take the sandbox for a cluster."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from sandbox.resources import PODS
from tests.sandbox.widgets import WIDGET_CRD, WIDGETS, widget
from tests.servers import run_sandbox

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="kubectl is not installed")

MANIFEST = json.dumps(widget(size=2, parts=[{"name": "a", "count": 1}]))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30)]


def prepare(cluster):
    cluster.install_crd(WIDGET_CRD)
    namespace = {"metadata": {"name": "default"}, "spec": {}, "status": {"phase": "Active"}}
    cluster.store.create(cluster.registry.by_path("", "v1", "namespaces"), namespace, manager="k")
    pod = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": "Running", "podIP": "10.244.0.1"},
    }
    made = cluster.store.create(PODS, pod, manager="k")
    cluster.logbook.append(made["metadata"]["uid"], "c", "hello")


@pytest.fixture
def sandbox():
    with run_sandbox(kaito=False, prepare=prepare, speed=50) as running:
        yield running


@pytest.fixture
def kubectl(sandbox, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(sandbox.kubeconfig("admin"))

    def run(*args, stdin=None, fails=False):
        done = subprocess.run(
            [KUBECTL, f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path}/cache", *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=4,
        )
        assert bool(done.returncode) is fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


@needs_kubectl
def test_kubectl_applies_shows_changes_and_deletes(kubectl):
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "widget.example.com/w created\n"
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "widget.example.com/w unchanged\n"
    changed = MANIFEST.replace('"size": 2', '"size": 3')
    assert kubectl("apply", "-f", "-", stdin=changed) == "widget.example.com/w configured\n"
    assert kubectl("get", "wd", "w", "-o", "jsonpath={.spec.size}") == "3"
    assert kubectl("get", "wd").splitlines()[1].split()[:2] == ["w", "3"]
    assert "Size:     3" in kubectl("describe", "wd", "w")
    assert kubectl("label", "wd", "w", "a=b") == "widget.example.com/w labeled\n"
    assert kubectl("annotate", "wd", "w", "a=b") == "widget.example.com/w annotated\n"
    assert kubectl("delete", "wd", "w") == 'widget.example.com "w" deleted from default namespace\n'


@needs_kubectl
def test_kubectl_applies_on_the_server_side(kubectl):
    applied = "widget.example.com/w serverside-applied\n"
    assert kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST) == applied

    taken = kubectl(
        "apply", "--server-side", "--field-manager=bob", "-f", "-",
        stdin=MANIFEST.replace('"size": 2', '"size": 3'), fails=True,
    )  # fmt: skip

    assert 'conflict with "kubectl": .spec.size' in taken


@needs_kubectl
def test_kubectl_says_what_is_wrong_with_a_manifest(kubectl):
    misspelt = MANIFEST.replace('"size"', '"sise"')

    said = kubectl("apply", "-f", "-", stdin=misspelt, fails=True)

    assert 'strict decoding error: unknown field "spec.sise"' in said


@needs_kubectl
def test_kubectl_explains_and_lists_what_there_is(kubectl):
    assert "size\t<integer> -required-" in kubectl("explain", "widget.spec")
    assert kubectl("api-resources", "--api-group=example.com", "--no-headers").split()[:3] == [
        "widgets", "wd", "example.com/v1",
    ]  # fmt: skip
    assert "Server Version: v1.36.3" in kubectl("version")
    assert "pod/p" in kubectl("get", "all")


@needs_kubectl
def test_kubectl_creates_what_it_sends_as_protobuf(kubectl):
    kubectl("create", "namespace", "team-b")
    kubectl("create", "secret", "generic", "hf", "--from-literal=HF_TOKEN=x", "-n", "team-b")
    kubectl("create", "configmap", "cm", "--from-literal=a=b", "-n", "team-b")
    kubectl("create", "serviceaccount", "sa", "-n", "team-b")

    assert kubectl("get", "ns", "team-b", "-o", "jsonpath={.status.phase}") == "Active"
    path = "jsonpath={.type} {.data}"
    assert (
        kubectl("get", "secret", "hf", "-n", "team-b", "-o", path) == 'Opaque {"HF_TOKEN":"eA=="}'
    )
    assert kubectl("get", "cm", "cm", "-n", "team-b", "-o", "jsonpath={.data}") == '{"a":"b"}'


@needs_kubectl
def test_kubectl_asks_for_rights(kubectl):
    assert kubectl("auth", "can-i", "create", "widgets") == "yes\n"
    assert "sandbox-admin" in kubectl("auth", "whoami")


@needs_kubectl
def test_kubectl_reads_logs_and_deletes_a_pod(kubectl):
    assert kubectl("logs", "p") == "hello\n"
    assert kubectl("delete", "pod", "p") == 'pod "p" deleted from default namespace\n'


@needs_kubectl
def test_kubectl_follows_logs_and_changes(sandbox, kubectl, tmp_path):
    base = [KUBECTL, f"--kubeconfig={tmp_path}/kubeconfig", f"--cache-dir={tmp_path}/cache"]
    uid = sandbox.call(lambda c: c.store.get(PODS, "default", "p"))["metadata"]["uid"]
    logs = subprocess.Popen([*base, "logs", "-f", "p"], stdout=subprocess.PIPE, text=True)
    watch = subprocess.Popen(
        [*base, "get", "wd", "-w", "--no-headers"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with logs, watch:
        try:
            assert logs.stdout.readline() == "hello\n"
            sandbox.call(lambda c: c.logbook.append(uid, "c", "more"))
            assert logs.stdout.readline() == "more\n"
            sandbox.call(lambda c: c.store.create(WIDGETS, widget(size=7), manager="k"))
            assert watch.stdout.readline().split()[:2] == ["w", "7"]
        finally:
            logs.kill()
            watch.kill()


@pytest.fixture
def api_client(sandbox, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(sandbox.kubeconfig("admin"))
    with config.new_client_from_config(str(kubeconfig)) as made:
        yield made


def test_the_official_client_lists_applies_and_deletes(api_client):
    api = client.CustomObjectsApi(api_client)
    where = {"group": "example.com", "version": "v1", "namespace": "default", "plural": "widgets"}

    api.create_namespaced_custom_object(**where, body=widget(size=2))
    api.patch_namespaced_custom_object(
        **where, name="w", body=widget(size=3), field_manager="kaitoweb", force=True,
        _content_type="application/apply-patch+yaml",
    )  # fmt: skip
    listed = api.list_namespaced_custom_object(**where)
    api.delete_namespaced_custom_object(**where, name="w")

    assert [item["spec"]["size"] for item in listed["items"]] == [3]
    with pytest.raises(ApiException) as caught:
        api.get_namespaced_custom_object(**where, name="w")
    assert caught.value.status == 404


def test_the_official_client_reads_built_in_kinds(api_client):
    pods = client.CoreV1Api(api_client).list_namespaced_pod("default")

    assert [pod.status.pod_ip for pod in pods.items] == ["10.244.0.1"]


def test_the_official_client_asks_for_rights(api_client):
    attributes = client.V1ResourceAttributes(verb="create", group="kaito.sh", resource="workspaces")
    body = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )

    answer = client.AuthorizationV1Api(api_client).create_self_subject_access_review(body)

    assert answer.status.allowed is True
