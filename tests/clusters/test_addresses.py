from __future__ import annotations

import socket

import pytest

from clusters.addresses import check_endpoint
from clusters.errors import Refused


def refused(endpoint, **options):
    with pytest.raises(Refused) as caught:
        check_endpoint(endpoint, **options)
    return caught.value.message[:22], caught.value.field


OWN = ("This address belongs t", "kubeconfig")
HERE = ("This address is the ma", "kubeconfig")
PLAIN = ("The address must begin", "kubeconfig")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://10.0.0.1:6443",
        "https://[2001:db8::1]",
        "https://unknown.invalid",
        "https://192.168.1.5/k8s/c-1",
    ],
)
def test_check_accepts_clusters(endpoint):
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "168.63.129.16",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "2852039166",
        "0xa9fea9fe",
    ],
)
@pytest.mark.parametrize("from_operator", [True, False])
def test_check_refuses_the_networks_own_services_to_everybody(host, from_operator):
    assert refused(f"https://{host}", from_operator=from_operator) == OWN


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "[::1]", "localhost", "[::ffff:127.0.0.1]", "2130706433"]
)
def test_check_refuses_this_machine_but_to_its_operator(host):
    assert refused(f"https://{host}:6443") == HERE
    check_endpoint(f"https://{host}:6443", from_operator=True)


def test_check_looks_names_up(monkeypatch):
    answers = [(0, 0, 0, "", ("10.0.0.1", 0)), (0, 0, 0, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)

    assert refused("https://innocent.example") == OWN


def test_check_refuses_plain_http_but_to_the_sandbox():
    assert refused("http://10.0.0.1") == PLAIN
    assert refused("http://127.0.0.1:1", from_operator=True) == PLAIN
    assert refused("http://10.0.0.1", from_operator=True, plain_http=True) == PLAIN
    check_endpoint("http://127.0.0.1:1", from_operator=True, plain_http=True)
