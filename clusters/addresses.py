"""Which addresses kaitoweb may be pointed at. A cluster's address is typed by a person, and the server would dial it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from clusters.errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer with credentials to whoever asks from inside, beyond the link-local ranges.
METADATA = frozenset(
    ipaddress.ip_address(a)
    for a in (
        "168.63.129.16",  # Azure: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
    )
)


def check_endpoint(endpoint: str, *, from_operator: bool = False, plain_http: bool = False) -> None:
    """Raise Refused for an address that must not be dialled; names are looked up.

    `from_operator`: whoever runs this machine gave it, so that the machine itself is allowed.
    `plain_http`: as the sandbox speaks, and only on the machine itself.
    """
    parts = urlsplit(endpoint)
    found = list(_resolved(parts.hostname or ""))
    loopback = bool(found) and all(a.is_loopback for a in found)
    if any(_forbidden(a) for a in found):
        raise Refused(
            "This address belongs to the network's own services, not to a cluster.", "kubeconfig"
        )
    if any(a.is_loopback for a in found) and not from_operator:
        raise Refused(
            "This address is the machine that kaitoweb runs on. Only its operator can connect such a cluster (KAITOWEB_KUBECONFIG).",
            "kubeconfig",
        )
    if parts.scheme != "https" and not (plain_http and loopback):
        raise Refused(
            "The address must begin with https://: over http:// anybody on the way reads the token.",
            "kubeconfig",
        )


def _resolved(host: str) -> Iterable[Address]:
    """All that `host` leads to, in every spelling that the system understands; empty for an unknown name."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, sockaddr in answers:
        address = ipaddress.ip_address(str(sockaddr[0]).split("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        yield mapped or address


def _forbidden(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
    )
