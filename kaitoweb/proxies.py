"""Takes scheme and client address from the proxy before us: from the networks that we trust, and from nobody else."""

from __future__ import annotations

import ipaddress

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kaitoweb.limiting import Application, Receive, Scope, Send


def behind_proxies(application: Application, trusted: list[str]) -> Application:
    """`trusted`: addresses and networks. Of X-Forwarded-For the last address outside them counts."""

    async def with_address(scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and not _is_address(client[0]):
            scope["client"] = None  # a proxy passed on what somebody had made up
        await application(scope, receive, send)

    return ProxyHeadersMiddleware(with_address, trusted_hosts=trusted)  # type: ignore[arg-type, return-value]  # uvicorn's ASGI types are narrower


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
