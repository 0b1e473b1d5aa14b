"""LIST: consistent pages, selectors, and the rules for resourceVersion.

A page comes from the state at the version in its continue token, which the store rebuilds from its
log; so a list read in pages is as consistent as one read at once, or answers 410.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

import orjson
from aiohttp import web

from sandbox import status
from sandbox.answers import encoded, in_version, json_answer, table_of, wanted_form
from sandbox.calls import Call
from sandbox.resources import Resource
from sandbox.routing import is_true
from sandbox.selectors import selection
from sandbox.status import Cause
from sandbox.store import Stored
from sandbox.tables import partial

LIST_OPTIONS = Resource(
    group="meta.k8s.io", version="v1", plural="", singular="", kind="ListOptions"
)
INCONSISTENT = -1  # in a token: go on with whatever is there now

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9_-]")

Start = tuple[str, str]


def list_objects(call: Call) -> web.Response:
    check_list_options(call)
    version, start = _where(call)
    found, metadata = _page(call, version, start)
    return json_answer(_written(call, found, metadata))


def check_list_options(call: Call) -> None:
    call.number("timeoutSeconds")
    match = call.query.get("resourceVersionMatch", "")
    version = call.query.get("resourceVersion", "")
    if is_true(call.query, "sendInitialEvents"):
        raise refused("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
    if not match:
        return
    field = "resourceVersionMatch"
    if call.query.get("continue"):
        raise refused(field, f"Forbidden: {field} is forbidden when continue is provided")
    if not version:
        why = f"Forbidden: {field} is forbidden unless resourceVersion is provided"
        raise refused(field, why)
    if match not in ("Exact", "NotOlderThan"):
        supported = '"Exact", "NotOlderThan", ""'
        raise refused(field, f'Unsupported value: "{match}": supported values: {supported}')
    if match == "Exact" and version == "0":
        why = f'Forbidden: {field} "exact" is forbidden for resourceVersion "0"'
        raise refused(field, why)


def refused(field: str, message: str) -> status.StatusError:
    reasons = {"Forbidden": "FieldValueForbidden", "Unsupported value": "FieldValueNotSupported"}
    reason = reasons.get(message.split(":")[0], "FieldValueInvalid")
    return status.invalid(LIST_OPTIONS, "", [Cause(reason, field, message)])


def asked_version(call: Call) -> int:
    text = call.query.get("resourceVersion", "") or "0"
    if not text.isdecimal():
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ValueError(f"resourceVersion: {why}")
    return int(text)


def _where(call: Call) -> tuple[int, Start | None]:
    """The version to list at, and after which object to begin."""
    store = call.cluster.store
    token = call.query.get("continue", "")
    if token:
        if call.query.get("resourceVersion", "") not in ("", "0"):
            message = "specifying resource version is not allowed when using continue"
            raise status.bad_request(message)
        return _decoded(token)
    try:
        asked = asked_version(call)
    except ValueError as error:
        raise status.bad_request(f"invalid resource version: {error}") from error
    if asked > store.version:
        raise status.version_too_large(asked, store.version)
    if call.query.get("resourceVersionMatch") == "Exact":
        return asked, None
    return store.version, None


def _page(call: Call, version: int, start: Start | None) -> tuple[list[Stored], dict[str, Any]]:
    at = call.cluster.store.version if version == INCONSISTENT else version
    matching = selection(
        call.resource, call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    )
    rest = iter(_after(_state_at(call, at, start), start))
    if matching:
        rest = (stored for stored in rest if matching(stored.object))
    page = list(islice(rest, call.number("limit") or None))
    left = sum(1 for _ in rest)
    metadata: dict[str, Any] = {"resourceVersion": str(at)}
    if left:
        metadata["continue"] = _token(version, _name(page[-1]))
        if not matching:
            metadata["remainingItemCount"] = left
    return page, metadata


def _state_at(call: Call, version: int, start: Start | None) -> Sequence[Stored]:
    try:
        return call.cluster.store.snapshot_at(call.resource, call.namespace, version)
    except status.StatusError as error:
        if start is None:
            raise
        message = (
            "The provided continue parameter is too old to display a consistent list result. "
            "You can start a new list without the continue parameter, or use the continue token "
            "in this response to retrieve the remainder of the results. Continuing with the "
            "provided token results in an inconsistent list - objects that were created, modified, "
            "or deleted between the time the first chunk was returned and now may show up in the "
            "list."
        )
        token = _token(INCONSISTENT, start)
        raise status.expired(message, continue_token=token) from error


def _after(state: Sequence[Stored], start: Start | None) -> Sequence[Stored]:
    if start is None:
        return state
    return [stored for stored in state if _name(stored) > start]


def _name(stored: Stored) -> Start:
    metadata = stored.object["metadata"]
    return (metadata.get("namespace", ""), metadata["name"])


def _token(version: int, start: Start) -> str:
    raw = orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(start)})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(token: str) -> tuple[int, Start]:
    wrong = _NOT_BASE64.search(token)
    if wrong:
        raise _bad_token(f"illegal base64 data at input byte {wrong.start()}")
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = raw["start"].partition("/")
        return int(raw["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as error:
        raise _bad_token(str(error)) from error


def _bad_token(why: str) -> status.StatusError:
    return status.bad_request(f"invalid continue token: continue key is not valid: {why}")


def _written(call: Call, found: list[Stored], metadata: dict[str, Any]) -> bytes:
    form = wanted_form(call)
    resource = call.resource
    if form == "Table":
        return table_of(call, [_object(resource, stored) for stored in found], metadata)
    if form:
        items = [partial(stored.object) for stored in found]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return orjson.dumps(kind | {"metadata": metadata, "items": items})
    if resource.is_custom:  # of unstructured lists an empty token is written too
        metadata = {"continue": ""} | metadata
    return b'{"apiVersion":%s,"kind":%s,"metadata":%s,"items":[%s]}' % (
        orjson.dumps(resource.api_version),
        orjson.dumps(f"{resource.kind}List"),
        orjson.dumps(metadata),
        b",".join(_item(resource, stored) for stored in found),
    )


def _object(resource: Resource, stored: Stored) -> dict[str, Any]:
    if resource.api_version == resource.stored_api_version:
        return stored.object
    return in_version(resource, stored.copy())


def _item(resource: Resource, stored: Stored) -> bytes:
    """Items of built-in kinds come without apiVersion and kind, those of custom kinds with them.

    Every stored object begins with these two keys, so leaving them out is a cut.
    """
    if resource.is_custom:
        return encoded(resource, stored)
    head = b'{"apiVersion":"%s","kind":"%s",' % (
        resource.api_version.encode(),
        resource.kind.encode(),
    )
    return b"{" + encoded(resource, stored).removeprefix(head)
