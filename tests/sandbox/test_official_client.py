"""The official Python client takes the sandbox for a cluster."""

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.sandbox.kubectls import pod_with_log
from tests.sandbox.widgets import WIDGET_CRD, widget
from tests.servers import run_sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def prepare(cluster):
    cluster.install_crd(WIDGET_CRD)
    namespace = {"metadata": {"name": "default"}, "spec": {}, "status": {"phase": "Active"}}
    cluster.store.create(cluster.registry.by_path("", "v1", "namespaces"), namespace, manager="k")


@pytest.fixture
def sandbox():
    with run_sandbox(kaito=False, prepare=prepare, speed=50) as running:
        yield running


@pytest.fixture
def api_client(sandbox, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(sandbox.kubeconfig("admin"))
    with config.new_client_from_config(str(kubeconfig)) as made:
        yield made


def test_it_lists_applies_and_deletes(api_client):
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


def test_it_reads_built_in_kinds(sandbox, api_client):
    pod_with_log(sandbox, "default")

    pods = client.CoreV1Api(api_client).list_namespaced_pod("default")

    assert [pod.status.pod_ip for pod in pods.items] == ["10.244.0.1"]


def test_it_asks_for_rights(api_client):
    attributes = client.V1ResourceAttributes(verb="create", group="kaito.sh", resource="workspaces")
    body = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )

    answer = client.AuthorizationV1Api(api_client).create_self_subject_access_review(body)

    assert answer.status.allowed is True
