"""v1alpha1 beside v1beta1: one object in two shapes, and a webhook that breaks in one of them."""

from __future__ import annotations

import contextlib

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from sandbox.app import build_cluster
from sandbox.kaito.releases import edition_of
from sandbox.resources import DEPLOYMENTS, WORKSPACES
from sandbox.server import make_app
from tests.sandbox.kaito.builders import changed, preset_workspace, template_workspace

PATH = "/apis/kaito.sh/{version}/namespaces/default/workspaces"
ALPHA, BETA = "v1alpha1", "v1beta1"


class Api:
    def __init__(self, cluster, session, url):
        self.cluster, self._session, self._url = cluster, session, url

    async def call(self, method, version, name="", body=None, kind="application/json"):
        path = PATH.format(version=version) + (f"/{name}" if name else "")
        headers = {"Content-Type": kind}
        async with self._session.request(
            method, self._url(path), json=body, headers=headers
        ) as got:
            return got.status, await got.json()

    async def create(self, version, workspace):
        body = workspace | {"apiVersion": f"kaito.sh/{version}"}
        return await self.call("POST", version, body=body)


@contextlib.asynccontextmanager
async def serving(version="0.12"):
    cluster = build_cluster(None, seed=False, edition=edition_of(version))
    headers = {"Authorization": f"Bearer {cluster.authority.tokens['admin']}"}
    async with (
        TestServer(make_app(cluster)) as server,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        yield Api(cluster, session, server.make_url)


@pytest_asyncio.fixture
async def api():
    async with serving() as api:
        yield api


@pytest.mark.asyncio
async def test_object_made_in_the_older_version_is_read_in_the_newer(api):
    code, made = await api.create(ALPHA, template_workspace())
    _, read = await api.call("GET", BETA, "bloomz")

    assert (code, made["apiVersion"], read["apiVersion"]) == (
        201,
        "kaito.sh/v1alpha1",
        "kaito.sh/v1beta1",
    )
    assert read["metadata"]["uid"] == made["metadata"]["uid"]
    assert read["inference"] == made["inference"]


@pytest.mark.asyncio
async def test_older_version_defaults_the_size(api):
    workspace = template_workspace(**{"resource.instanceType": None})

    _, made = await api.create(ALPHA, workspace)
    code, refused = await api.create(BETA, changed(workspace, {"metadata.name": "other"}))

    assert made["resource"]["instanceType"] == "Standard_NC24ads_A100_v4"
    assert code == 400
    assert "instanceType is required" in refused["message"]


@pytest.mark.asyncio
async def test_older_version_does_not_show_newer_fields_and_a_write_in_it_loses_them(api):
    options = {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}}
    workspace = changed(preset_workspace(preset="meta-llama/Llama-3.1-8B-Instruct"), options)
    await api.create(BETA, workspace)
    stored = api.cluster.store.get(WORKSPACES, "default", "phi")
    status = {"state": "Ready", "targetNodeCount": 1, "workerNodes": ["n1"]}
    api.cluster.store.update(WORKSPACES, stored | {"status": status}, manager="x", subresource="status")  # fmt: skip

    _, alpha = await api.call("GET", ALPHA, "phi")
    _, beta = await api.call("GET", BETA, "phi")
    code, _ = await api.call("PUT", ALPHA, "phi", alpha)
    _, after = await api.call("GET", BETA, "phi")

    assert alpha["status"] == {"workerNodes": ["n1"]}
    assert alpha["inference"]["preset"]["presetOptions"] == {}
    assert beta["status"] == status
    assert beta["inference"]["preset"]["presetOptions"] == {"modelAccessSecret": "hf"}
    assert (code, after["inference"]["preset"]["presetOptions"]) == (200, {})


@pytest.mark.asyncio
@pytest.mark.parametrize("preset", ["phi-4", "microsoft/phi-4"])
async def test_older_version_breaks_the_webhook_with_a_preset(api, preset):
    code, told = await api.create(ALPHA, preset_workspace(preset=preset))

    assert (code, told["reason"]) == (500, "InternalError")
    assert told["message"] == (
        'Internal error occurred: failed calling webhook "validation.workspace.kaito.sh": failed to '
        "call webhook: Post "
        '"https://workspace-webhook-svc.kaito-workspace.svc:9443/validate/workspace.kaito.sh?'
        'timeout=10s": EOF'
    )


@pytest.mark.asyncio
async def test_older_version_knows_a_preset_that_the_newer_one_asked_for_by_its_id(api):
    await api.create(BETA, preset_workspace(preset="microsoft/phi-4"))

    by_id, _ = await api.create(ALPHA, preset_workspace("second", "microsoft/phi-4"))
    by_alias, _ = await api.create(ALPHA, preset_workspace("third", "phi-4"))

    assert (by_id, by_alias) == (201, 500)


@pytest.mark.asyncio
async def test_older_version_wants_an_image_for_a_private_preset(api):
    await api.create(BETA, preset_workspace(preset="microsoft/phi-4"))
    private = {"inference.preset.accessMode": "private"}

    alpha, told = await api.create(
        ALPHA, changed(preset_workspace("a", "microsoft/phi-4"), private)
    )
    beta, _ = await api.create(BETA, changed(preset_workspace("b", "microsoft/phi-4"), private))

    assert (alpha, beta) == (400, 201)
    assert "When AccessMode is private, an image must be provided" in told["message"]


@pytest.mark.asyncio
async def test_older_kaito_takes_presets_in_the_older_version():
    async with serving("0.7") as api:
        code, _ = await api.create(ALPHA, preset_workspace(preset="falcon-7b"))
        _, discovered = await api.call("GET", BETA, "phi")

    assert code == 201
    assert discovered["inference"]["preset"]["name"] == "falcon-7b"


@pytest.mark.asyncio
async def test_nothing_is_admitted_while_the_operator_is_scaled_to_nothing(api):
    operator = {
        "metadata": {"name": "kaito-workspace", "namespace": "kaito-workspace"},
        "spec": {"replicas": 0, "selector": {}, "template": {"metadata": {}, "spec": {}}},
    }
    await api.create(BETA, preset_workspace())
    api.cluster.store.create(DEPLOYMENTS, operator, manager="kubectl")

    code, told = await api.create(BETA, preset_workspace("other"))
    deleted, _ = await api.call("DELETE", BETA, "phi")

    assert (code, deleted) == (500, 200)
    assert told["message"].endswith('no endpoints available for service "workspace-webhook-svc"')
