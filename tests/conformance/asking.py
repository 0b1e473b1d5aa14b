"""How the tests of beliefs ask a server, and how they put its answers to compare them.

Everything goes through plain httpx, so that what is believed is what stands on the wire. What two
right servers may say differently (a time, a uid, a version) is taken out by a function with a name.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Cause(NamedTuple):
    reason: str
    field: str
    message: str


class Refusal(NamedTuple):
    code: int
    reason: str
    message: str


def core(namespace: str, plural: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{plural}"


def config_map(name: str = "c", *, labels: Object | None = None, **data: str) -> Object:
    metadata: Object = {"name": name} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod(name: str = "p", **metadata: Any) -> Object:
    """Without a service account's token, so that no ServiceAccount is needed."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name} | metadata,
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "example.com/main:1"}],
        },
    }


# Asking


def made(http: httpx.Client, path: str, body: Object, **query: str) -> Object:
    """What a POST that must succeed made."""
    answer = http.post(path, json=body, params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sent(http: httpx.Client, method: str, path: str, kind: str, body: Any, **query: str) -> Any:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {"Content-Type": kind}
    return http.request(method, path, content=content, headers=headers, params=query)


def patched(
    http: httpx.Client, path: str, body: Any, kind: str = MERGE_PATCH, **query: str
) -> httpx.Response:
    return sent(http, "PATCH", path, kind, body, **query)


def applied(
    http: httpx.Client, path: str, body: Any, manager: str = "alice", **query: str
) -> httpx.Response:
    return patched(http, path, body, APPLY_PATCH, fieldManager=manager, **query)


def deleted(http: httpx.Client, path: str, options: Any = None, **query: str) -> httpx.Response:
    if options is None:
        return http.delete(path, params=query)
    body = {"apiVersion": "v1", "kind": "DeleteOptions"} | options
    return sent(http, "DELETE", path, "application/json", body, **query)


def version_of(http: httpx.Client, path: str) -> str:
    """The resourceVersion of a collection as it is now."""
    return http.get(path, params={"limit": "1"}).json()["metadata"]["resourceVersion"]


class Events:
    """A watch, read one event at a time; split at line feeds only."""

    def __init__(self, answer: httpx.Response) -> None:
        self._chunks = answer.iter_raw()
        self._waiting = b""

    def next(self) -> Object:
        while b"\n" not in self._waiting:
            self._waiting += next(self._chunks)
        line, _, self._waiting = self._waiting.partition(b"\n")
        return json.loads(line)

    def take(self, count: int) -> list[Object]:
        return [self.next() for _ in range(count)]

    def brief(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        found = self.take(count)
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]

    def __iter__(self) -> Iterator[Object]:
        """Until the server ends the stream."""
        with contextlib.suppress(StopIteration):
            while True:
                yield self.next()

    def rest(self) -> list[Object]:
        return list(self)


@contextlib.contextmanager
def watching(
    http: httpx.Client, path: str, accept: str = "application/json", **query: str
) -> Iterator[Events]:
    parameters = {"watch": "true"} | query
    with http.stream("GET", path, params=parameters, headers={"Accept": accept}) as answer:
        if answer.status_code != 200:
            raise AssertionError(answer.read())
        yield Events(answer)


# Comparing


def refusal(answer: httpx.Response) -> Refusal:
    """Code, reason and message of a Status, whose other parts are the same in all of them."""
    body = answer.json()
    fixed = {name: body.get(name) for name in ("kind", "apiVersion", "metadata", "status")}
    assert fixed == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    assert body["code"] == answer.status_code
    return Refusal(body["code"], body.get("reason", ""), body["message"])


def details(answer: httpx.Response) -> Object | None:
    """Without the causes; None where the Status has no details at all."""
    found = answer.json().get("details")
    return found and {name: value for name, value in found.items() if name != "causes"}


def causes(answer: httpx.Response) -> list[Cause]:
    found = answer.json()["details"]["causes"]
    return [Cause(one["reason"], one.get("field", ""), one["message"]) for one in found]


def without_moments(text: str) -> str:
    return _MOMENT.sub("<moment>", text)


def is_not_served(answer: httpx.Response) -> bool:
    """Of groups that are not built in, a path that leads nowhere is told in plain text."""
    return (answer.status_code, answer.text) == (404, "404 page not found\n")


def names(listed: Object) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def owners(obj: Object) -> dict[tuple[str, str, str], Object]:
    """Who owns what: manager, operation and sub-resource to fieldsV1."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields", ())
    }


def some_uid() -> str:
    return str(uuid.uuid4())
