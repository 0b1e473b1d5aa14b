"""The webhook's rules for LoRA adapters and for where data comes from."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.kaito.fielderrors import Errors, generic, invalid, missing, via

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
# https://github.com/distribution/reference/blob/main/regexp.go, shortened to what decides.
IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?"
)
LOCAL_HOSTS = frozenset(
    {"metadata.google.internal", "metadata.google", "instance-data.ec2.internal"}
)
PRIVATE = re.compile(
    r"^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|::1$|fe80:|f[cd])"
)

Raw = dict[str, Any]


def duplicate_names(adapters: list[Raw]) -> Errors:
    seen: set[str] = set()
    errors: Errors = []
    for adapter in adapters:
        name = (adapter.get("source") or {}).get("name") or ""
        if name in seen:
            errors.append(generic(f"Duplicate adapter source name found: {name}"))
        seen.add(name)
    return errors


def adapter_update_errors(adapter: Raw) -> Errors:
    source = adapter.get("source")
    if source is None:
        return [missing("Source")]
    errors = via("Adapters", source_errors(source)) + _name_errors(source.get("name") or "")
    if not source.get("image") and source.get("volumeSource") is None:
        said = "Either Image or Volume must be specified for adapter source"
        errors.append(generic(said, "adapters.source"))
    if source.get("urls"):
        said = "URLs are not supported as adapter source"
        errors.append(generic(said, "adapters.source.urls"))
    return errors + _strength_errors(source.get("name") or "", adapter.get("strength") or "1.0")


def _name_errors(name: str) -> Errors:
    if not name:
        return [missing("Name of Adapter field must be specified")]
    if len(name) > 253 or not SUBDOMAIN.fullmatch(name):
        return [invalid(SUBDOMAIN_RULE, "adapters.source.name")]
    return []


def _strength_errors(name: str, strength: str) -> Errors:
    try:
        value = float(strength)
    except ValueError:
        why = f'strconv.ParseFloat: parsing "{strength}": invalid syntax'
        return [generic(f"Invalid strength value for Adapter '{name}': {why}", "adapter")]
    if not 0 <= value <= 1:
        said = f"Strength value for Adapter '{name}' must be between 0 and 1"
        return [generic(said, "adapter")]
    return []


def source_errors(source: Raw) -> Errors:
    """A DataSource at creation: exactly one kind of source, and each of them well formed."""
    errors = [
        invalid(problem, "URLs")
        for problem in map(url_problem, source.get("urls") or [])
        if problem is not None
    ]
    errors += image_errors(source.get("image") or "", "input")
    given = [source.get("urls"), source.get("image"), source.get("volumeSource") is not None]
    if sum(bool(kind) for kind in given) != 1:
        said = "Exactly one of URLs, Volume, or Image must be specified"
        errors.append(generic(said, "URLs", "Volume", "Image"))
    return errors


def image_errors(image: str, direction: str) -> Errors:
    if image and not IMAGE.fullmatch(image):
        said = f"Unable to parse {direction} image reference: invalid reference format"
        return [invalid(said, "Image")]
    return []


def url_problem(url: str) -> str | None:
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return "invalid data source URL"
    if parts.scheme.lower() not in ("http", "https"):
        return "data source URL must use HTTP or HTTPS"
    host = (parts.hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost") or host in LOCAL_HOSTS:
        return "data source URL must not target a local or metadata endpoint"
    if PRIVATE.match(host):
        return "data source URL must not target a loopback, private, or link-local address"
    return None
