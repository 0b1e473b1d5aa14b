"""Who is let in, how refusals are worded, and what protobuf is read."""

import asyncio

import pytest
from yarl import URL

from sandbox.auth import KAITOWEB, kept_tokens
from tests.sandbox.widgets import WIDGETS_PATH


def test_tokens_stay_the_same_over_restarts(tmp_path):
    path = tmp_path / "tokens.json"

    first = kept_tokens(path)

    assert kept_tokens(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(first) == ["admin", "kaitoweb", "viewer"]


@pytest.mark.asyncio
@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic YTpi", "Bearer"])
async def test_without_a_good_token_nobody_is_let_in(api, header):
    async with api.session.get(api.url + "/version", headers={"Authorization": header}) as answer:
        status = await answer.json()

    assert (answer.status, status["reason"]) == (401, "Unauthorized")


@pytest.mark.asyncio
async def test_token_that_is_no_text_lets_nobody_in(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(api.url).port)
    writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    status_line = await reader.readline()
    writer.close()

    assert status_line == b"HTTP/1.1 401 Unauthorized\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health_needs_no_token(api, path):
    async with api.session.get(api.url + path) as answer:
        assert (answer.status, await answer.text()) == (200, "ok")


@pytest.mark.asyncio
async def test_a_refusal_says_who_may_not_do_what(api):
    api.user = "kaitoweb"

    code, status = await api.call("GET", f"{WIDGETS_PATH}/w")

    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        f'widgets.example.com "w" is forbidden: User "{KAITOWEB}" cannot get resource "widgets" '
        'in API group "example.com" in the namespace "default"'
    )
    assert status["details"] == {"name": "w", "group": "example.com", "kind": "widgets"}


@pytest.mark.asyncio
async def test_a_refusal_at_cluster_scope_says_so(api):
    api.user = "kaitoweb"

    _, status = await api.call("GET", "/api/v1/secrets?limit=1")

    assert status["message"] == (
        f'secrets is forbidden: User "{KAITOWEB}" cannot list resource "secrets" in API group "" '
        "at the cluster scope"
    )


@pytest.mark.asyncio
async def test_a_path_outside_discovery_is_the_administrators(api):
    api.user = "viewer"

    code, status = await api.call("GET", "/metrics")
    version, _ = await api.call("GET", "/version")
    kinds, _ = await api.call("GET", "/apis/example.com/v1")

    assert (code, version, kinds) == (403, 200, 200)
    assert status["message"] == 'forbidden: User "sandbox-viewer" cannot get path "/metrics"'


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/default/nodes", "/apis/apps/v1/things",
     "/api/v1/namespaces/default/pods/p/exec"],
)  # fmt: skip
async def test_a_path_that_is_not_there_is_not_found(api, path):
    code, status = await api.call("GET", path)

    assert (code, status["message"], status["details"]) == (
        404, "the server could not find the requested resource", {},
    )  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["/apis/example.com/v1/namespaces/default/gadgets", "/apis/none.example/v1/widgets", "/nothing",
     "/apis/example.com/v1/widgets/w"],
)  # fmt: skip
async def test_outside_of_the_servers_own_groups_it_says_so_in_plain_text(api, path):
    assert await api.call("GET", path) == (404, "404 page not found\n")
