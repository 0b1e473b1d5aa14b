"""Reading untrusted JSON: each function gives a value of the type it names, an empty one when there is none."""

from __future__ import annotations

from datetime import UTC, datetime

from workspaces.types import RawObject


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: object) -> RawObject:
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[RawObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: object) -> dict[str, str]:
    return {k: v for k, v in mapping(value).items() if isinstance(k, str) and isinstance(v, str)}


def texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def number(value: object, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def moment(value: object) -> datetime | None:
    """An RFC 3339 time of the API as aware UTC."""
    try:
        return datetime.fromisoformat(text(value).replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def at(raw: object, *path: str) -> object:
    """What stands at `path`, or None as soon as something is missing."""
    for key in path:
        raw = mapping(raw).get(key)
    return raw


def uid_of(raw: RawObject) -> str:
    return text(at(raw, "metadata", "uid"))


def resource_version_of(raw: RawObject) -> str:
    return text(at(raw, "metadata", "resourceVersion"))


def owner_of(raw: RawObject) -> RawObject:
    """The Workspace among the owner references, empty if none is."""
    owners = items(at(raw, "metadata", "ownerReferences"))
    return next((o for o in owners if o.get("kind") == "Workspace"), {})
