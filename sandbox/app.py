"""The whole sandbox: builds the cluster with KAITO in it, and serves it on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import kaito
from sandbox.auth import Authority, kept_key, kept_tokens
from sandbox.certificates import kept_certificate
from sandbox.clock import Clock
from sandbox.cluster import Cluster
from sandbox.kaito.releases import Edition
from sandbox.keeping import Keeper
from sandbox.server import make_runner

HOST = "127.0.0.1"


def build_cluster(
    state_dir: Path | None,
    speed: float = 1.0,
    model_url: str | None = None,
    seed: bool = True,
    edition: Edition | None = None,
) -> Cluster:
    """Without a state folder everything is in memory, and the tokens are new."""
    cluster = Cluster(
        clock=Clock(speed), model_url=model_url, seed=seed, **_kept_identity(state_dir)
    )
    if state_dir is not None:
        keeper = Keeper(cluster, state_dir)
        keeper.restore()
        cluster.keeper = keeper
    kaito.install(cluster, edition)
    return cluster


def _kept_identity(state_dir: Path | None) -> dict[str, Any]:
    if state_dir is None:
        return {}
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(
        tokens=kept_tokens(state_dir / "tokens.json"), key=kept_key(state_dir / "tokens.key")
    )
    return {
        "authority": authority,
        "certificate": kept_certificate(state_dir / "certificate.json"),
    }


@contextlib.asynccontextmanager
async def serving(cluster: Cluster, port: int = 0) -> AsyncIterator[str]:
    """Runs API and controllers; gives the URL. At the end nothing is left open or unsaved."""
    runner = make_runner(cluster)
    await runner.setup()
    try:
        context = cluster.certificate.server_context()
        site = web.TCPSite(runner, HOST, port, ssl_context=context)
        await site.start()
        host, bound = runner.addresses[0][:2]
        async with cluster.running():
            yield f"https://{host}:{bound}"
    finally:
        await _close(runner)
        if cluster.keeper is not None:
            cluster.keeper.save()


async def _close(runner: web.AppRunner) -> None:
    """TLS connections would wait for the client's goodbye, which an idle client never says."""
    server = runner.server
    transports = [each.transport for each in server.connections] if server else []
    await runner.cleanup()
    for transport in transports:
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
    await asyncio.sleep(0)
