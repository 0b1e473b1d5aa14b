"""Runs the sandbox's API server for tests: in a thread of its own, in memory, on a free port.

    with run_sandbox(speed=50) as sandbox:
        with httpx.Client(
            base_url=sandbox.url, headers=sandbox.headers("admin"), verify=sandbox.ssl_context
        ) as client:
            client.get("/version")
        sandbox.call(lambda cluster: cluster.store.list(WORKSPACES, "team-a"))

`kaito=False` gives a bare API server without KAITO's kinds and controllers; `knobs=True` serves the test knobs,
which `tests.knobs` turns. Whatever touches the
cluster must run in its event loop: `call` takes a plain function or one that returns a coroutine.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sandbox.app import build_cluster, serving
from sandbox.clock import Clock
from sandbox.cluster import Cluster
from sandbox.kaito.releases import Edition
from sandbox.knobs import install as install_knobs
from sandbox.kubeconfig import kubeconfig

START_S = CALL_S = 60  # generous: other people's machines stall


@dataclass
class RunningSandbox:
    url: str
    cluster: Cluster
    loop: asyncio.AbstractEventLoop

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """For `httpx.Client(verify=…)`: trusts this sandbox and nothing else."""
        return self.cluster.certificate.client_context()

    @property
    def tokens(self) -> dict[str, str]:
        """By user: admin, kaitoweb, viewer."""
        return self.cluster.authority.tokens

    def headers(self, user: str = "admin") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[user]}"}

    def kubeconfig(self, user: str = "admin") -> str:
        authority = self.cluster.certificate.authority_pem
        return kubeconfig(self.url, user, self.tokens[user], authority)

    def call(self, fn: Callable[[Cluster], Any]) -> Any:
        """The result of `fn(cluster)`, run in the cluster's loop."""

        async def run() -> Any:
            result = fn(self.cluster)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(CALL_S)


@contextlib.contextmanager
def run_sandbox(
    *,
    speed: float = 20,
    seed: bool = False,
    model_url: str | None = None,
    kaito: bool = True,
    knobs: bool = False,
    edition: Edition | None = None,
    prepare: Callable[[Cluster], None] | None = None,
) -> Iterator[RunningSandbox]:
    """`prepare(cluster)` runs before anything is served: CRDs, admission hooks, objects."""

    def build() -> Cluster:
        cluster = (
            build_cluster(None, speed=speed, model_url=model_url, seed=seed, edition=edition)
            if kaito
            else Cluster(clock=Clock(speed), model_url=model_url, seed=seed)
        )
        if prepare:
            prepare(cluster)
        if knobs:
            install_knobs(cluster)
        return cluster

    started: Future[tuple[RunningSandbox, asyncio.Event]] = Future()
    thread = threading.Thread(target=_run, args=(build, started), name="sandbox")
    thread.start()
    running, stopped = started.result(START_S)
    try:
        yield running
    finally:
        running.loop.call_soon_threadsafe(stopped.set)
        thread.join(START_S)


def _run(build: Callable[[], Cluster], started: Future) -> None:
    try:
        asyncio.run(_serve(build, started))
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _serve(build: Callable[[], Cluster], started: Future) -> None:
    stopped = asyncio.Event()
    cluster = build()
    async with serving(cluster) as url:
        running = RunningSandbox(url, cluster, asyncio.get_running_loop())
        started.set_result((running, stopped))
        await stopped.wait()
