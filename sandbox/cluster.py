"""One pretend cluster: its store, clock, users, admission, logs, and the tasks that act in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox import roles
from sandbox.auth import Authority, Identity
from sandbox.certificates import Certificate, new_certificate
from sandbox.clock import Clock, parse_time
from sandbox.definitions import Definitions
from sandbox.garbage import GarbageCollector
from sandbox.logbook import LogBook
from sandbox.rbac import Authorizer
from sandbox.registry import Registry
from sandbox.resources import CRDS, PODS, Resource
from sandbox.servicetokens import ServiceTokens
from sandbox.store import Event, Store

if TYPE_CHECKING:
    from sandbox.keeping import Keeper

logger = logging.getLogger(__name__)

TERMINATION_S = 2.0  # how long a pod of the sandbox takes to stop, at speed 1
RESTART_AFTER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """What a validating webhook is asked. `object` and `old_object` are the hook's own copies."""

    operation: str  # CREATE or UPDATE
    resource: Resource
    subresource: str
    object: dict[str, Any]
    old_object: dict[str, Any] | None
    user: str
    dry_run: bool
    store: Store


class ModelRoutes:
    """Where the service proxy finds the server that listens in a pod."""

    def __init__(self) -> None:
        self._base_urls: dict[str, str] = {}

    def set(self, pod_uid: str, base_url: str | None) -> None:
        """None: nothing listens yet, connections are refused."""
        if base_url is None:
            self._base_urls.pop(pod_uid, None)
        else:
            self._base_urls[pod_uid] = base_url

    def get(self, pod_uid: str) -> str | None:
        return self._base_urls.get(pod_uid)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
Controller = Callable[["Cluster"], Awaitable[None]]
AdmissionHook = Callable[[AdmissionRequest], None]


class Cluster:
    def __init__(
        self,
        *,
        clock: Clock | None = None,
        authority: Authority | None = None,
        certificate: Certificate | None = None,
        model_url: str | None = None,
        seed: bool = False,
    ) -> None:
        """`model_url` and `seed` are for those who furnish the cluster: where the process with
        the models listens, and whether to put objects of show into a new cluster."""
        self.clock = clock or Clock()
        self.store = Store(now=self.clock.now)
        self.registry = Registry(self.store)
        self.definitions = Definitions(self.store)
        self.garbage = GarbageCollector(self.store)
        self.authority = authority or Authority()
        self.service_tokens = ServiceTokens(self.store, self.authority.key, self.clock.now)
        self.authorizer = Authorizer(self.store)
        self.certificate = certificate or new_certificate()
        self.logbook = LogBook()
        self.models = ModelRoutes()
        self.model_url = model_url
        self.seed = seed
        self.is_restored = False
        self.keeper: Keeper | None = None
        self.bookmark_every_s = 60.0
        self.middlewares: list[Middleware] = []  # around every request, the outermost first
        self.admission: list[AdmissionHook] = []
        self.controllers: list[Controller] = [end_deleted_pods]
        self.store.listeners.append(self._forget_pod)
        roles.plant(self.store)

    def identify(self, token: str) -> Identity | None:
        if not token.isascii():  # none of ours, and no text that could be compared with them
            return None
        return self.authority.identify(token) or self.service_tokens.identify(token)

    def install_crd(self, crd: dict[str, Any]) -> None:
        """Put a CRD into the store, unless it is there in this form."""
        found = self.store.get(CRDS, None, crd["metadata"]["name"])
        if found is None:
            self.store.create(CRDS, crd, manager="kaito")
        elif found["spec"] != crd["spec"]:
            self.store.update(CRDS, found | {"spec": crd["spec"]}, manager="kaito")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Cluster]:
        """Runs the controllers; at the end stops them, and ends every open watch and log."""
        controllers = [*self.controllers, *([self.keeper.run] if self.keeper else [])]
        tasks = [asyncio.create_task(self._supervise(each)) for each in controllers]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.end_streams()

    def end_streams(self) -> None:
        self.store.close_subscriptions()
        self.logbook.end_all()

    async def _supervise(self, controller: Controller) -> None:
        while True:
            try:
                await controller(self)
                return
            except Exception:  # a fault of one controller must not end the cluster
                logger.exception("a controller failed, restarting it")
                await asyncio.sleep(RESTART_AFTER_S)

    def _forget_pod(self, event: Event) -> None:
        if event.type == "DELETED" and event.resource.key == PODS.key:
            uid = event.object["metadata"]["uid"]
            self.models.set(uid, None)
            self.logbook.forget(uid)


async def end_deleted_pods(cluster: Cluster) -> None:
    """The kubelet's last word: a deleted pod goes once its containers have stopped."""
    events = cluster.store.subscribe(PODS)
    async with asyncio.TaskGroup() as group:
        for stored in cluster.store.snapshot_of(PODS):
            _end_later(cluster, group, stored.object)
        async for event in events:
            is_new = event.old is None or not _is_deleted(event.old.object)
            if event.type == "MODIFIED" and is_new:
                _end_later(cluster, group, event.object)


def _is_deleted(obj: dict[str, Any]) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def _end_later(cluster: Cluster, group: asyncio.TaskGroup, pod: dict[str, Any]) -> None:
    if _is_deleted(pod):
        group.create_task(_end(cluster, pod["metadata"]))


async def _end(cluster: Cluster, metadata: dict[str, Any]) -> None:
    elapsed = cluster.clock.now() - parse_time(metadata["deletionTimestamp"])
    await cluster.clock.sleep(max(0.0, TERMINATION_S - elapsed.total_seconds()))
    found = cluster.store.peek(PODS, metadata["namespace"], metadata["name"])
    if found and found.object["metadata"]["uid"] == metadata["uid"]:
        cluster.store.delete(
            PODS, metadata["namespace"], metadata["name"], grace_s=0, manager="kubelet"
        )
