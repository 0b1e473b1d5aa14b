"""…/services/{[scheme:]name[:port]}/proxy/{path}: relays to the model behind a Service.

Bytes pass both ways as they come, so a streamed answer is not held back, and a client that leaves
closes the upstream connection at once. Like the API server it takes the Authorization header off.
https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
"""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from sandbox import status
from sandbox.calls import Call
from sandbox.resources import PODS
from sandbox.selectors import Requirement, matches_labels

Object = dict[str, Any]

SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("proxy_session", aiohttp.ClientSession)
UNQUOTED = "$&+,/:;=@~"  # https://pkg.go.dev/net/url#URL.EscapedPath
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip
NOT_FORWARDED = HOP_BY_HOP | {"authorization", "host", "content-length"}


async def session(app: web.Application) -> Any:  # noqa: ANN401  an aiohttp cleanup context
    """No limit on time or connections, since a model may think for minutes; and no header of its
    own, since the answer is for somebody else."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    ) as client:
        app[SESSION] = client
        yield


async def relay(call: Call) -> web.StreamResponse:
    if "dryRun" in call.query:
        raise status.bad_request("dryRun is not supported")
    if call.request.method in ("GET", "HEAD") and not call.request.path.split("/proxy", 1)[1]:
        raise web.HTTPMovedPermanently(f"{call.request.path}/")
    _, name, port_name = _split(call.name)
    service = call.cluster.store.get(call.resource, call.namespace, name)
    if service is None:
        raise status.not_found(call.resource, name)
    port = _port(service, name, port_name)
    pod = _endpoint(call, service, name)
    base_url = call.cluster.models.get(pod["metadata"]["uid"])
    if base_url is None:
        raise _unreachable(f"dial tcp {pod['status']['podIP']}:{port}: connect: connection refused")
    return await _pass_on(call, _upstream_url(call, base_url))


def _split(segment: str) -> tuple[str, str, str]:
    """`name`, `name:port` or `scheme:name:port`."""
    parts = segment.split(":")
    match parts:
        case [name]:
            return "", name, ""
        case [name, port]:
            return "", name, port
        case [scheme, name, port] if scheme in ("http", "https"):
            return scheme, name, port
    raise status.bad_request(f'invalid service request "{segment}"')


def _port(service: Object, name: str, wanted: str) -> int:
    """The port of the pods. Without a name, only an unnamed port is found."""
    for port in service.get("spec", {}).get("ports", []):
        if wanted in (port.get("name", ""), str(port["port"])):
            target = port.get("targetPort", port["port"])
            return target if isinstance(target, int) else port["port"]
    if wanted.isdecimal():
        raise status.unavailable(f'no service port {wanted} found for service "{name}"')
    named = f"{name}:{wanted}" if wanted else name
    raise status.unavailable(f'no endpoints available for service "{named}"')


def _endpoint(call: Call, service: Object, name: str) -> Object:
    spec = service.get("spec", {})
    selector = [
        Requirement(key, "in", frozenset([value]))
        for key, value in spec.get("selector", {}).items()
    ]
    takes_unready = bool(spec.get("publishNotReadyAddresses"))
    for stored in call.cluster.store.snapshot_of(PODS, call.namespace):
        pod = stored.object
        labels = pod["metadata"].get("labels") or {}
        if selector and matches_labels(selector, labels) and _serves(pod, takes_unready):
            return pod
    raise status.unavailable(f'no endpoints available for service "{name}"')


def _serves(pod: Object, takes_unready: bool) -> bool:
    found = pod.get("status", {})
    if not found.get("podIP") or found.get("phase") in ("Succeeded", "Failed"):
        return False
    conditions = found.get("conditions", [])
    is_ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return is_ready or takes_unready


def _upstream_url(call: Call, base_url: str) -> URL:
    """The path is decoded and written anew, so that a slash in a segment does not stay one."""
    query = call.request.rel_url.raw_query_string
    path = quote(unquote(call.target.tail), safe=UNQUOTED)
    url = f"{base_url.rstrip('/')}/{path}" + (f"?{query}" if query else "")
    return URL(url, encoded=True)


async def _pass_on(call: Call, url: URL) -> web.StreamResponse:
    request = call.request
    async with contextlib.AsyncExitStack() as stack:
        try:
            upstream = await stack.enter_async_context(
                request.app[SESSION].request(
                    request.method,
                    url,
                    headers=_headers(request),
                    data=request.content if request.body_exists else None,
                    allow_redirects=False,
                )
            )
        except aiohttp.ClientError as error:
            raise _unreachable(str(error)) from error
        return await _pass_back(request, upstream)


def _headers(request: web.Request) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in NOT_FORWARDED and not name.lower().startswith("impersonate-")
    )
    if request.content_length is not None and request.body_exists:
        headers["Content-Length"] = str(request.content_length)
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Uri"] = request.path
    return headers


async def _pass_back(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
    for name, value in upstream.headers.items():
        if name.lower() == "location" and value.startswith("/"):
            response.headers.add(name, _prefix(request) + value)
        elif name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    if "Content-Length" not in upstream.headers:
        response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
    except aiohttp.ClientError:
        # Half an answer must not look whole: cut the connection, as Go's reverse proxy does.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _prefix(request: web.Request) -> str:
    """What a redirection of the server behind leaves out."""
    before, proxy, _ = request.path.partition("/proxy")
    return before + proxy


def _unreachable(why: str) -> status.StatusError:
    return status.unavailable(f"error trying to reach service: {why}")
