"""One authenticated request about a kind, with what its handlers ask of it again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from ruamel.yaml import YAML, YAMLError

from sandbox import status
from sandbox.auth import Identity
from sandbox.cluster import Cluster
from sandbox.resources import Resource
from sandbox.routing import Target

BODY_LIMIT = 3 * 1024 * 1024
JSON_TYPE = "application/json"


@dataclass(slots=True, kw_only=True)
class Call:
    request: web.Request
    cluster: Cluster
    identity: Identity
    target: Target
    resource: Resource
    warnings: list[str] = field(default_factory=list)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def namespace(self) -> str | None:
        return self.target.namespace or None if self.resource.namespaced else None

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def is_dry_run(self) -> bool:
        return _asks_dry_run(self.request.query.getall("dryRun", []))

    def number(self, name: str) -> int | None:
        """A query parameter that must be a number, where it is given and not empty."""
        text = self.query.get(name)
        if not text:
            return None
        if not text.isascii() or not text.isdecimal():
            raise status.bad_request(f'{name}: invalid value "{text}": not a number')
        return int(text)

    @property
    def manager(self) -> str:
        """Without a `fieldManager`, the first word of the User-Agent up to its slash."""
        agent = self.request.headers.get("User-Agent", "unknown")
        return self.query.get("fieldManager") or agent.split("/")[0][:128]


def _asks_dry_run(values: list[str]) -> bool:
    if any(value not in ("All", "") for value in values):
        raise status.bad_request(f'invalid dryRun value: "{values[0]}", must be "All"')
    return "All" in values


def content_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", JSON_TYPE).split(";")[0].strip().lower()


async def read_body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise status.too_large(BODY_LIMIT) from error


def decode(body: bytes, media_type: str) -> Any:  # noqa: ANN401  whatever the client sent
    """JSON, or YAML where the API server also takes it."""
    try:
        if media_type.endswith("yaml"):
            return orjson.loads(body) if body.lstrip()[:1] == b"{" else _from_yaml(body)
        return orjson.loads(body)
    except (orjson.JSONDecodeError, YAMLError) as error:
        raise status.bad_request(f"error decoding the body: {error}") from error


def decode_object(body: bytes, media_type: str) -> dict[str, Any]:
    obj = decode(body, media_type)
    if not isinstance(obj, dict):
        raise status.bad_request("the object provided is unrecognized (must be of type Object)")
    return obj


def _from_yaml(body: bytes) -> Any:  # noqa: ANN401
    plain = YAML(typ="safe", pure=True).load(body)
    return orjson.loads(orjson.dumps(plain))  # no dates or other types that JSON lacks
