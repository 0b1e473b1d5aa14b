"""…/services/{name}/proxy: what passes to the server behind a Service, and what comes back."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.conformance.asking import core, details, made, refusal


class Backend:
    def __init__(self):
        self.go_on = asyncio.Event()

    def app(self):
        app = web.Application(client_max_size=10_000_000)
        app.router.add_get("/stream", self.stream)
        app.router.add_post("/go-on", self.let_go_on)
        app.router.add_get("/elsewhere", self.elsewhere)
        app.router.add_get("/error/{code}", self.error)
        app.router.add_route("*", "/{path:.*}", self.echo)
        return app

    async def echo(self, request):
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": (await request.read()).decode(),
            },
            headers={"X-Model": "m"},
        )

    async def stream(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self.go_on.wait()
        await response.write("data: zwölf\n\n".encode())
        return response

    async def let_go_on(self, request):
        self.go_on.set()
        return web.Response()

    async def elsewhere(self, request):
        raise web.HTTPFound("/echo")

    async def error(self, request):
        code = int(request.match_info["code"])
        return web.json_response({"error": {"code": code}}, status=code)


@pytest.fixture(scope="module")
def served(api):
    """A namespace with the Service `model` in it."""
    namespace = api.namespace()
    api.backend(namespace, "model", Backend().app())
    return namespace


@pytest.fixture
def proxy(served):
    return f"{core(served, 'services')}/model:http/proxy"


@pytest.mark.parametrize("name", ["model:http", "model:80", "http:model:http", "http:model:80"])
def test_a_port_is_found_by_name_and_by_number(http, served, name):
    answer = http.get(f"{core(served, 'services')}/{name}/proxy/v1/models")

    assert (answer.status_code, answer.json()["path"]) == (200, "/v1/models")


def test_path_and_query_pass_as_they_are(http, proxy):
    answer = http.get(f"{proxy}/v1/a%20b/c%3Ad:e?x=1&x=2&y=%C3%A4")

    assert answer.json()["path"] == "/v1/a%20b/c:d:e?x=1&x=2&y=%C3%A4"


def test_a_slash_in_a_segment_does_not_stay_one(http, proxy):
    assert http.get(f"{proxy}/v1/a%2Fb").json()["path"] == "/v1/a/b"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_passes(http, proxy, method):
    assert http.request(method, f"{proxy}/x").json()["method"] == method


def test_a_body_passes_as_it_is(http, proxy):
    text = '{"prompt": "grüß\u2028dich"}'

    answer = http.post(f"{proxy}/v1/completions", content=text.encode())

    assert answer.json()["body"] == text


def test_the_bearer_does_not_pass(http, proxy):
    headers = http.get(f"{proxy}/x").json()["headers"]

    assert "authorization" not in headers


def test_other_headers_pass_both_ways(http, proxy):
    answer = http.get(f"{proxy}/x", headers={"X-Mine": "a", "Cookie": "c=1"})

    headers = answer.json()["headers"]
    assert (headers["x-mine"], headers["cookie"]) == ("a", "c=1")
    assert answer.headers["X-Model"] == "m"


def test_it_says_for_whom_it_asks(http, proxy):
    headers = http.get(f"{proxy}/x").json()["headers"]

    forwarded = {name: value for name, value in headers.items() if name.startswith("x-forwarded")}
    assert forwarded == {"x-forwarded-for": "127.0.0.1", "x-forwarded-uri": f"{proxy}/x"}


def test_without_a_slash_at_the_end_one_is_sent_there(http, proxy):
    answer = http.get(proxy)

    assert (answer.status_code, answer.headers["Location"]) == (301, f"{proxy}/")


@pytest.mark.parametrize("code", [400, 401, 404, 418, 429, 500, 503])
def test_an_error_of_the_server_behind_passes_as_it_is(http, proxy, code):
    answer = http.get(f"{proxy}/error/{code}")

    assert (answer.status_code, answer.json()) == (code, {"error": {"code": code}})


def test_a_redirection_is_not_followed(http, proxy):
    answer = http.get(f"{proxy}/elsewhere")

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{proxy}/echo"


def test_a_stream_is_not_held_back(http, proxy):
    with http.stream("GET", f"{proxy}/stream") as answer:
        chunks = answer.iter_raw()
        first = next(chunks)
        http.post(f"{proxy}/go-on")
        rest = b"".join(chunks)

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert (first, rest) == (b"data: 1\n\n", "data: zwölf\n\n".encode())


def test_a_service_that_is_not_there_is_not_found(http, space):
    answer = http.get(f"{core(space, 'services')}/model:80/proxy/x")

    assert refusal(answer) == (404, "NotFound", 'services "model" not found')
    assert details(answer) == {"name": "model", "kind": "services"}


def test_a_port_that_is_not_there_is_unavailable(http, served):
    answer = http.get(f"{core(served, 'services')}/model:81/proxy/x")

    text = 'no service port 81 found for service "model"'
    assert refusal(answer) == (503, "ServiceUnavailable", text)
    assert details(answer) is None


def test_a_port_name_that_is_not_there_has_no_endpoints(http, served):
    answer = http.get(f"{core(served, 'services')}/model:grpc/proxy/x")

    text = 'no endpoints available for service "model:grpc"'
    assert refusal(answer) == (503, "ServiceUnavailable", text)


def test_a_service_without_a_pod_has_no_endpoints(http, space):
    spec = {"selector": {"app": "none"}, "ports": [{"name": "http", "port": 80}]}
    made(http, core(space, "services"), {"metadata": {"name": "model"}, "spec": spec})

    made(http, core(space, "endpoints"), {"metadata": {"name": "model"}, "subsets": []})

    answer = http.get(f"{core(space, 'services')}/model:http/proxy/x")

    text = 'no endpoints available for service "model"'
    assert refusal(answer) == (503, "ServiceUnavailable", text)


def test_a_name_of_four_parts_is_no_service(http, served):
    answer = http.get(f"{core(served, 'services')}/a:b:c:d/proxy/x")

    text = 'invalid service request "a:b:c:d"'
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_connection_is_never_dry(http, proxy):
    answer = http.post(f"{proxy}/x", params={"dryRun": "All"})

    assert refusal(answer) == (400, "BadRequest", "dryRun is not supported")


def test_the_proxy_is_a_right_of_its_own(api, served):
    rule = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}
    client = api.client(api.person(rules=[rule], namespace=served))
    path = f"{core(served, 'services')}/model:http/proxy/x"

    assert client.get(path).status_code == 200
    assert 'cannot create resource "services/proxy"' in refusal(client.post(path)).message


def test_a_right_can_be_for_one_service_and_port(api, served):
    rule = {
        "apiGroups": [""],
        "resources": ["services/proxy"],
        "verbs": ["get"],
        "resourceNames": ["model:http"],
    }
    client = api.client(api.person(rules=[rule], namespace=served))

    codes = [
        client.get(f"{core(served, 'services')}/{name}/proxy/x").status_code
        for name in ("model:http", "model:80")
    ]

    assert codes == [200, 403]
