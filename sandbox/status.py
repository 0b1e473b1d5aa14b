"""Status bodies and the one exception that carries them.

Shapes and sentences are those of k8s.io/apimachinery/pkg/api/errors, since clients match on them:
https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/api/errors/errors.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from sandbox.auth import Attributes
    from sandbox.resources import Resource

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class Cause(NamedTuple):
    reason: str
    field: str
    message: str


class StatusError(Exception):
    """An answer that is not a success; the server writes `status` as the body."""

    def __init__(self, code: int, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.text = ""  # instead of a Status, where Go's own words answer
        self.retry_after_s = details.get("retryAfterSeconds")
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }
        if not reason:
            del self.status["reason"]
        if not details:
            del self.status["details"]


def success(resource: Resource, name: str, uid: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    if not resource.group:
        del details["group"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def not_found(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, **_about(resource, name))


def no_such_path() -> StatusError:
    error = StatusError(404, "NotFound", "the server could not find the requested resource")
    error.status["details"] = {}
    return error


def unprocessable() -> StatusError:
    """A patch that cannot be carried out; why is not said.

    https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/endpoints/handlers/patch.go
    """
    message = "the server rejected our request due to an error in our request"
    error = StatusError(422, "Invalid", message)
    error.status["details"] = {}
    return error


def invalid_patch(shown: str, why: str) -> StatusError:
    """What a patch would make, or of a strategic one the patch itself, but not of which object."""
    text = f"Invalid value: {orjson.dumps(shown).decode()}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": text, "field": "patch"}
    return StatusError(422, "Invalid", f' "" is invalid: patch: {text}', causes=[cause])


def page_not_found() -> StatusError:
    """What Go answers where no API of the server's own is: in groups that only a CRD would serve.

    https://github.com/kubernetes/kube-aggregator/blob/v0.36.3/pkg/apiserver/handler_proxy.go
    """
    error = no_such_path()
    error.text = "404 page not found\n"
    return error


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    error = StatusError(405, "MethodNotAllowed", message)
    error.status["details"] = {}
    return error


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, **_about(resource, name))


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, **_about(resource, name))


def apply_conflict(causes: list[Cause]) -> StatusError:
    """https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/managedfields/internal/conflict.go"""
    many = "s" if len(causes) != 1 else ""
    if len(causes) == 1:
        said = f"{causes[0].message}: {causes[0].field}"
    else:
        said = _grouped(causes)
    message = f"Apply failed with {len(causes)} conflict{many}: {said}"
    return StatusError(409, "Conflict", message, causes=[_field_cause(cause) for cause in causes])


def precondition_failed(resource: Resource, name: str, why: str) -> StatusError:
    """A deletion's; it names the kind where other conflicts name the resource."""
    message = f'Operation cannot be fulfilled on {resource.group_kind} "{name}": the {why}'
    details = _about(resource, name) | {"kind": resource.kind}
    return StatusError(409, "Conflict", message, **details)


def invalid(resource: Resource, name: str, causes: list[Cause]) -> StatusError:
    said = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"
    message = f'{resource.group_kind} "{name}" is invalid: {joined}'
    about = _about(resource, name) | {"kind": resource.kind}
    details: dict[str, Any] = {key: value for key, value in about.items() if value}
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return StatusError(422, "Invalid", message, **details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    qualified = f"{plural}.{group}" if group else plural
    named = f'{qualified} "{name}"' if name else qualified
    details = {"name": name, "group": group, "kind": plural}
    present = {key: value for key, value in details.items() if value}
    return StatusError(403, "Forbidden", f"{named} is forbidden: {why}", **present)


def forbidden_to(user: str, asked: Attributes, reason: str = "") -> StatusError:
    """What RBAC says: who may not do what, where, and what was wrong with the rules if anything."""
    because = f": {reason}" if reason else ""
    if asked.path:
        return _forbidden_path(user, asked, because)
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    why = (
        f'User "{user}" cannot {asked.verb} resource "{asked.full_resource}" in API group '
        f'"{asked.group}" {scope}{because}'
    )
    return forbidden(asked.group, asked.resource, asked.name, why)


def _forbidden_path(user: str, asked: Attributes, because: str) -> StatusError:
    message = f'forbidden: User "{user}" cannot {asked.verb} path "{asked.path}"{because}'
    error = StatusError(403, "Forbidden", message)
    error.status["details"] = {}
    return error


def expired(message: str, *, continue_token: str = "") -> StatusError:
    error = StatusError(410, "Expired", message)
    if continue_token:
        error.status["metadata"] = {"continue": continue_token}
    return error


def version_too_large(asked: int, current: int) -> StatusError:
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(504, "Timeout", message, causes=[cause], retryAfterSeconds=1)


def too_large(limit: int) -> StatusError:
    message = f"Request entity too large: limit is {limit}"
    return StatusError(413, "RequestEntityTooLarge", message)


def patch_too_long(limit: int, found: int) -> StatusError:
    message = (
        "Request entity too large: The allowed maximum operations in a JSON patch is "
        f"{limit}, got {found}"
    )
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(accepted: list[str]) -> StatusError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, "UnsupportedMediaType", message)


def unsupported_method_type() -> StatusError:
    """Of built-in kinds the router refuses, and does not say what it would take."""
    error = StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    error.status["details"] = {}
    return error


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def internal(message: str) -> StatusError:
    cause = {"message": message}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", causes=[cause])


def untyped(message: str) -> StatusError:
    """A plain Go error becomes a 500 without a reason, which is how a field that is not in the
    schema comes back from a server-side apply."""
    error = StatusError(500, "", message)
    return error


def _about(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def _field_cause(cause: Cause) -> dict[str, str]:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}


def _grouped(causes: list[Cause]) -> str:
    fields: dict[str, list[str]] = {}
    for cause in causes:
        owner = cause.message.removeprefix("conflict with ")
        fields.setdefault(owner, []).append(f"- {cause.field}")
    blocks = [
        f"conflicts with {owner}:\n" + "\n".join(paths) for owner, paths in sorted(fields.items())
    ]
    return "\n".join(blocks)
