"""Whatever the other side says when it does not answer, as one InferenceError: our sentence, then their words. Pure.

Two parties speak on the same line: the API server in front (a Kubernetes Status) and the model's server behind it,
whose bodies come in four shapes. Neither is trusted: their words are trimmed and shown, never interpreted further.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import orjson

from clusters.translating import translate, translate_reply
from playground.types import InferenceError

WORDS_LIMIT = 256  # characters of foreign text
# How the service proxy says where it got stuck; the endpoint exists before the server listens, since KAITO's
# Service publishes addresses that are not ready.
# https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/registry/core/service/storage/storage.go
_PROXY = (
    (
        re.compile("no endpoints available"),
        "no-endpoints",
        "The workspace is waiting for a node: no pod stands behind its service yet.",
    ),
    (
        re.compile("connection refused"),
        "loading",
        "The model is still loading: its server does not listen yet.",
    ),
    (
        re.compile("no service port"),
        "no-port",
        "The workspace’s service has not the port that KAITO gives it.",
    ),
    (
        re.compile("error trying to reach service"),
        "unreachable",
        "The cluster could not reach the model’s pod. It may have just gone; try again in a moment.",
    ),
)
_TOO_LONG = re.compile(r"maximum context length|more than the model can|max_model_len", re.I)
_NO_TEMPLATE = re.compile(r"chat.?template", re.I)
_MODEL = {
    401: ("denied", "The model’s server asks for a key, which kaitoweb does not have."),
    403: ("denied", "The model’s server refuses kaitoweb."),
    413: ("too-long", "The conversation is too long for the model’s server."),
    422: ("invalid", "The model’s server does not take one of these parameters."),
    429: ("busy", "The model is busy: others are asking too. Try again in a moment."),
}

_DEPTH = 6  # how far an error object is looked into


def unreadable() -> InferenceError:
    return InferenceError("unreadable", "The model’s server sent something that is no answer.")


def cut_short(detail: str = "") -> InferenceError:
    return InferenceError(
        "cut-short",
        "The answer was cut short: the connection to the model ended before the model said that it was done.",
        _trimmed(detail),
    )


def silent(idle_s: float) -> InferenceError:
    return InferenceError(
        "silent", f"The model has been silent for {idle_s:.0f} s, so kaitoweb gave up."
    )


def from_exception(error: httpx.HTTPError, *, has_begun: bool, idle_s: float) -> InferenceError:
    if isinstance(error, httpx.ReadTimeout):
        return silent(idle_s)
    found = translate(error)
    if has_begun:
        return cut_short(found.detail)
    return InferenceError("no-connection", found.message, found.detail)


def from_reply(status: int, body: bytes) -> InferenceError:
    """A reply that is no answer, whatever its code; 200 with an error inside happens too."""
    raw = _json(body)
    if isinstance(raw, dict) and raw.get("kind") == "Status" and raw.get("apiVersion") == "v1":
        return _from_cluster(status, body)
    words = _words(raw) if raw is not None else body[:4096].decode("utf-8", "replace")
    return _from_model(status, _trimmed(words))


def stated_error(raw: dict[str, Any]) -> InferenceError | None:
    """An error object in the middle of a stream, where the code was 200."""
    if not raw.get("error") and raw.get("object") != "error":
        return None
    words = _words(raw)
    if _TOO_LONG.search(words):
        return _from_model(400, _trimmed(words))
    return InferenceError("failed", "The model’s server failed on the way.", _trimmed(words))


def _from_cluster(status: int, body: bytes) -> InferenceError:
    error = translate_reply(status, body)
    for pattern, reason, message in _PROXY:
        if pattern.search(error.detail):
            return InferenceError(reason, message, _trimmed(error.detail))
    reason = {401: "denied", 403: "denied", 404: "gone"}.get(status, "cluster")
    return InferenceError(reason, error.message, _trimmed(error.detail))


def _from_model(status: int, words: str) -> InferenceError:
    if status == 404 and "model" not in words:
        return InferenceError(
            "downloading",
            "The model is not there yet: its server answers so while it downloads the weights.",
            words,
        )
    if status in (400, 404):
        return _refusal(words)
    if status in _MODEL:
        return InferenceError(*_MODEL[status], words)
    if status >= 500:
        return InferenceError("failed", "The model’s server failed.", words)
    return InferenceError(
        "unreadable", f"The model’s server gave no answer that kaitoweb can read ({status}).", words
    )


def _refusal(words: str) -> InferenceError:
    if _TOO_LONG.search(words):
        return InferenceError(
            "too-long",
            "The conversation and the wanted answer together are longer than this model can see. "
            "Ask for fewer tokens, or begin a new conversation.",
            words,
        )
    if _NO_TEMPLATE.search(words):
        return InferenceError(
            "no-chat", "This is a base model without a chat template: it cannot hold a chat.", words
        )
    return InferenceError("refused", "The model’s server refused the request.", words)


def _words(raw: object, depth: int = _DEPTH) -> str:
    """Four shapes: {"error": {"message"}}, {"error": text}, flat {"message"}, FastAPI's {"detail": text or list}."""
    if isinstance(raw, str) or depth == 0:
        return str(raw)[: 4 * WORDS_LIMIT] if isinstance(raw, str) else ""
    if isinstance(raw, list):
        return "; ".join(filter(None, (_words(item, depth - 1) for item in raw[:5])))
    found = raw if isinstance(raw, dict) else {}
    key = next((k for k in ("error", "message", "detail", "msg") if found.get(k)), None)
    if key is None:
        return ""
    return (_place(found) if key == "msg" else "") + _words(found[key], depth - 1)


def _place(raw: dict[str, Any]) -> str:
    loc = raw.get("loc")
    parts = [str(part) for part in loc if part != "body"] if isinstance(loc, list) else []
    return f"{'.'.join(parts)}: " if parts else ""


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _trimmed(text: str) -> str:
    text = text[:4096]
    if text.lstrip().startswith("<"):  # a proxy's page
        text = re.sub(r"<[^>]{0,200}>", " ", text)
    text = " ".join(text.split())
    return text if len(text) <= WORDS_LIMIT else text[: WORDS_LIMIT - 1] + "…"
