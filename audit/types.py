"""Who acted, on what, and how it ended: the values that an entry is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    REQUESTED = (
        "requested"  # a wish was accepted; its own outcome follows with the same operation id
    )
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"  # not allowed, or judged invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or a part of kaitoweb. `key` is opaque and stable, `name` is what people read."""

    key: str = ""
    name: str
    source_ip: str = ""
    request_id: str = ""


SYSTEM = Actor(key="system", name="kaitoweb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was acted on; any part may be empty."""

    kind: str = ""
    cluster: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
