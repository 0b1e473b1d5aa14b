"""What can go wrong with a cluster, in the product's own words.

ClusterError
├── Unreachable   network, TLS, timeout, 5xx, 429: worth another try
├── Conflict      409: name taken, field owned by another manager, stale version, another uid
├── Denied        401, 403: who we are, or what we may do, is not enough
├── NotFound      404: the object, its namespace or the whole kind
└── Invalid       400, 413, 422: the cluster judged what we sent

Refused           not the cluster but kaitoweb says no
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One entry of a Status's details.causes: what is wrong with which field."""

    field: str = ""
    reason: str = ""
    message: str = ""


class ClusterError(Exception):
    """`message` is ours and fit for a page; `detail` holds the cluster's own words, trimmed."""

    def __init__(self, reason: str, message: str, status: int = 0, detail: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status  # HTTP; 0 when no answer came
        self.detail = detail


class Unreachable(ClusterError):
    """`outcome_unknown`: the request may have taken effect all the same."""

    def __init__(
        self,
        reason: str,
        message: str,
        status: int = 0,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(reason, message, status, detail)
        self.retry_after_s = retry_after_s
        self.outcome_unknown = outcome_unknown


class Conflict(ClusterError):
    """`kind`: "exists" (name taken), "owned" (by another field manager), "stale" (version), "uid" (another object)."""

    def __init__(
        self,
        reason: str,
        message: str,
        status: int = 409,
        detail: str = "",
        *,
        kind: str = "stale",
        causes: tuple[Cause, ...] = (),
    ) -> None:
        super().__init__(reason, message, status, detail)
        self.kind = kind
        self.causes = causes


class Denied(ClusterError):
    pass


class NotFound(ClusterError):
    """`reason` NotServed: the kind itself is missing, as when KAITO is not installed."""


class Invalid(ClusterError):
    def __init__(
        self,
        reason: str,
        message: str,
        status: int = 422,
        detail: str = "",
        *,
        causes: tuple[Cause, ...] = (),
    ) -> None:
        super().__init__(reason, message, status, detail)
        self.causes = causes


class Refused(Exception):
    """A verb says no before anything is sent: not allowed, or it makes no sense now. Shown beside `field`."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
