from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import failures
from tests.clusters.scripted import status


def told(code, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = failures.from_reply(code, data)
    return error.reason, error.detail


DIAL = "error trying to reach service: dial tcp 10.1.2.3:5000: "


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (503, 'no endpoints available for service "phi-4"', "no-endpoints"),
        (503, DIAL + "connect: connection refused", "loading"),
        (503, DIAL + "i/o timeout", "unreachable"),
        (503, 'no service port "http" found for service "phi-4"', "no-port"),
        (404, 'services "phi-4" not found', "gone"),
        (403, 'services "phi-4" is forbidden: User "x" cannot create resource "services/proxy" in API group "" in the namespace "a"', "denied"),
        (401, "Unauthorized", "denied"),
        (500, "etcdserver: leader changed", "cluster"),
    ],
)  # fmt: skip
def test_words_of_the_cluster_are_told_from_those_of_the_model(code, message, reason):
    assert told(code, status(code, message=message)) == (reason, message)


def test_missing_rights_are_named():
    message = 'x is forbidden: User "k" cannot create resource "services/proxy" in API group "" in the namespace "a"'

    error = failures.from_reply(403, json.dumps(status(403, message=message)).encode())

    assert error.message == "kaitoweb may not create services/proxy in namespace a."


TOO_LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000"
LIST = {"detail": [{"type": "x", "loc": ["body", "temperature"], "msg": "should be a number"}]}


@pytest.mark.parametrize(
    ("code", "body", "reason", "detail"),
    [
        (429, {"error": {"message": "Too many", "code": "rate_limit_exceeded"}}, "busy", "Too many"),
        (404, b"", "downloading", ""),
        (404, {"detail": "Not Found"}, "downloading", "Not Found"),
        (404, {"error": {"message": "The model `x` does not exist."}}, "refused", "The model `x` does not exist."),
        (400, {"error": {"message": TOO_LONG}}, "too-long", TOO_LONG),
        (400, {"object": "error", "message": "flat", "code": 400}, "refused", "flat"),
        (400, {"detail": "Server is pinned to 'a', not 'b'"}, "refused", "Server is pinned to 'a', not 'b'"),
        (400, {"error": {"message": "default chat template is no longer allowed"}}, "no-chat", "default chat template is no longer allowed"),
        (422, LIST, "invalid", "temperature: should be a number"),
        (500, b"Internal Server Error", "failed", "Internal Server Error"),
        (502, b"<html><h1>502</h1> Bad <b>Gateway</b></html>", "failed", "502 Bad Gateway"),
        (500, {"detail": {"deep": [1]}}, "failed", ""),
        (302, b"", "unreadable", ""),
        (200, {"error": "text"}, "unreadable", "text"),
        (200, b"\xff\xfe", "unreadable", "\ufffd\ufffd"),
    ],
)  # fmt: skip
def test_words_of_the_model_are_read_in_every_shape(code, body, reason, detail):
    assert told(code, body) == (reason, detail)


def test_foreign_words_are_trimmed():
    reason, detail = told(500, b"x" * 10_000)

    assert (reason, len(detail), detail[-1]) == ("failed", 256, "…")


def test_a_deeply_nested_body_is_not_followed_to_its_end():
    assert told(500, b'{"error":' * 1000 + b"1" + b"}" * 1000) == ("failed", "")


@given(st.integers(200, 599), st.binary(max_size=200))
def test_any_reply_becomes_a_sentence(code, body):
    assert failures.from_reply(code, body).message


@pytest.mark.parametrize(
    ("error", "has_begun", "reason"),
    [
        (httpx.ReadTimeout("x"), False, "silent"),
        (httpx.ReadTimeout("x"), True, "silent"),
        (httpx.RemoteProtocolError("peer closed"), True, "cut-short"),
        (httpx.ConnectError("x"), False, "no-connection"),
    ],
)
def test_broken_connections_are_told_apart(error, has_begun, reason):
    assert failures.from_exception(error, has_begun=has_begun, idle_s=120).reason == reason


@pytest.mark.parametrize("raw", [{}, {"error": None, "choices": []}, {"object": "chat.completion"}])
def test_no_error_is_seen_where_there_is_none(raw):
    assert failures.stated_error(raw) is None


def test_an_error_in_the_stream_about_length_says_so():
    assert failures.stated_error({"error": {"message": TOO_LONG}}).reason == "too-long"
