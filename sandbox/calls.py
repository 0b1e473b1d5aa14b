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
    faults: list[str] = field(default_factory=list)  # of the body: what a strict reader refuses

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
    def dry_run(self) -> list[str]:
        return self.request.query.getall("dryRun", [])

    @property
    def is_dry_run(self) -> bool:
        return "All" in self.dry_run

    def number(self, name: str) -> int | None:
        """A query parameter that must be a number, where it is given and not empty."""
        text = self.query.get(name)
        if not text:
            return None
        if not text.isascii() or not text.isdecimal():
            raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)

    @property
    def manager(self) -> str:
        """Without a `fieldManager`, the first word of the User-Agent up to its slash."""
        agent = self.request.headers.get("User-Agent", "unknown")
        return self.query.get("fieldManager") or agent.split("/")[0][:128]


def content_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", JSON_TYPE).split(";")[0].strip().lower()


async def read_body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise status.too_large(BODY_LIMIT) from error


def decode(body: bytes, media_type: str) -> Any:  # noqa: ANN401  whatever the client sent
    """JSON, or YAML where the API server also takes it; ValueError for what is neither."""
    try:
        if media_type.endswith("yaml"):
            return orjson.loads(body) if body.lstrip()[:1] == b"{" else _from_yaml(body)
        return orjson.loads(body)
    except (orjson.JSONDecodeError, YAMLError) as error:
        is_cut = "unexpected end" in str(error) or not body.strip()
        raise ValueError("unexpected end of JSON input" if is_cut else str(error)) from error


def decode_object(body: bytes, media_type: str, kind: str = "Object") -> dict[str, Any]:
    """`kind` is what it should be, to say so."""
    try:
        obj = decode(body, media_type)
    except ValueError as error:
        raise _unrecognized(body, kind, str(error)) from error
    if not isinstance(obj, dict):
        given = {list: "array", str: "string", bool: "bool"}.get(type(obj), "number")
        raise _unrecognized(body, kind, f"json: cannot unmarshal {given} into Go value")
    return obj


def _unrecognized(body: bytes, kind: str, why: str) -> status.StatusError:
    head = body[:28].decode("utf-8", "replace") or "<empty>"
    return status.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
        f"json parse error: {why} ({head})"
    )


def _from_yaml(body: bytes) -> Any:  # noqa: ANN401
    plain = YAML(typ="safe", pure=True).load(body)
    return orjson.loads(orjson.dumps(plain))  # no dates or other types that JSON lacks
