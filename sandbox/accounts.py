"""What can be asked of one service account: a token.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

from aiohttp import web

from sandbox import protobuf, status
from sandbox.answers import json_answer
from sandbox.calls import Call, content_type, decode_object, read_body
from sandbox.resources import TOKENREQUESTS


async def create_token(call: Call) -> web.Response:
    account = call.cluster.store.get(call.resource, call.namespace, call.name)
    if account is None:
        raise status.not_found(call.resource, call.name)
    body, kind = await read_body(call.request), content_type(call.request)
    is_protobuf = kind == protobuf.MEDIA_TYPE
    asked = protobuf.decode_object(body) if is_protobuf else decode_object(body, kind)
    if asked.get("kind", TOKENREQUESTS.kind) != TOKENREQUESTS.kind:
        version, kind = asked.get("apiVersion", "v1"), asked["kind"]
        why = f"converting ({version}.{kind}) to (authentication.TokenRequest): unknown conversion"
        raise status.bad_request(
            f'{kind} in version "{version}" cannot be handled as a TokenRequest: {why}'
        )
    return json_answer(call.cluster.service_tokens.request(account, asked), 201)
