"""Every synchronous word with a Kubernetes API server; the only importer of its official client.

Dicts in, dicts out, ClusterError for all that goes wrong. Each call has a time limit and is tried once:
trying again is the caller's decision, who knows whether that is harmless. Never follows redirects, never
takes a proxy from the environment.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3

from clusters import discovering, interrupts, transport
from clusters.credentials import certificate_files, unseal
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.payloads import identity
from clusters.targets import Target
from clusters.translating import translate
from clusters.transport import SOCKET_OPTIONS, USER_AGENT, Query, Request, Timeout

FIELD_MANAGER = "kaitoweb"
DRY = ("dryRun", "All")
# https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

# The server gives itself 34 s for a write and webhooks up to 30: a shorter limit makes definite answers unknown ones.
# https://github.com/kubernetes/apiserver/blob/v0.34.0/pkg/endpoints/handlers/rest.go
WRITE: Timeout = (5, 45)
REVIEW: Timeout = (5, 10)
DRY_RUN: Timeout = (2, 5)  # somebody waits for it, and an answer that never comes decides nothing

# Named here, since inside the class `list` is the verb.
LogLines = list[str]
Served = dict[str, list[str]]

LOG_LIMIT_BYTES = 4 * 1024 * 1024
REVIEWS_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI_PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list; `cont` asks for the next, empty on the last."""

    items: list[dict]
    resource_version: str
    cont: str = ""


