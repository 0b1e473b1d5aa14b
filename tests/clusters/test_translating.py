from __future__ import annotations

import json
import ssl

import httpx
import pytest
import urllib3.exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.errors import (
    Cause,
    ClusterError,
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Unreachable,
)
from clusters.translating import translate, translate_reply, translate_status
from tests.clusters.scripted import status

KNATIVE = (
    'admission webhook "validation.workspace.kaito.sh" denied the request: validation failed: '
    "missing field(s): spec.resource.instanceType"
)
OTHER_WEBHOOK = 'admission webhook "policy.example.com" denied the request: no'
TYPED = "failed to create typed patch object (ns/x; kaito.sh/v1beta1, Kind=Workspace): "
WEBHOOK_DOWN = (
    'Internal error occurred: failed calling webhook "validation.workspace.kaito.sh": failed to call webhook: '
    'Post "https://kaito.svc:9443": no endpoints available for service "kaito"'
)
RBAC = 'workspaces.kaito.sh "x" is forbidden: User "u" cannot patch resource "workspaces" in API group "kaito.sh" in the namespace "ns"'
RBAC_WIDE = (
    'nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope'
)
OWNED = {
    "reason": "FieldManagerConflict",
    "field": ".inference.preset.name",
    "message": 'conflict with "kubectl-edit"',
}
LOCKED = 'Operation cannot be fulfilled on workspaces.kaito.sh "x": the object has been modified'
UID = 'Operation cannot be fulfilled on workspaces.kaito.sh "x": uid mismatch: the provided object specified uid 1'
PRECONDITION = "Precondition failed: UID in precondition: a, UID in object meta: b"
DELETION = (
    'Operation cannot be fulfilled on Workspace.kaito.sh "x": the UID in the precondition (a) does not match the '
    "UID in record (b). The object might have been deleted and then recreated"
)
FIELD = {
    "reason": "FieldValueInvalid",
    "field": "inference.preset.name",
    "message": 'Invalid value: "x"',
}

STATUSES = [
    (status(400, "BadRequest", KNATIVE), Invalid, "BadRequest", "KAITO refused it."),
    (status(400, "", OTHER_WEBHOOK), Invalid, "Invalid", "The admission webhook policy.example.com refused it."),
    (status(400, "BadRequest", 'strict decoding error: unknown field "a"'), Invalid, "BadRequest", "The cluster does not accept it."),
    (status(401, "Unauthorized", "Unauthorized"), Denied, "Unauthorized", "The cluster does not accept kaitoweb's credentials."),
    (status(403, "Forbidden", RBAC), Denied, "Forbidden", "kaitoweb may not patch workspaces.kaito.sh in namespace ns."),
    (status(403, "Forbidden", RBAC_WIDE), Denied, "Forbidden", "kaitoweb may not list nodes in the whole cluster."),
    (status(403, "Forbidden", "pods x is forbidden: exceeded quota: q"), Denied, "QuotaExceeded", "A resource quota of the namespace is used up."),
    (status(403, "Forbidden", "violates PodSecurity"), Denied, "Forbidden", "The cluster forbids this."),
    (status(404, "NotFound", "x", kind="workspaces", name="x"), NotFound, "NotFound", "x does not exist."),
    (status(404, "NotFound", "x", kind="namespaces", name="ns"), NotFound, "NamespaceNotFound", "The namespace ns does not exist."),
    (status(404, "NotFound", "the server could not find the requested resource"), NotFound, "NotServed", "The cluster does not know this kind of object."),
    (status(409, "AlreadyExists", "x", name="x"), Conflict, "AlreadyExists", "The name is taken."),
    (status(409, "Conflict", "Apply failed with 1 conflict", causes=[OWNED]), Conflict, "Conflict", "Another tool owns .inference.preset.name."),
    (status(409, "Conflict", LOCKED), Conflict, "Conflict", "The object was changed in the meantime."),
    (status(410, "Expired", "too old"), ClusterError, "Expired", "The cluster no longer knows this version."),
    (status(413, "RequestEntityTooLarge", "limit is 3145728"), Invalid, "RequestEntityTooLarge", "It is too large for the cluster."),
    (status(415, "UnsupportedMediaType", "x"), Invalid, "UnsupportedMediaType", "The cluster does not accept it."),
    (status(422, "Invalid", "x is invalid", causes=[FIELD]), Invalid, "Invalid", "The cluster does not accept it."),
    (status(429, "TooManyRequests", "slow"), Unreachable, "TooManyRequests", "The cluster asks to slow down."),
    (status(500, "", TYPED + ".resource.foo: field not declared in schema"), Invalid, "Invalid", "The cluster does not accept it."),
    (status(500, "InternalError", WEBHOOK_DOWN), Unreachable, "WebhookDown", "KAITO's admission webhook is not running, so the cluster takes no workspace now."),
    (status(500, "InternalError", 'failed calling webhook "a.b": x'), Unreachable, "WebhookDown", "The admission webhook a.b is not running."),
    (status(500, "InternalError", "etcdserver: leader changed"), Unreachable, "InternalError", "The cluster answered with an error (500)."),
    (status(503, "ServiceUnavailable", "shutting down"), Unreachable, "ServiceUnavailable", "The cluster answered with an error (503)."),
    (status(504, "Timeout", "too large", causes=[{"reason": "ResourceVersionTooLarge"}]), Unreachable, "ResourceVersionTooLarge", "The cluster is behind what was seen of it before."),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "kind", "reason", "message"), STATUSES)
