"""Whose word on scheme and client address is believed."""

from __future__ import annotations

import asyncio

import pytest

from kaitoweb.proxies import behind_proxies

TRUSTED = ["127.0.0.1", "172.16.0.0/12"]


def seen(peer, **headers):
    """Scheme and client address as the application sees them."""
    found = {}

    async def application(scope, receive, send):
        found.update(scope)

    scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 40000),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }
    asyncio.run(behind_proxies(application, TRUSTED)(scope, None, None))
    return found["scheme"], found["client"] and found["client"][0]


@pytest.mark.parametrize("peer", ["127.0.0.1", "172.18.0.1"])
def test_proxy_is_believed(peer):
    told = {"x_forwarded_proto": "https", "x_forwarded_for": "198.51.100.7"}
    assert seen(peer, **told) == ("https", "198.51.100.7")


def test_stranger_is_not_believed():
    told = {"x_forwarded_proto": "https", "x_forwarded_for": "198.51.100.7"}
    assert seen("203.0.113.9", **told) == ("http", "203.0.113.9")


def test_last_address_that_is_no_proxy_counts():
    told = "192.0.2.66, 198.51.100.7, 172.18.0.5"
    assert seen("127.0.0.1", x_forwarded_for=told) == ("http", "198.51.100.7")


@pytest.mark.parametrize("told", ["'; DROP TABLE", "198.51.100.7.example", "x" * 5000])
def test_what_is_no_address_does_not_reach_the_audit(told):
    assert seen("127.0.0.1", x_forwarded_for=told) == ("http", None)
