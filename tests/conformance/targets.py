"""The two servers that the conformance tests compare, behind one face: `Api`.

"sandbox" is our own API server without KAITO's controllers; "apiserver" is the real kube-apiserver
with etcd. What a test needs from either is made through the API by the same code, so a difference
that a test finds is a difference of the servers. Only three things go behind the API: where the
service proxy finds a backend, and how to make either server forget its history or start anew.
"""

from __future__ import annotations

import contextlib
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from aiohttp import web

from sandbox.kaito.crd import CRDS
from tests.conformance.backends import serving_app
from tests.conformance.realserver import ApiServer, admin_of, running_apiserver
from tests.conformance.widgets import WIDGET_CRD
from tests.servers import RunningSandbox, run_sandbox

Object = dict[str, Any]

SOON_S = 30
CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_numbers = itertools.count(1)


class Server(Protocol):
    """What cannot be asked of a server through its API."""

    def route(self, pod: Object, url: str) -> None:
        """Lets the service proxy find what listens at `url` behind the pod."""

    def forget_history(self) -> None:
        """No resourceVersion that was given until now can be watched or listed from any more."""


@dataclass(frozen=True)
class Api:
    kind: str
    url: str
    ca: str
    token: str
    kubeconfig: Path
    server: Server
    stack: contextlib.ExitStack

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca)

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        """The cluster's administrator, unless a token says who; closed when the session ends."""
        bearer = {"Authorization": f"Bearer {self.token if token is None else token}"}
        made = httpx.Client(
            base_url=self.url,
            headers=bearer | headers,
            verify=self.ssl_context,
            trust_env=False,
            timeout=SOON_S,
        )
        return self.stack.enter_context(made)

    @cached_property
    def admin(self) -> httpx.Client:
        return self.client()

    def namespace(self) -> str:
        """A new one. With the service account that pods need: there is no controller to make it."""
        name = _unique("conformance")
        _create(self.admin, "/api/v1/namespaces", {"metadata": {"name": name}})
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        _create(self.admin, accounts, {"metadata": {"name": "default"}}, or_exists=True)
        return name

    def person(self, *, rules: list[Object], namespace: str | None = None) -> str:
        """The token of somebody new who may do what `rules` say, in `namespace` or everywhere."""
        home = namespace or "default"
        name = _unique("person")
        account = _create(
            self.admin,
            f"/api/v1/namespaces/{home}/serviceaccounts",
            {"metadata": {"name": name}},
        )
        self._bind(account, rules, namespace)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{home}/serviceaccounts/{name}/token"
        token = str(_create(self.admin, path, request)["status"]["token"])
        _wait_for_rights(self.client(token), rules, namespace)
        return token

    def _bind(self, account: Object, rules: list[Object], namespace: str | None) -> None:
        """An authorizer learns of it a moment later, since it reads from a cache of its own."""
        group = "rbac.authorization.k8s.io"
        scope = "" if namespace is None else f"namespaces/{namespace}/"
        prefix = "Cluster" if namespace is None else ""
        base = f"/apis/{group}/v1/{scope}{prefix.lower()}"
        metadata = {"name": account["metadata"]["name"]}
        subject = {
            "kind": "ServiceAccount",
            "name": account["metadata"]["name"],
            "namespace": account["metadata"]["namespace"],
        }
        reference = {"apiGroup": group, "kind": f"{prefix}Role", "name": metadata["name"]}
        binding = {"metadata": metadata, "subjects": [subject], "roleRef": reference}
        _create(self.admin, f"{base}roles", {"metadata": metadata, "rules": rules})
        _create(self.admin, f"{base}rolebindings", binding)

    def backend(self, namespace: str, name: str, app: web.Application) -> None:
        """`app`, served on loopback, behind the Service `name` with the port `http` (80)."""
        url = self.stack.enter_context(serving_app(app))
        pod = self._pod(namespace, name)
        target_port = urlsplit(url).port
        self.server.route(pod, url)
        port = {"name": "http", "port": 80, "targetPort": target_port}
        service = {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [port]}}
        base = f"/api/v1/namespaces/{namespace}"
        _create(self.admin, f"{base}/services", service)
        _create(self.admin, f"{base}/endpoints", _endpoints(pod, target_port), or_exists=True)

    def _pod(self, namespace: str, name: str) -> Object:
        """One that runs, as far as its status says."""
        pods = f"/api/v1/namespaces/{namespace}/pods"
        container = {"name": "server", "image": "conformance.invalid/server:1"}
        spec = {"containers": [container], "automountServiceAccountToken": False}
        body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        _create(self.admin, pods, body)
        address = "10.244.{}.{}".format(*divmod(next(_numbers), 250))
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        answer = self.admin.patch(
            f"{pods}/{name}/status",
            json={"status": status},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        return _checked(answer)

    def old_events_gone(self) -> None:
        """Old resourceVersions expire: 410. On the real server every open stream ends with that."""
        _create(self.admin, "/api/v1/namespaces", {"metadata": {"name": _unique("later")}})
        self.server.forget_history()
        settle(self.admin)


def furnish(api: Api) -> None:
    """What both have before the first test: a default namespace, KAITO's kinds and Widgets."""
    _create(api.admin, "/api/v1/namespaces", {"metadata": {"name": "default"}}, or_exists=True)
    for crd in (*CRDS, WIDGET_CRD):
        install_crd(api.admin, crd)


def install_crd(client: httpx.Client, crd: Object) -> None:
    """Through the API; comes back when every served version answers and takes objects.

    The real server says Established a moment before it serves the kind.
    """
    _create(client, CRDS_PATH, crd, or_exists=True)
    _wait_until_served(client, crd)


def settle(client: httpx.Client) -> None:
    """After a start: wait for the custom kinds, whose caches a ready server is still filling."""
    for crd in _checked(client.get(CRDS_PATH))["items"]:
        _wait_until_served(client, crd)


def _wait_until_served(client: httpx.Client, crd: Object) -> None:
    """Asks for any version of the list, which only the cache can answer."""
    spec = crd["spec"]
    for version in spec["versions"]:
        kind = f"{spec['group']}/{version['name']}/{spec['names']['plural']}"
        path = f"/apis/{kind}?resourceVersion=0"
        wait_until(lambda path=path: client.get(path).status_code == 200)


def wait_until(condition: Callable[[], Any], limit_s: float = SOON_S) -> Any:
    """The first true value of `condition`; AssertionError if there is none in time."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {limit_s} s")
        time.sleep(0.05)
    return found


def _wait_for_rights(client: httpx.Client, rules: list[Object], namespace: str | None) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for rule in rules:
        review = {"spec": _attributes(rule, namespace)}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"} | review
        wait_until(lambda body=body: client.post(path, json=body).json()["status"]["allowed"])


def _attributes(rule: Object, namespace: str | None) -> Object:
    """One thing that the rule allows."""
    if "nonResourceURLs" in rule:
        path = {"path": rule["nonResourceURLs"][0], "verb": rule["verbs"][0]}
        return {"nonResourceAttributes": path}
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {
        "verb": rule["verbs"][0],
        "group": rule["apiGroups"][0],
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace or "",
        "name": next(iter(rule.get("resourceNames", [])), ""),
    }
    return {"resourceAttributes": asked}


def _endpoints(pod: Object, port: int) -> Object:
    metadata = pod["metadata"]
    reference = {"kind": "Pod"} | {key: metadata[key] for key in ("namespace", "name", "uid")}
    address = {"ip": pod["status"]["podIP"], "targetRef": reference}
    subset = {"addresses": [address], "ports": [{"name": "http", "port": port}]}
    return {"metadata": {"name": metadata["name"]}, "subsets": [subset]}


def _create(client: httpx.Client, path: str, body: Object, *, or_exists: bool = False) -> Object:
    answer = client.post(path, json=body)
    if or_exists and answer.status_code == 409:
        return {}
    return _checked(answer)


def _checked(answer: httpx.Response) -> Object:
    if answer.is_error:
        raise AssertionError(f"{answer.request.method} {answer.url}: {answer.text[:1000]}")
    return answer.json()


def _unique(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}-{time.time_ns() % 10**9:09d}"


@dataclass(frozen=True)
class SandboxServer:
    running: RunningSandbox

    def route(self, pod: Object, url: str) -> None:
        uid = pod["metadata"]["uid"]
        self.running.call(lambda cluster: cluster.models.set(uid, url))

    def forget_history(self) -> None:
        self.running.call(lambda cluster: cluster.store.compact())


@contextlib.contextmanager
def sandbox_api(folder: Path) -> Iterator[Api]:
    """Without KAITO's controllers and webhook, since the real server has neither."""
    path = folder / "kubeconfig"
    with run_sandbox(kaito=False) as running, contextlib.ExitStack() as stack:
        path.write_text(running.kubeconfig())
        ca = running.cluster.certificate.authority_pem
        token = running.tokens["admin"]
        api = Api("sandbox", running.url, ca, token, path, SandboxServer(running), stack)
        furnish(api)
        yield api


@dataclass(frozen=True)
class RealServer:
    process: ApiServer

    def route(self, pod: Object, url: str) -> None:
        """Nothing to do: it reaches the target port of the Service on this machine."""

    def forget_history(self) -> None:
        """Of etcd, and then of the watch caches, which live as long as the process."""
        self.process.compact()
        self.process.restart()


@contextlib.contextmanager
def apiserver_api() -> Iterator[Api]:
    with running_apiserver() as process, contextlib.ExitStack() as stack:
        url, ca, token = admin_of(process.kubeconfig)
        server = RealServer(process)
        api = Api("apiserver", url, ca, token, process.kubeconfig, server, stack)
        furnish(api)
        yield api
