"""Turns whatever went wrong on the way to a cluster into one of clusters.errors. The only place that reads foreign errors.

Bodies are distrusted: only a Kubernetes Status is read as such, all else (a proxy's HTML, a backend's JSON,
plain text) is trimmed and shown as the other side's words.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import urllib3.exceptions

from audit.redaction import redacted
from clusters.errors import (
    Cause,
    ClusterError,
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Unreachable,
)
from clusters.payloads import loads, storable

STATUS_WORDS_LIMIT = 4096  # characters; KAITO's refusals run over several lines
FOREIGN_WORDS_LIMIT = 256  # characters; bodies that are not a Status may be anything
RETRY_AFTER_LIMIT_S = 60.0

# Server-side apply merges before it validates, and its plain error becomes a 500 without a reason:
# https://github.com/kubernetes/apimachinery/blob/v0.34.0/pkg/util/managedfields/internal/structuredmerge.go
TYPED_PATCH = re.compile(r"failed to create typed patch object \([^)]*\): (?P<words>.*)", re.DOTALL)
CRUFT = re.compile(r"\[(?:SSL|Errno)[^\]]*\]|\(?_ssl\.c:\d+\)?|<[\w.]+ object at 0x[0-9a-f]+>:?")
TYPED_PATCH_FIELD = re.compile(r"^\s*\.(?P<field>[^\s:]+): (?P<message>.+)$", re.MULTILINE)
WEBHOOK_DOWN = re.compile(r'failed calling webhook "(?P<name>[^"]+)"')
WEBHOOK_DENIED = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request')
FORBIDDEN = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


class Answer(NamedTuple):
    """An unhappy reply, taken apart."""

    code: int
    reason: str
    words: str
    details: dict[str, Any]
    is_status: bool
    retry_after_s: float | None

    @property
    def causes(self) -> tuple[Cause, ...]:
        found = self.details.get("causes")
        return (
            tuple(_cause(c) for c in found if isinstance(c, dict))
            if isinstance(found, list)
            else ()
        )


def translate(error: Exception) -> ClusterError:
    """The error of a request that got no whole reply (urllib3, httpx, sockets, TLS) as ours."""
    chain = _chain(error)
    certificate = next((e for e in chain if isinstance(e, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return Unreachable(
            "Certificate",
            "The cluster's certificate is not trusted.",
            detail=_trim(getattr(certificate, "verify_message", str(certificate))),
        )
    words = _trim(_plain(str(chain[-1])) or type(chain[-1]).__name__)
    for kinds, reason, message, unknown in TRANSPORT:
        if any(isinstance(e, kinds) for e in chain):
            return Unreachable(reason, message, detail=words, outcome_unknown=unknown)
    return Unreachable(
        "Interrupted", "The connection to the cluster broke.", detail=words, outcome_unknown=True
    )


def translate_reply(
    code: int, body: bytes, headers: Mapping[str, str] | None = None
) -> ClusterError:
    """A reply with an unhappy code as ours, whatever its body is."""
    return _translate_answer(_read_answer(code, body, headers or {}))


def translate_status(raw: Mapping[str, Any]) -> ClusterError:
    """A Status object that came inside a stream, where the HTTP code was 200."""
    code = raw.get("code")
    return _translate_answer(_status_answer(code if isinstance(code, int) else 500, raw, {}))


# Ordered: the first kind that is in the chain of causes wins. The last column: may it have taken effect?
TRANSPORT: tuple[tuple[tuple[type[BaseException], ...], str, str, bool], ...] = (
    ((urllib3.exceptions.NameResolutionError,), "NameUnknown", "The cluster's address cannot be found.", False),
    ((ConnectionRefusedError,), "Refused", "Nothing answers at the cluster's address.", False),
    # NewConnectionError is a ConnectTimeoutError to urllib3.
    ((urllib3.exceptions.NewConnectionError, httpx.ConnectError), "NoConnection", "The cluster cannot be reached.", False),
    ((urllib3.exceptions.ConnectTimeoutError, httpx.ConnectTimeout, httpx.PoolTimeout), "Timeout", "The cluster's address does not answer.", False),
    ((urllib3.exceptions.SSLError, ssl.SSLError), "TLS", "No secure connection to the cluster could be made.", True),
    ((urllib3.exceptions.ReadTimeoutError, httpx.TimeoutException, TimeoutError), "Timeout", "The cluster did not answer in time.", True),
)  # fmt: skip


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and what caused it, outermost first; httpx chains by __cause__, urllib3 also by arguments."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < 10:
        chain.append(current)
        inner = next((a for a in current.args if isinstance(a, BaseException)), None)
        current = current.__cause__ or inner or current.__context__
    return chain


def _plain(words: str) -> str:
    """Without what only a programmer of Python reads: numbers of errors, places in its sources, objects in memory."""
    return CRUFT.sub("", words).strip(" :")


def _read_answer(code: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        raw = loads(body)
    except ValueError:
        raw = None
    if isinstance(raw, dict) and raw.get("kind") == "Status":
        return _status_answer(code, raw, headers)
    text = re.sub(r"<[^>]{0,1000}>", " ", body[:20_000].decode("utf-8", "replace"))
    words = _trim(" ".join(text.split()), FOREIGN_WORDS_LIMIT)
    return Answer(code, "", words, {}, False, _retry_after({}, headers))


def _status_answer(code: int, raw: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    details = raw.get("details")
    details = details if isinstance(details, dict) else {}
    words = _trim(str(raw.get("message") or ""), STATUS_WORDS_LIMIT)
    return Answer(
        code, str(raw.get("reason") or ""), words, details, True, _retry_after(details, headers)
    )


def _retry_after(details: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    named = {k.lower(): v for k, v in headers.items()}.get(
        "retry-after", details.get("retryAfterSeconds")
    )
    try:
        return max(0.0, min(float(str(named)), RETRY_AFTER_LIMIT_S))
    except ValueError:
        return None


def _translate_answer(answer: Answer) -> ClusterError:
    for codes, translated in (
        ((401,), _unauthorized),
        ((403,), _forbidden),
        ((404,), _not_found),
        ((409,), _conflict),
        ((410,), _expired),
        ((429,), _throttled),
        (range(400, 500), _invalid),
    ):
        if answer.code in codes:
            return translated(answer)
    return _server_fault(answer)


def _unauthorized(answer: Answer) -> ClusterError:
    return Denied(
        "Unauthorized",
        "The cluster does not accept kaitoweb's credentials.",
        answer.code,
        answer.words,
    )


def _forbidden(answer: Answer) -> ClusterError:
    if "exceeded quota" in answer.words:
        return Denied(
            "QuotaExceeded",
            "A resource quota of the namespace is used up.",
            answer.code,
            answer.words,
        )
    found = FORBIDDEN.search(answer.words)
    if found is None:
        return Denied(
            answer.reason or "Forbidden", "The cluster forbids this.", answer.code, answer.words
        )
    resource = ".".join(filter(None, (found["resource"], found["group"])))
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in the whole cluster"
    return Denied(
        "Forbidden",
        f"kaitoweb may not {found['verb']} {resource} {where}.",
        answer.code,
        answer.words,
    )


def _not_found(answer: Answer) -> ClusterError:
    """Tells a missing object from a missing kind: the server leaves `details` empty for a path that it does not serve."""
    kind, name = answer.details.get("kind"), answer.details.get("name")
    if not answer.is_status or not name:
        return NotFound(
            "NotServed", "The cluster does not know this kind of object.", answer.code, answer.words
        )
    if kind == "namespaces":
        return NotFound(
            "NamespaceNotFound", f"The namespace {name} does not exist.", answer.code, answer.words
        )
    return NotFound("NotFound", f"{name} does not exist.", answer.code, answer.words)


# Of a patch, of a deletion, and of a deletion that another one overtook:
# https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/registry/rest/delete.go
# https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/storage/interfaces.go
OTHER_UID = ("uid mismatch", "the UID in the precondition", "UID in precondition")


def _conflict(answer: Answer) -> ClusterError:
    causes = answer.causes
    if answer.reason == "AlreadyExists":
        kind, message = "exists", "The name is taken."
    elif causes and all(c.reason == "FieldManagerConflict" for c in causes):
        kind, message = "owned", f"Another tool owns {', '.join(c.field for c in causes)}."
    elif any(words in answer.words for words in OTHER_UID):
        kind, message = "uid", "This is no longer the same object: it was deleted and made anew."
    else:
        kind, message = "stale", "The object was changed in the meantime."
    return Conflict(
        answer.reason or "Conflict", message, answer.code, answer.words, kind=kind, causes=causes
    )


def _expired(answer: Answer) -> ClusterError:
    return ClusterError(
        "Expired", "The cluster no longer knows this version.", answer.code, answer.words
    )


def _throttled(answer: Answer) -> ClusterError:
    return Unreachable(
        "TooManyRequests", "The cluster asks to slow down.", answer.code, answer.words, retry_after_s=answer.retry_after_s
    )  # fmt: skip


def _invalid(answer: Answer) -> ClusterError:
    denied = WEBHOOK_DENIED.search(answer.words)
    if denied:
        message = (
            "KAITO refused it."
            if denied["name"].endswith("kaito.sh")
            else f"The admission webhook {denied['name']} refused it."
        )
    elif answer.code == 413:
        message = "It is too large for the cluster."
    else:
        message = "The cluster does not accept it."
    return Invalid(
        answer.reason or "Invalid", message, answer.code, answer.words, causes=answer.causes
    )


def _server_fault(answer: Answer) -> ClusterError:
    typed = TYPED_PATCH.search(answer.words)
    if typed:
        return Invalid(
            "Invalid",
            "The cluster does not accept it.",
            answer.code,
            answer.words,
            causes=_typed_causes(typed["words"]),
        )
    webhook = WEBHOOK_DOWN.search(answer.words)
    if webhook:
        return Unreachable(
            "WebhookDown",
            _webhook_words(webhook["name"]),
            answer.code,
            answer.words,
            retry_after_s=answer.retry_after_s,
        )
    if any(c.reason == "ResourceVersionTooLarge" for c in answer.causes):
        return Unreachable(
            "ResourceVersionTooLarge",
            "The cluster is behind what was seen of it before.",
            answer.code,
            answer.words,
        )
    if 300 <= answer.code < 400:
        return Unreachable(
            "Redirected",
            "The cluster's address answers with a redirect, which kaitoweb does not follow.",
            answer.code,
            answer.words,
        )
    return Unreachable(
        answer.reason or f"HTTP{answer.code}",
        f"The cluster answered with an error ({answer.code}).",
        answer.code,
        answer.words,
        retry_after_s=answer.retry_after_s,
        outcome_unknown=True,
    )


def _webhook_words(name: str) -> str:
    if name.endswith("kaito.sh"):
        return "KAITO's admission webhook is not running, so the cluster takes no workspace now."
    return f"The admission webhook {name} is not running."


def _typed_causes(words: str) -> tuple[Cause, ...]:
    found = (
        Cause(field=m["field"], reason="FieldValueInvalid", message=m["message"])
        for m in TYPED_PATCH_FIELD.finditer(words)
    )
    return tuple(found)


def _cause(raw: Mapping[str, Any]) -> Cause:
    return Cause(
        field=str(raw.get("field") or ""),
        reason=str(raw.get("reason") or ""),
        message=_trim(str(raw.get("message") or ""), STATUS_WORDS_LIMIT),
    )


def _trim(text: str, limit: int = FOREIGN_WORDS_LIMIT) -> str:
    """Fit to be kept and shown: other people's errors repeat what they were given, tokens too."""
    words: str = redacted(storable(text))
    return words if len(words) <= limit else words[: limit - 1] + "…"