def test_translate_reply_reads_every_status(raw, kind, reason, message):
    error = translate_reply(raw["code"], json.dumps(raw).encode())

    assert (type(error), error.reason, error.message, error.status) == (
        kind,
        reason,
        message,
        raw["code"],
    )
    assert error.detail == raw["message"]


@pytest.mark.parametrize(("raw", "kind", "reason", "message"), STATUSES)
def test_translate_status_reads_the_same_inside_a_stream(raw, kind, reason, message):
    error = translate_status(raw)

    assert (type(error), error.reason, error.message) == (kind, reason, message)


def test_translate_status_takes_one_without_code_for_a_fault():
    error = translate_status({"kind": "Status"})

    assert (type(error), error.status) == (Unreachable, 500)


@pytest.mark.parametrize(
    ("code", "body", "kind", "reason", "detail"),
    [
        (502, b"<html><head><title>502</title></head>\n<h1>Bad  gateway</h1></html>", Unreachable, "HTTP502", "502 Bad gateway"),
        (404, b"404 page not found\n", NotFound, "NotServed", "404 page not found"),
        (500, b"", Unreachable, "HTTP500", ""),
        (400, b'{"error": "of a backend"}', Invalid, "Invalid", '{"error": "of a backend"}'),
        (403, b"\xff\xfe", Denied, "Forbidden", "\ufffd\ufffd"),
        (302, b"", Unreachable, "Redirected", ""),
        (503, b"x" * 5000, Unreachable, "HTTP503", "x" * 255 + "…"),
    ],
)  # fmt: skip
def test_translate_reply_distrusts_other_bodies(code, body, kind, reason, detail):
    error = translate_reply(code, body)

    assert (type(error), error.reason, error.detail) == (kind, reason, detail)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (status(409, "AlreadyExists"), "exists"),
        (status(409, "Conflict", causes=[OWNED, OWNED]), "owned"),
        (status(409, "Conflict", causes=[OWNED, FIELD]), "stale"),
        (status(409, "Conflict", LOCKED), "stale"),
        (status(409, "Conflict", UID), "uid"),
        (status(409, "Conflict", PRECONDITION), "uid"),
        (status(409, "Conflict", DELETION), "uid"),
    ],
)
def test_translate_tells_conflicts_apart(raw, kind):
    assert translate_status(raw).kind == kind


def test_translate_reads_the_fields_of_a_failed_merge():
    words = "errors:\n  .resource.foo: field not declared in schema\n  .resource.count: expected numeric (int or float), got string"

    error = translate_status(status(500, "", TYPED + words))

    assert error.causes == (
        Cause(
            field="resource.foo", reason="FieldValueInvalid", message="field not declared in schema"
        ),
        Cause(
            field="resource.count",
            reason="FieldValueInvalid",
            message="expected numeric (int or float), got string",
        ),
    )


