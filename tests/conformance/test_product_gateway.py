"""clusters.gateway, probing and streaming against both servers, with the rights of deploy/rbac.yaml."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from clusters.errors import ClusterError, Conflict, Denied, Invalid, NotFound
from clusters.probing import probe
from clusters.streaming import open_client, service_proxy_path
from clusters.targets import NAMESPACES, SECRETS, WORKSPACES, Target
from tests.conformance.product import cluster_of, deployed_token, gateway_of, workspace

NOT_SERVED = Target(group="kaito.sh", version="v9", plural="workspaces", kind="Workspace")


@pytest.fixture(scope="session")
def deployed(api):
    return deployed_token(api)


@pytest.fixture
def gateway(api, deployed):
    with gateway_of(api, deployed) as made:
        yield made


@pytest.fixture
def admin(api):
    with gateway_of(api, api.token) as made:
        yield made


@pytest.fixture
def namespace(api):
    return api.namespace()


def here(namespace):
    return Target(
        group="kaito.sh",
        version="v1beta1",
        plural="workspaces",
        kind="Workspace",
        namespace=namespace,
    )


def test_probe_finds_that_the_documented_rights_are_enough(gateway):
    found = probe(gateway)

    assert [right for right in found.rights if right.allowed is not True] == []
    assert found.identity["username"] == "system:serviceaccount:kaitoweb:kaitoweb"
    assert (found.has_kaito, found.kaito_version) == (True, "0.10 or later")
    assert found.kubernetes_version.startswith("v1.")
    assert "kaitoweb" in found.namespaces


def test_may_is_no_beyond_the_documented_rights(gateway):
    assert gateway.may("list", "kaito.sh", "workspaces") is True
    assert gateway.may("delete", "", "secrets") is False


def test_create_then_the_name_is_taken(gateway, namespace):
    created = gateway.create(WORKSPACES, workspace(namespace, "twice"))

    with pytest.raises(Conflict) as caught:
        gateway.create(WORKSPACES, workspace(namespace, "twice"))

    assert caught.value.kind == "exists"
    assert created["metadata"]["managedFields"][0]["manager"] == "kaitoweb"
    assert created["inference"]["preset"]["accessMode"] == "public"


def test_dry_run_keeps_nothing(gateway, namespace):
    gateway.create(WORKSPACES, workspace(namespace, "dry"), dry_run=True)

    with pytest.raises(NotFound) as caught:
        gateway.get(WORKSPACES, namespace, "dry")
    assert caught.value.reason == "NotFound"


def test_unknown_fields_are_invalid_in_post_and_apply(admin, namespace):
    spoilt = workspace(namespace, "spoilt", nonsense=1)

    with pytest.raises(Invalid) as posted:
        admin.create(WORKSPACES, spoilt)
    with pytest.raises(Invalid) as applied:
        admin.apply(WORKSPACES, spoilt)

    assert posted.value.detail.endswith('strict decoding error: unknown field "nonsense"')
    assert [c.field for c in applied.value.causes] == ["nonsense"]


def test_wrong_types_stand_beside_their_fields(gateway, namespace):
    spoilt = workspace(namespace, "spoilt", inference={"preset": {"accessMode": "shared"}})

    with pytest.raises(Invalid) as caught:
        gateway.create(WORKSPACES, spoilt, dry_run=True)

    fields = sorted(cause.field for cause in caught.value.causes)
    assert fields == ["inference.preset.accessMode", "inference.preset.name"]


def test_a_field_of_another_manager_is_owned(admin, namespace):
    admin.create(WORKSPACES, workspace(namespace, "owned"))
    admin.patch_merge(WORKSPACES, namespace, "owned", {"metadata": {"annotations": {"a": "1"}}})
    metadata = {"namespace": namespace, "name": "owned", "annotations": {"a": "2"}}
    applied = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": metadata}

    with pytest.raises(Conflict) as caught:
        admin.apply(WORKSPACES, applied)

    assert (caught.value.kind, [c.field for c in caught.value.causes]) == (
        "owned",
        [".metadata.annotations.a"],
    )
    forced = admin.apply(WORKSPACES, applied, force=True)
    assert forced["metadata"]["annotations"] == {"a": "2"}


def test_delete_is_of_this_very_object(gateway, namespace):
    created = gateway.create(WORKSPACES, workspace(namespace, "again"))

    with pytest.raises(Conflict) as caught:
        gateway.delete(WORKSPACES, namespace, "again", uid="another")
    gateway.delete(WORKSPACES, namespace, "again", uid=created["metadata"]["uid"])

    assert caught.value.kind == "uid"
    assert gateway.list(here(namespace)).items == []


def test_denied_says_which_right_is_missing(api, namespace):
    with gateway_of(api, api.person(rules=[])) as stranger, pytest.raises(Denied) as caught:
        stranger.create(WORKSPACES, workspace(namespace, "mine"))

    words = f"kaitoweb may not create workspaces.kaito.sh in namespace {namespace}."
    assert caught.value.message == words


def test_a_wrong_token_is_denied(api):
    with gateway_of(api, "nonsense") as nobody, pytest.raises(Denied) as caught:
        nobody.version()

    assert caught.value.status == 401


def test_what_is_not_served_is_told_from_what_is_not_there(admin, gateway, namespace):
    with pytest.raises(NotFound) as kind:
        admin.list(NOT_SERVED)
    with pytest.raises(NotFound) as obj:
        gateway.get(WORKSPACES, namespace, "none")
    with pytest.raises(NotFound) as pod:
        gateway.log_lines(namespace, "none-0", container="main", tail=10)

    assert kind.value.reason == "NotServed"
    assert (obj.value.reason, pod.value.reason) == ("NotFound", "NotFound")


def test_list_comes_in_pages(gateway, namespace):
    for number in range(5):
        gateway.create(WORKSPACES, workspace(namespace, f"w{number}"))
    target = here(namespace)

    first = gateway.list(target, limit=2)
    second = gateway.list(target, limit=2, cont=first.cont)
    third = gateway.list(target, limit=2, cont=second.cont)

    names = [[o["metadata"]["name"] for o in page.items] for page in (first, second, third)]
    assert names == [["w0", "w1"], ["w2", "w3"], ["w4"]]
    assert (third.cont, third.resource_version) == ("", first.resource_version)


def test_versions_are_those_of_the_moment_that_is_asked_for(gateway, namespace):
    made = gateway.create(WORKSPACES, workspace(namespace, "before"))
    then = gateway.list(here(namespace)).resource_version
    gateway.create(WORKSPACES, workspace(namespace, "after"))

    metadata = made["metadata"]
    assert gateway.versions(here(namespace), at=then) == {
        metadata["uid"]: metadata["resourceVersion"]
    }


def test_old_pages_and_versions_expire(api, gateway, namespace):
    for number in range(3):
        gateway.create(WORKSPACES, workspace(namespace, f"w{number}"))
    page = gateway.list(here(namespace), limit=2)

    api.old_events_gone()

    with pytest.raises(ClusterError) as continued:
        gateway.list(here(namespace), limit=2, cont=page.cont)
    with pytest.raises(ClusterError) as exact:
        gateway.versions(here(namespace), at=page.resource_version)
    assert (continued.value.status, continued.value.reason) == (410, "Expired")
    assert (exact.value.status, exact.value.reason) == (410, "Expired")


def test_admin_reads_kinds_without_a_kind_in_their_items(admin):
    kinds = {item["kind"] for item in admin.list(NAMESPACES).items}

    assert kinds == {"Namespace"}


def test_deployed_account_may_not_read_secrets(gateway):
    with pytest.raises(Denied):
        gateway.list(SECRETS)


@pytest.mark.asyncio
async def test_service_proxy_brings_tokens_as_they_come(api, deployed, namespace):
    """The second token is held back until the first one has arrived."""
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    gate = asyncio.run_coroutine_threadsafe

    async def stream(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        await asyncio.wrap_future(gate(heard.wait(), loop))
        await response.write(b"data: two\n\n")
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", stream)
    await asyncio.to_thread(api.backend, namespace, "model", app)
    path = service_proxy_path(namespace, "model", "http", "/v1/chat/completions")

    async with (
        open_client(cluster_of(api, deployed)) as client,
        client.stream("POST", path, json={"stream": True}) as reply,
    ):
        lines = reply.aiter_lines()
        first = await anext(lines)
        heard.set()
        rest = [line async for line in lines if line]

    assert (reply.headers["content-type"], first, rest) == (
        "text/event-stream",
        "data: one",
        ["data: two"],
    )


@pytest.mark.asyncio
async def test_service_proxy_says_when_nothing_listens(api, deployed, namespace):
    path = service_proxy_path(namespace, "nothing", "http", "/health")

    async with open_client(cluster_of(api, deployed)) as client:
        reply = await client.get(path)

    assert (reply.status_code, reply.json()["kind"]) == (404, "Status")
