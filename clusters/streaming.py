"""Asynchronous words with a cluster, for what flows to a browser: a model's answer, a pod's log.

Gives a client and paths; what flows through them is the caller's business. Never follows redirects, never
takes a proxy from the environment, never lets a name reach another service than it says.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

import httpx

from clusters.credentials import Secrets, certificate_files, unseal
from clusters.models import Cluster
from clusters.transport import SOCKET_OPTIONS, USER_AGENT

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
TIMEOUT = httpx.Timeout(connect=5, read=120, write=30, pool=5)  # s; read is the longest silence
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)

Item = TypeVar("Item")


def open_client(cluster: Cluster) -> httpx.AsyncClient:
    """A client for `cluster`; the caller closes it. Paths given to it begin with a slash."""
    secrets = unseal(cluster.sealed_credentials)
    headers = {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
    }  # a compressed stream comes late
    if secrets.get("token"):
        headers["Authorization"] = f"Bearer {secrets['token']}"
    transport = httpx.AsyncHTTPTransport(
        verify=_tls(cluster, secrets), limits=LIMITS, socket_options=SOCKET_OPTIONS
    )
    return httpx.AsyncClient(
        base_url=cluster.endpoint,
        headers=headers,
        timeout=TIMEOUT,
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        event_hooks={"request": [_naming(cluster.tls_server_name)]},
    )


def service_proxy_path(namespace: str, service: str, port: str | int, path: str) -> str:
    """Path of a Service behind the API server. Raises ValueError for what cannot be one.

    A name with a colon would choose another scheme or port, one with a slash another resource:
    https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
    """
    if (
        not path.startswith("/")
        or ".." in path.split("/")
        or not re.fullmatch(r"[-./\w]*", path, re.ASCII)
    ):
        raise ValueError(f"not a path: {path!r}")
    named = f"{_checked(service, LABEL)}:{_checked(str(port), LABEL)}"
    return f"/api/v1/namespaces/{_checked(namespace, LABEL)}/services/{named}/proxy{path}"


def pod_log_path(namespace: str, pod: str) -> str:
    """Raises ValueError for what cannot be names."""
    return f"/api/v1/namespaces/{_checked(namespace, LABEL)}/pods/{_checked(pod, SUBDOMAIN)}/log"


async def with_beats(
    items: AsyncGenerator[Item, None], period_s: float
) -> AsyncGenerator[Item | None, None]:
    """`items`, and None each time that nothing came for `period_s`. Closed, it closes `items` at once."""
    waiting: asyncio.Future[Item] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({waiting}, timeout=period_s)
            if not done:
                yield None
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield item
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
        await items.aclose()


def _checked(name: str, grammar: re.Pattern[str]) -> str:
    """DNS-1123: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
    if not grammar.fullmatch(name):
        raise ValueError(f"not a Kubernetes name: {name!r}")
    return quote(name, safe="")


def _naming(server_name: str) -> Callable[[httpx.Request], Awaitable[None]]:
    """Sets the name that the server's certificate must carry, where the kubeconfig gives one."""

    async def name_server(request: httpx.Request) -> None:
        if server_name:
            request.extensions["sni_hostname"] = server_name

    return name_server


def _tls(cluster: Cluster, secrets: Secrets) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=cluster.ca_pem or None)
    files = certificate_files(secrets)
    if files:
        context.load_cert_chain(files.certificate, files.key)
    return context
