"""The API server: who asks, whether they may, and which handler answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import typedefs as web_typing
from aiohttp import web

from sandbox import (
    accounts,
    applying,
    changes,
    deleting,
    discovery,
    openapi,
    podlogs,
    proxy,
    reviews,
    scaling,
    status,
    watching,
    writing,
)
from sandbox.answers import object_answer, status_answer
from sandbox.auth import Attributes, Identity
from sandbox.calls import BODY_LIMIT, Call, content_type
from sandbox.cluster import Cluster, Middleware
from sandbox.impersonation import impersonated
from sandbox.listing import list_objects
from sandbox.resources import NAMESPACES, Resource
from sandbox.routing import METHOD_VERBS, Target, asked_name, parse, verb_of
from sandbox.status import StatusError

logger = logging.getLogger(__name__)

CLUSTER: web.AppKey[Cluster] = web.AppKey("cluster", Cluster)
# Set on a request as soon as it is known: who sent it, and as whom it acts.
CALLER: web.RequestKey[Identity] = web.RequestKey("caller", Identity)
ACTING: web.RequestKey[Identity] = web.RequestKey("acting", Identity)
HEALTH = ("/healthz", "/livez", "/readyz")

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def make_app(cluster: Cluster) -> web.Application:
    """Run it with `handler_cancellation=True`, so that a client that leaves ends its stream."""
    middlewares = [_middleware(each) for each in cluster.middlewares]
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=middlewares)
    app[CLUSTER] = cluster
    app.cleanup_ctx.append(proxy.session)
    app.on_shutdown.append(_end_streams)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _middleware(around: Middleware) -> web_typing.Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: web_typing.Handler) -> web.StreamResponse:
        return await around(request, handler)

    return middleware


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
    except (asyncio.CancelledError, ConnectionError, web.HTTPException):
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
    target = parse(request.rel_url.raw_path)
    asked = _asked(request, target)
    identity = _identify(request, cluster, asked)
    allowed, reason = cluster.authorizer.judge(identity, asked)
    if not allowed:
        raise status.forbidden_to(identity.user, asked, reason)
    if target is None:
        return _about_server(request, cluster)
    if reviews.is_review(target):
        return await reviews.review(request, cluster, identity, target)
    return await _about_kind(request, cluster, identity, target)


def _identify(request: web.Request, cluster: Cluster, asked: Attributes) -> Identity:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    caller = cluster.identify(token.strip()) if scheme.lower() == "bearer" else None
    if caller is None:
        raise status.unauthorized()
    request[CALLER] = caller
    request[ACTING] = impersonated(request.headers, caller, cluster.authorizer.judge, asked)
    return request[ACTING]


def _asked(request: web.Request, target: Target | None) -> Attributes:
    """The request as authorizers see it."""
    if target is None:
        verb = METHOD_VERBS.get(request.method, request.method).lower()
        return Attributes(verb=verb, path=request.path)
    return Attributes(
        verb=verb_of(request.method, target, request.query),
        group=target.group,
        resource=target.plural,
        subresource=target.subresource,
        namespace=target.namespace,
        name=asked_name(target, request.query),
    )


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
        raise discovery.nowhere(request.path)
    if target.subresource and target.subresource not in resource.subresources:
        # Of a custom kind the object is missed, there or not.
        raise (
            status.not_found(resource, target.name) if resource.is_custom else status.no_such_path()
        )
    call = Call(
        request=request, cluster=cluster, identity=identity, target=target, resource=resource
    )
    return await _handler(call)(call)


def _is_misplaced(request: web.Request, target: Target, resource: Resource) -> bool:
    """Whether the kind has no such path, since its scope is another."""
    if resource.key == NAMESPACES.key:
        return False
    if not resource.namespaced:
        return bool(target.namespace)
    return not target.namespace and bool(target.name or request.method == "POST")


def _handler(call: Call) -> Handler:
    verb = verb_of(call.request.method, call.target, call.query)
    if call.target.subresource == "proxy":
        return proxy.relay
    found = SUBRESOURCE_HANDLERS.get(call.target.subresource, HANDLERS)
    if verb not in found:
        raise status.method_not_allowed()
    return found[verb]


async def _get(call: Call) -> web.StreamResponse:
    stored = call.cluster.store.get(call.resource, call.namespace, call.name)
    if stored is None:
        raise status.not_found(call.resource, call.name)
    return object_answer(call, stored)


async def _list(call: Call) -> web.StreamResponse:
    return list_objects(call)


async def _patch(call: Call) -> web.StreamResponse:
    writing.check_named(call)
    is_apply = content_type(call.request) == changes.APPLY_PATCH
    return await (applying.answer(call) if is_apply else writing.patch(call))


HANDLERS: dict[str, Handler] = {
    "create": writing.create,
    "delete": deleting.delete,
    "deletecollection": deleting.delete_collection,
    "get": _get,
    "list": _list,
    "patch": _patch,
    "update": writing.update,
    "watch": watching.watch,
}
SUBRESOURCE_HANDLERS: dict[str, dict[str, Handler]] = {
    "log": {"get": podlogs.read_log},
    "scale": {"get": scaling.get, "patch": scaling.patch, "update": scaling.update},
    "status": {"get": _get, "patch": _patch, "update": writing.update},
    "token": {"create": accounts.create_token},
}
