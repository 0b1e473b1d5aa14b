"""The service proxy: which pod, what passes, and the three ways in which nothing answers."""

import asyncio
import io

import pytest
import pytest_asyncio
from aiohttp import web

from sandbox.resources import PODS, SERVICES
from sandbox.server import make_runner

pytestmark = pytest.mark.asyncio

PROXY = "/api/v1/namespaces/default/services/model:http/proxy"


class Backend:
    """A model server that remembers what it was asked and whether its client left."""

    def __init__(self):
        self.headers = None
        self.was_cancelled = asyncio.Event()

    async def echo(self, request):
        self.headers = request.headers
        body = await request.text()
        return web.json_response(
            {"method": request.method, "path": request.raw_path, "body": body},
            status=418,
            headers={"X-Model": "m"},
        )

    async def stream(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number in range(int(request.query["count"])):
                await response.write(f"data: {number}\n\n".encode())
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise
        return response

    async def broken(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        request.transport.abort()
        return response


@pytest_asyncio.fixture
async def backend():
    made = Backend()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_get("/base/v1/stream", made.stream)
    app.router.add_get("/base/v1/broken", made.broken)
    app.router.add_route("*", "/{path:.*}", made.echo)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


def make_service(cluster, **spec):
    body = {
        "metadata": {"name": "model", "namespace": "default"},
        "spec": {
            "selector": {"app": "model"},
            "publishNotReadyAddresses": True,
            "ports": [{"name": "http", "port": 80, "targetPort": 5000}],
            **spec,
        },
    }
    cluster.store.create(SERVICES, body, manager="k")


def make_pod(cluster, *, url=None, **status):
    pod = cluster.store.create(
        PODS,
        {
            "metadata": {"name": "model-0", "namespace": "default", "labels": {"app": "model"}},
            "status": {"phase": "Running", "podIP": "10.244.0.7", **status},
        },
        manager="k",
    )
    cluster.models.set(pod["metadata"]["uid"], url)


@pytest.fixture
def served(cluster, backend):
    make_service(cluster)
    make_pod(cluster, url=backend.url + "/base")
    return backend


async def test_request_and_answer_pass_unchanged(api, served):
    code, answer = await api.post(f"{PROXY}/v1/chat%2Fcompletions?a=b%20c", {"prompt": "hi"})

    assert (code, answer) == (
        418,
        {
            "method": "POST",
            "path": "/base/v1/chat/completions?a=b%20c",
            "body": '{"prompt": "hi"}',
        },
    )


async def test_the_token_stays_with_the_server(api, served):
    await api.get(f"{PROXY}/health", **{"X-Own": "kept", "Cookie": "kept=too"})

    assert "Authorization" not in served.headers
    assert (served.headers["X-Own"], served.headers["Cookie"]) == ("kept", "kept=too")
    assert served.headers["X-Forwarded-Uri"] == f"{PROXY}/health"
    assert served.headers["X-Forwarded-For"] == "127.0.0.1"


async def test_no_headers_are_made_up(api, served):
    async with api.session.get(
        f"{api.url}{PROXY}/health",
        headers={"Authorization": f"Bearer {api.cluster.authority.tokens['admin']}"},
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    ):
        pass

    assert sorted(served.headers) == ["Host", "X-Forwarded-For", "X-Forwarded-Uri"]


async def test_a_large_body_passes(api, served):
    async with api.session.post(
        f"{api.url}{PROXY}/v1/x",
        data=io.BytesIO(b"z" * 3_500_000),
        headers={"Authorization": f"Bearer {api.cluster.authority.tokens['admin']}"},
    ) as answer:
        assert len((await answer.json())["body"]) == 3_500_000


async def test_answer_headers_pass(api, served):
    async with api.open(f"{PROXY}/health") as answer:
        assert answer.headers["X-Model"] == "m"
        assert answer.headers["Content-Type"].startswith("application/json")


async def test_a_stream_is_not_held_back(api, served):
    async with api.open(f"{PROXY}/v1/stream?count=900") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await asyncio.wait_for(answer.content.readline(), 1) == b"data: 0\n"


async def test_a_client_that_leaves_ends_the_upstream(api, served):
    async with api.open(f"{PROXY}/v1/stream?count=500") as answer:
        await answer.content.readline()
        answer.close()

    await asyncio.wait_for(served.was_cancelled.wait(), 0.25)


async def test_half_an_answer_does_not_look_whole(api, served):
    async with api.open(f"{PROXY}/v1/broken") as answer:
        with pytest.raises(Exception, match="payload|reset|closed|disconnected"):
            await answer.read()


async def test_an_open_stream_does_not_hold_the_server_up(cluster, served):
    runner = make_runner(cluster)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    token = cluster.authority.tokens["admin"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {PROXY}/v1/stream?count=900 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    await reader.readline()

    began = asyncio.get_running_loop().time()
    await runner.cleanup()
    took_s = asyncio.get_running_loop().time() - began
    writer.close()
    await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])

    assert took_s < 1


@pytest.mark.parametrize("segment", ["model:80", "http:model:http"])
async def test_a_port_is_named_by_number_or_with_a_scheme(api, served, segment):
    path = PROXY.replace("model:http", segment)

    code, _ = await api.call("GET", f"{path}/health")

    assert code == 418


async def unavailable(api, path=f"{PROXY}/health"):
    code, status = await api.call("GET", path)
    assert (code, status["kind"], status["reason"]) == (503, "Status", "ServiceUnavailable")
    return status["message"]


async def test_without_a_pod_there_are_no_endpoints(api, cluster):
    make_service(cluster)

    assert await unavailable(api) == 'no endpoints available for service "model"'


async def test_a_pod_without_an_address_is_no_endpoint(api, cluster):
    make_service(cluster)
    make_pod(cluster, podIP="")

    assert await unavailable(api) == 'no endpoints available for service "model"'


async def test_a_pod_that_does_not_listen_refuses(api, cluster):
    make_service(cluster)
    make_pod(cluster)

    assert await unavailable(api) == (
        "error trying to reach service: dial tcp 10.244.0.7:5000: connect: connection refused"
    )


async def test_an_unready_pod_is_an_endpoint_only_where_published(api, cluster, backend):
    make_service(cluster, publishNotReadyAddresses=False)
    make_pod(cluster, url=backend.url)

    assert await unavailable(api) == 'no endpoints available for service "model"'


async def test_an_unknown_port_is_said(api, served):
    path = PROXY.replace("model:http", "model:grpc")

    assert await unavailable(api, f"{path}/health") == (
        'no endpoints available for service "model:grpc"'
    )


async def test_a_bare_name_does_not_find_a_named_port(api, served):
    path = PROXY.replace("model:http", "model")

    assert await unavailable(api, f"{path}/health") == 'no endpoints available for service "model"'


async def test_a_model_process_that_is_gone_is_unreachable(api, cluster):
    make_service(cluster)
    make_pod(cluster, url="http://127.0.0.1:9")

    assert (await unavailable(api)).startswith("error trying to reach service: ")


async def test_an_unknown_service_is_not_found(api):
    code, status = await api.call("GET", f"{PROXY}/health")

    assert (code, status["message"]) == (404, 'services "model" not found')


async def test_dry_run_is_not_for_proxies(api, served):
    code, status = await api.post(f"{PROXY}/v1/x?dryRun=All", {})

    assert (code, status["reason"]) == (400, "BadRequest")


async def test_the_right_follows_the_method(api, served):
    api.user = "viewer"

    read, _ = await api.call("GET", f"{PROXY}/health")
    asked, status = await api.post(f"{PROXY}/v1/chat", {})

    assert (read, asked) == (418, 403)
    assert 'cannot create resource "services/proxy"' in status["message"]