class Gateway:
    """Safe for many threads at once. Build it after a fork, not before (for_cluster sees to that)."""

    def __init__(self, cluster: Cluster) -> None:
        self._calls = _Client(cluster, connections=10)
        # Streams have connections of their own, so that they cannot starve the calls.
        self._streams = _Client(cluster, connections=1)

    def list(self, target: Target, *, limit: int = 500, cont: str = "") -> Page:
        """One page; `limit` 0 asks for all at once. A ClusterError of status 410 means: begin again."""
        query = _selectors(target)
        if limit:
            query.append(("limit", str(limit)))
        if cont:
            query.append(("continue", cont))
        return _page(self._list(target, query), target)

    def versions(self, target: Target, *, at: str, limit: int = 500) -> dict[str, str]:
        """uid → resourceVersion of all that was there at version `at`. ClusterError "Expired": it is forgotten there."""
        query = [("resourceVersion", at), ("resourceVersionMatch", "Exact")]
        found: dict[str, str] = {}
        while True:
            asked = [*_selectors(target), ("limit", str(limit)), *query]
            page = _page(self._list(target, asked, accept=METADATA), target)
            found.update(identity(item) for item in page.items)
            if not page.cont:
                return found
            query = [("continue", page.cont)]

    def try_list(self, target: Target) -> None:
        """Ask for as little as can be asked of it; raises the ClusterError that a list would end in."""
        query = [*_selectors(target), ("limit", "1")]
        self._list(target, query, accept=METADATA, timeout=REVIEW)

    def _list(
        self,
        target: Target,
        query: Query,
        *,
        accept: str = "application/json",
        timeout: Timeout = transport.READ,
    ) -> dict:
        request = Request(
            method="GET",
            path=target.collection_path,
            query=tuple(query),
            accept=accept,
            timeout=timeout,
        )
        return transport.call(self._calls, request)

    def get(self, target: Target, namespace: str, name: str) -> dict:
        return transport.call(self._calls, Request(method="GET", path=target.path(namespace, name)))

    def create(self, target: Target, obj: dict, *, dry_run: bool = False) -> dict:
        """POST: a taken name is a Conflict of kind "exists", never a take-over."""
        return self._write("POST", target.path(_namespace(obj)), obj, [*_strict(), *_dry(dry_run)])

    def apply(
        self, target: Target, obj: dict, *, force: bool = False, dry_run: bool = False
    ) -> dict:
        """Server-side apply of exactly the fields that kaitoweb owns; safe to repeat."""
        query = [*_strict(), ("force", str(force).lower()), *_dry(dry_run)]
        path = target.path(_namespace(obj), obj["metadata"]["name"])
        return self._write("PATCH", path, obj, query, "application/apply-patch+yaml")

    def patch_merge(self, target: Target, namespace: str, name: str, body: dict) -> dict:
        query = [("fieldManager", FIELD_MANAGER)]
        return self._write(
            "PATCH", target.path(namespace, name), body, query, "application/merge-patch+json"
        )

    def delete(
        self,
        target: Target,
        namespace: str,
        name: str,
        *,
        uid: str,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> dict:
        """Delete this very object; another one of the same name is a Conflict of kind "uid"."""
        # All options stand in the body: where there is one, the server ignores those of the query.
        # https://github.com/kubernetes/apiserver/blob/v0.34.0/pkg/endpoints/handlers/delete.go
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        if dry_run:
            options["dryRun"] = ["All"]
        return self._write("DELETE", target.path(namespace, name), options, [])

    def log_lines(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        tail: int,
        previous: bool = False,
        timestamps: bool = True,
    ) -> LogLines:
        """The last `tail` lines of a container's log, or of its run before the last restart."""
        query = (
            ("container", container),
            ("tailLines", str(tail)),
            ("limitBytes", str(LOG_LIMIT_BYTES)),
            ("timestamps", str(timestamps).lower()),
            ("previous", str(previous).lower()),
        )
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log"
        data = transport.read(self._calls, Request(method="GET", path=path, query=query))
        text = data.decode("utf-8", "replace")
        return text.removesuffix("\n").split("\n") if text else []

    def may(
        self, verb: str, group: str, resource: str, *, namespace: str = "", subresource: str = ""
    ) -> bool | None:
        """Whether the cluster allows it; None where it would not say. Raises no ClusterError."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace,
            "subresource": subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        try:
            answer = self._review(REVIEWS_PATH, review)
        except ClusterError:
            return None
        allowed = (answer.get("status") or {}).get("allowed")
        return allowed if isinstance(allowed, bool) else None

    def whoami(self) -> dict:
        """Username, groups and so on, as the cluster sees us. NotFound before Kubernetes 1.28."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        found: dict = (self._review(WHOAMI_PATH, review).get("status") or {}).get("userInfo") or {}
        return found

    def version(self) -> str:
        answer = transport.call(self._calls, Request(method="GET", path="/version", timeout=REVIEW))
        return str(answer.get("gitVersion", ""))

    def served(self) -> Served:
        """Which resources each "group/version" has; the core group is "v1"."""
        answers = [self._discover(path, discovering.AGGREGATED) for path in ("/api", "/apis")]
        return discovering.parse_groups(answers, fetch=self._discover)

    def schemas(self, api_version: str) -> dict:
        """OpenAPI schemas of one "group/version", by name."""
        found: dict = self._discover(f"/openapi/v3/apis/{api_version}").get("components") or {}
        return found.get("schemas") or {}

    def stream(
        self, target: Target, *, resource_version: str, timeout_s: int, idle_s: float = 75.0
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The lines of a watch that the server ends after `timeout_s`; silence over `idle_s` is Unreachable."""
        query = [
            *_selectors(target),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(timeout_s)),
        ]
        request = Request(
            method="GET",
            path=target.collection_path,
            query=tuple(query),
            timeout=(transport.READ[0], idle_s),
        )
        return transport.lines(self._streams, request)

    def close(self) -> None:
        for client in (self._calls, self._streams):
            client.close()

    def _write(
        self,
        method: str,
        path: str,
        body: dict,
        query: Query,
        content_type: str = "application/json",
    ) -> dict:
        request = Request(
            method=method,
            path=path,
            query=tuple(query),
            body=body,
            content_type=content_type,
            timeout=DRY_RUN if DRY in query else WRITE,
        )
        return transport.call(self._calls, request)

    def _review(self, path: str, body: dict) -> dict:
        return transport.call(
            self._calls, Request(method="POST", path=path, body=body, timeout=REVIEW)
        )

    def _discover(self, path: str, accept: str = "application/json") -> dict:
        return transport.call(self._calls, Request(method="GET", path=path, accept=accept))


@dataclass(frozen=True, slots=True)
class _Kept:
    made_of: tuple[int, str, str]  # revision, endpoint, sealed credentials
    gateway: Gateway


_gateways: dict[tuple[int, int], _Kept] = {}  # by cluster and process
_gateways_lock = threading.Lock()


def for_cluster(cluster: Cluster) -> Gateway:
    """This process's gateway to `cluster`, as its address and credentials stand in the row that is given."""
    key = (cluster.pk, os.getpid())
    made_of = (cluster.revision, cluster.endpoint, cluster.sealed_credentials)
    with _gateways_lock:
        kept = _gateways.get(key)
        if kept is None or kept.made_of != made_of:
            _drop(key)
            kept = _gateways[key] = _Kept(made_of, Gateway(cluster))
        return kept.gateway


def forget(cluster: Cluster) -> None:
    """Drop what is kept for `cluster`; requests under way end by themselves."""
    with _gateways_lock:
        _drop((cluster.pk, os.getpid()))


def _drop(key: tuple[int, int]) -> None:
    kept = _gateways.pop(key, None)
    if kept:
        kept.gateway.close()


class _Client:
    """The official client with one cluster's address and credentials, and a pool of connections."""

    def __init__(self, cluster: Cluster, *, connections: int) -> None:
        from kubernetes import client  # noqa: PLC0415 - 44 MB and half a second that a page need not spend

        self._failures = (client.ApiException, urllib3.exceptions.HTTPError, OSError)
        self._api: Any = client.ApiClient(_configuration(cluster, connections))
        self._api.user_agent = USER_AGENT
        self._api.rest_client.pool_manager.pool_classes_by_scheme = interrupts.POOLS

    def send(self, request: Request) -> urllib3.HTTPResponse:
        serialized = self._api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query),
            header_params=request.headers,
            body=request.body,
            auth_settings=["BearerToken"],
        )
        try:
            reply = self._api.call_api(*serialized, _request_timeout=request.timeout)
        except self._failures as error:
            raise translate(error) from error
        response: urllib3.HTTPResponse = reply.response
        return response

    def close(self) -> None:
        self._api.rest_client.close()


