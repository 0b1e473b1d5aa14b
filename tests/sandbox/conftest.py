"""A bare API server in the test's own event loop, with one small custom kind."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from sandbox.cluster import Cluster
from sandbox.resources import NAMESPACES
from sandbox.server import make_runner
from tests.sandbox.widgets import WIDGET_CRD

Object = dict[str, Any]


@dataclass
class Api:
    """The server as an HTTP client sees it; `cluster` for what only a controller could do."""

    cluster: Cluster
    session: aiohttp.ClientSession
    url: str
    user: str = "admin"  # one of the sandbox's own, unless there is a token
    token: str = ""

    @property
    def bearer(self) -> str:
        return self.token or self.cluster.authority.tokens[self.user]

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **headers
    ) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self.bearer}", "Content-Type": kind, **headers}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            text = await answer.text()
            if answer.content_type == "application/json":
                return answer.status, json.loads(text)
            return answer.status, text

    async def get(self, path: str, **headers: str) -> Any:
        return (await self.call("GET", path, **headers))[1]

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.call("POST", path, body)

    async def apply(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.call("PATCH", path, body, kind="application/apply-patch+yaml")

    async def merge(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.call("PATCH", path, body, kind="application/merge-patch+json")

    def open(self, path: str, **headers: str) -> Any:
        """A streamed answer: `async with api.open(path) as answer`."""
        sent = {"Authorization": f"Bearer {self.bearer}", **headers}
        return self.session.get(self.url + path, headers=sent)


class Events:
    """Reads a watch, one event at a time."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> Object:
        line = await asyncio.wait_for(self._answer.content.readline(), 2)
        return json.loads(line)

    async def brief(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        found = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]

    async def is_over(self) -> bool:
        return await asyncio.wait_for(self._answer.content.readline(), 2) == b""


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.install_crd(WIDGET_CRD)
    for name in ("default", "other"):
        namespace = {
            "metadata": {"name": name},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        made.store.create(NAMESPACES, namespace, manager="test")
    return made


@pytest_asyncio.fixture
async def api(cluster):
    runner = make_runner(cluster)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session, cluster.running():
        yield Api(cluster, session, f"http://{host}:{port}")
    await runner.cleanup()
    await asyncio.sleep(0)  # closed connections say goodbye in the next turn of the loop