def test_translate_keeps_the_causes_of_a_schema_error():
    error = translate_status(status(422, "Invalid", causes=[FIELD, "junk"]))

    assert error.causes == (
        Cause(
            field="inference.preset.name", reason="FieldValueInvalid", message='Invalid value: "x"'
        ),
    )


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [({"Retry-After": "7"}, {}, 7), ({"retry-after": "900"}, {}, 60), ({}, {"retryAfterSeconds": 3}, 3), ({"Retry-After": "Wed, 21 Oct"}, {}, None), ({}, {}, None)],
)  # fmt: skip
def test_translate_reply_reads_how_long_to_wait(headers, details, expected):
    body = json.dumps(status(429, "TooManyRequests", **details)).encode()

    assert translate_reply(429, body, headers).retry_after_s == expected


@pytest.mark.parametrize(
    ("code", "reason", "message", "unknown"),
    [
        (503, "ServiceUnavailable", "", True),
        (504, "Timeout", "request did not complete within the allotted timeout", True),
        (500, "InternalError", "etcdserver: request timed out", True),
        (500, "InternalError", WEBHOOK_DOWN, False),
        (429, "TooManyRequests", "", False),
    ],
)
def test_translate_says_whether_it_may_have_taken_effect(code, reason, message, unknown):
    assert translate_status(status(code, reason, message)).outcome_unknown is unknown


POOL = urllib3.HTTPConnectionPool("x")


@pytest.mark.parametrize(
    ("error", "reason", "unknown"),
    [
        (urllib3.exceptions.NameResolutionError("h", None, OSError("no")), "NameUnknown", False),
        (urllib3.exceptions.ConnectTimeoutError(None, "slow"), "Timeout", False),
        (urllib3.exceptions.NewConnectionError(None, "no route"), "NoConnection", False),
        (urllib3.exceptions.ReadTimeoutError(POOL, "/", "silent"), "Timeout", True),
        (
            urllib3.exceptions.ProtocolError("cut", ConnectionResetError(104, "reset")),
            "Interrupted",
            True,
        ),
        (urllib3.exceptions.SSLError(ssl.SSLError(1, "handshake")), "TLS", True),
        (
            urllib3.exceptions.SSLError(ssl.SSLCertVerificationError(1, "self-signed")),
            "Certificate",
            False,
        ),
        (httpx.ConnectTimeout("slow"), "Timeout", False),
        (httpx.PoolTimeout("busy"), "Timeout", False),
        (httpx.ReadTimeout("silent"), "Timeout", True),
        (httpx.ConnectError("refused"), "NoConnection", False),
        (httpx.RemoteProtocolError("cut"), "Interrupted", True),
        (TimeoutError(), "Timeout", True),
        (BrokenPipeError(32, "pipe"), "Interrupted", True),
    ],
)
def test_translate_reads_broken_connections(error, reason, unknown):
    translated = translate(error)

    assert (type(translated), translated.reason, translated.outcome_unknown, translated.status) == (
        Unreachable,
        reason,
        unknown,
        0,
    )


def test_translate_finds_a_refusal_behind_a_failed_connection():
    error = urllib3.exceptions.NewConnectionError(None, "failed")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")

    assert (translate(error).reason, translate(error).detail) == (
        "Refused",
        "Connection refused",
    )


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(code=st.integers(300, 599), body=st.binary(max_size=300))
def test_translate_reply_never_fails(code, body):
    assert isinstance(translate_reply(code, body), ClusterError)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["code", "reason", "message", "details", "kind"]),
        st.recursive(st.none() | st.integers() | st.text(max_size=20), lambda c: st.lists(c) | st.dictionaries(st.sampled_from(["causes", "name", "kind", "retryAfterSeconds"]), c)),
    )
)  # fmt: skip
def test_translate_status_never_fails(raw):
    assert isinstance(translate_status(raw), ClusterError)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "wrong version number"),
        (
            "_ssl.c:989: The handshake operation timed out",
            "The handshake operation timed out",
        ),
        ("[Errno 113] No route to host", "No route to host"),
        (
            "<urllib3.connection.HTTPSConnection object at 0x7f00aa>: Failed to resolve",
            "Failed to resolve",
        ),
    ],
)
def test_details_hold_nothing_that_only_a_programmer_reads(words, told):
    assert translate(OSError(words)).detail == told