def _configuration(cluster: Cluster, connections: int) -> object:
    from kubernetes import client  # noqa: PLC0415 - as above

    secrets = unseal(cluster.sealed_credentials)
    configuration = client.Configuration(host=cluster.endpoint.rstrip("/"))
    configuration.proxy = None  # the constructor takes it from the environment
    configuration.ca_cert_data = cluster.ca_pem or None
    configuration.tls_server_name = cluster.tls_server_name or None
    files = certificate_files(secrets)
    if files:
        configuration.cert_file, configuration.key_file = files
    if secrets.get("token"):
        configuration.api_key["BearerToken"] = f"Bearer {secrets['token']}"
    # No retries, no redirects, no sleeping on Retry-After.
    configuration.retries = urllib3.Retry(total=False)
    configuration.socket_options = SOCKET_OPTIONS
    configuration.connection_pool_maxsize = connections
    return configuration


def _page(raw: dict, target: Target) -> Page:
    metadata, items = raw.get("metadata"), raw.get("items")
    metadata = metadata if isinstance(metadata, dict) else {}
    items = items if isinstance(items, list) else []
    return Page(
        items=[_named(item, target) for item in items if isinstance(item, dict)],
        resource_version=str(metadata.get("resourceVersion") or ""),
        cont=str(metadata.get("continue") or ""),
    )


def _selectors(target: Target) -> Query:
    named = (("labelSelector", target.label_selector), ("fieldSelector", target.field_selector))
    return [(key, value) for key, value in named if value]


def _strict() -> Query:
    return [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")]


def _dry(dry_run: bool) -> Query:
    return [DRY] if dry_run else []


def _namespace(obj: dict) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _named(item: dict, target: Target) -> dict:
    """List items of built-in kinds come without their kind."""
    return {"apiVersion": target.api_version, "kind": target.kind, **item}
