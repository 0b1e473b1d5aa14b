"""The API server: who asks, whether they may, and which handler answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox import discovery, openapi, podlogs, proxy, reviews, status, watching, writing
from sandbox.answers import object_answer, status_answer
from sandbox.auth import Attributes, Identity
from sandbox.calls import BODY_LIMIT, Call
from sandbox.cluster import Cluster
from sandbox.listing import list_objects
from sandbox.resources import NAMESPACES, Resource
from sandbox.routing import METHOD_VERBS, Target, parse, verb_of
from sandbox.status import StatusError

logger = logging.getLogger(__name__)

CLUSTER: web.AppKey[Cluster] = web.AppKey("cluster", Cluster)
HEALTH = ("/healthz", "/livez", "/readyz")

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def make_app(cluster: Cluster) -> web.Application:
    """Run it with `handler_cancellation=True`, so that a client that leaves ends its stream."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app[CLUSTER] = cluster
    app.cleanup_ctx.append(proxy.session)
    app.on_shutdown.append(_end_streams)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def make_runner(cluster: Cluster) -> web.AppRunner:
    """Watches and logs end at shutdown by themselves; relayed streams are cut soon after."""
    return web.AppRunner(
        make_app(cluster), handler_cancellation=True, shutdown_timeout=0.1, access_log=None
    )


async def handle(request: web.Request) -> web.StreamResponse:
    try:
        return await _answer(request)
    except StatusError as error:
        return status_answer(error)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:  # an answer is owed whatever went wrong
        logger.exception("could not answer %s %s", request.method, request.path)
        return status_answer(status.internal(str(error)))


async def _end_streams(app: web.Application) -> None:
    app[CLUSTER].end_streams()


async def _answer(request: web.Request) -> web.StreamResponse:
    cluster = request.app[CLUSTER]
    if request.path in HEALTH:
        return web.Response(text="ok")
    identity = _identify(request, cluster)
    target = parse(request.rel_url.raw_path)
    _authorize(request, cluster, identity, target)
    if target is None:
        return _about_server(request, cluster)
    reviewed = reviews.reviewed_kind(target)
    if reviewed:
        return await reviews.review(request, cluster.authority, identity, reviewed)
    return await _about_kind(request, cluster, identity, target)


def _identify(request: web.Request, cluster: Cluster) -> Identity:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    identity = cluster.authority.identify(token.strip()) if scheme.lower() == "bearer" else None
    if identity is None:
        raise status.unauthorized()
    impersonated = request.headers.get("Impersonate-User")
    if impersonated is not None:
        why = (
            f'User "{identity.user}" cannot impersonate resource "users" in API group "" at the '
            "cluster scope"
        )
        raise status.forbidden("", "users", impersonated, why)
    return identity


def _authorize(
    request: web.Request, cluster: Cluster, identity: Identity, target: Target | None
) -> None:
    if target is None:
        verb = METHOD_VERBS.get(request.method, request.method).lower()
        asked = Attributes(verb=verb, path=request.path)
    else:
        asked = Attributes(
            verb=verb_of(request.method, target, request.query),
            group=target.group,
            resource=target.plural,
            subresource=target.subresource,
            namespace=target.namespace,
            name=target.name,
        )
    if not cluster.authority.allows(identity.user, identity.groups, asked):
        raise status.forbidden_to(identity.user, asked)


def _about_server(request: web.Request, cluster: Cluster) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        raise status.method_not_allowed()
    if request.path.startswith("/openapi/v3"):
        return openapi.answer(request, cluster.registry)
    return discovery.answer(request, cluster.registry)


async def _about_kind(
    request: web.Request, cluster: Cluster, identity: Identity, target: Target
) -> web.StreamResponse:
    resource = cluster.registry.by_path(target.group, target.version, target.plural)
    if resource is None or _is_misplaced(request, target, resource):
        raise status.no_such_path()
    call = Call(
        request=request, cluster=cluster, identity=identity, target=target, resource=resource
    )
    return await _handler(call)(call)


def _is_misplaced(request: web.Request, target: Target, resource: Resource) -> bool:
    """Whether the kind has no such path: wrong scope, or a sub-resource that it lacks."""
    if target.subresource and target.subresource not in resource.subresources:
        return True
    if resource.key == NAMESPACES.key:
        return False
    if not resource.namespaced:
        return bool(target.namespace)
    return not target.namespace and bool(target.name or request.method == "POST")


def _handler(call: Call) -> Handler:
    verb = verb_of(call.request.method, call.target, call.query)
    if call.target.subresource == "proxy":
        return proxy.relay
    if call.target.subresource == "log":
        return _only_get(verb, podlogs.read_log)
    found = STATUS_HANDLERS if call.target.subresource else HANDLERS
    if verb not in found:
        raise status.method_not_allowed()
    return found[verb]


def _only_get(verb: str, handler: Handler) -> Handler:
    if verb != "get":
        raise status.method_not_allowed()
    return handler


async def _get(call: Call) -> web.StreamResponse:
    stored = call.cluster.store.get(call.resource, call.namespace, call.name)
    if stored is None:
        raise status.not_found(call.resource, call.name)
    return object_answer(call, stored)


async def _list(call: Call) -> web.StreamResponse:
    return list_objects(call)


HANDLERS: dict[str, Handler] = {
    "create": writing.create,
    "delete": writing.delete,
    "get": _get,
    "list": _list,
    "patch": writing.patch,
    "update": writing.update,
    "watch": watching.watch,
}
STATUS_HANDLERS: dict[str, Handler] = {
    "get": _get,
    "patch": writing.patch,
    "update": writing.update,
}
