"""Tokens of service accounts: asked for by TokenRequest, signed, bound to the account, expiring.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

from sandbox import status
from sandbox.auth import Identity, service_account_groups, service_account_user
from sandbox.clock import rfc3339
from sandbox.resources import SERVICEACCOUNTS, TOKENREQUESTS
from sandbox.status import Cause
from sandbox.store import Store

Object = dict[str, Any]

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
DEFAULT_S = 3_600
SHORTEST_S, LONGEST_S = 600, 1 << 32
CREDENTIAL = "authentication.kubernetes.io/credential-id"


class ServiceTokens:
    def __init__(self, store: Store, key: bytes, now: Callable[[], datetime]) -> None:
        self._store = store
        self._key = key
        self._now = now

    def request(self, account: Object, asked: Object) -> Object:
        """The answer to a TokenRequest for this account."""
        spec = asked.get("spec") or {}
        lasts_s = _checked_duration(spec.get("expirationSeconds", DEFAULT_S))
        audiences = spec.get("audiences") or [AUDIENCE]
        ends = (self._now() + timedelta(seconds=lasts_s)).replace(microsecond=0)
        about = account["metadata"]
        return {
            "kind": TOKENREQUESTS.kind,
            "apiVersion": TOKENREQUESTS.api_version,
            "metadata": {
                "name": about["name"],
                "namespace": about["namespace"],
                "creationTimestamp": rfc3339(self._now()),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": lasts_s,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {
                "token": self._signed(self._claims(about, audiences, ends)),
                "expirationTimestamp": rfc3339(ends),
            },
        }

    def identify(self, token: str) -> Identity | None:
        """None for what was not signed here, has expired, is for another audience, or belongs to
        an account that is gone."""
        claims = self._verified(token)
        if claims is None or claims["exp"] <= self._now().timestamp():
            return None
        if AUDIENCE not in claims["aud"]:
            return None
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        found = self._store.peek(SERVICEACCOUNTS, namespace, account["name"])
        if found is None or found.object["metadata"]["uid"] != account["uid"]:
            return None
        return Identity(
            user=service_account_user(namespace, account["name"]),
            groups=service_account_groups(namespace),
            uid=account["uid"],
            extra={CREDENTIAL: [f"JTI={claims['jti']}"]},
        ).authenticated()

    def _claims(self, account: Object, audiences: list[str], ends: datetime) -> Object:
        begins = int(self._now().timestamp())
        return {
            "aud": audiences,
            "exp": int(ends.timestamp()),
            "iat": begins,
            "iss": AUDIENCE,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": account["namespace"],
                "serviceaccount": {"name": account["name"], "uid": account["uid"]},
            },
            "nbf": begins,
            "sub": service_account_user(account["namespace"], account["name"]),
        }

    def _signed(self, claims: Object) -> str:
        head = _encoded(orjson.dumps({"alg": "HS256", "typ": "JWT"}))
        body = f"{head}.{_encoded(orjson.dumps(claims))}"
        return f"{body}.{self._signature(body)}"

    def _verified(self, token: str) -> Object | None:
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return None
        return orjson.loads(_decoded(body.partition(".")[2]))

    def _signature(self, body: str) -> str:
        return _encoded(hmac.digest(self._key, body.encode(), hashlib.sha256))


def _checked_duration(seconds: int) -> int:
    if SHORTEST_S <= seconds <= LONGEST_S:
        return seconds
    text = "larger than 2^32 seconds" if seconds > LONGEST_S else "less than 10 minutes"
    why = f"Invalid value: {seconds}: may not specify a duration {text}"
    cause = Cause("FieldValueInvalid", "spec.expirationSeconds", why)
    raise status.invalid(TOKENREQUESTS, "", [cause])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
