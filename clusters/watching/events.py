"""What a watch tells."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.errors import ClusterError
from clusters.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object is there, new or changed. `listed`: a full list says so, which is right even if its version is lower
    than what was seen before (a restored cluster); otherwise the version is always newer."""

    target: Target
    raw: dict
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    target: Target
    uid: str
    raw: dict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A full list has ended: what else is known of this target in this namespace (empty: in all) is gone."""

    target: Target
    uids: frozenset[str]
    namespace: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The cluster was heard; at most one a second. `polling`: it is listed now and then, and not watched."""

    target: Target
    polling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing is known from now on; the next try comes in `retry_in_s`. Rows stay as they are."""

    target: Target
    error: ClusterError
    retry_in_s: float


WatchEvent = Seen | Gone | Listed | Alive | Stale
