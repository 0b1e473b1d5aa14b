"""Order of resourceVersions of one resource in one cluster; never compare across these."""

from __future__ import annotations


def is_newer(version: str, other: str) -> bool:
    """Whether `version` came after `other`. Malformed ones cannot be ordered: then the order of the stream holds.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    if not (version.isdigit() and other.isdigit()):
        return version != other
    return (len(version), version) > (len(other), other)
