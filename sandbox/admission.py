"""What happens to an object between the wire and the store: names, defaults, schema, webhooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from sandbox import crdchecks, kinds, metadata, rolechecks, schemas, status, workloadchecks
from sandbox.calls import Call
from sandbox.cluster import AdmissionRequest
from sandbox.definitions import is_condition_true
from sandbox.kinds import defaults
from sandbox.resources import (
    CRDS,
    EVENTS,
    NAMESPACES,
)
from sandbox.status import Cause

Object = dict[str, Any]


def check_kind(call: Call, obj: Object) -> None:
    """The body must be of the kind and version, name and namespace that the URL says."""
    _check_type(call, obj)
    about = obj.setdefault("metadata", {})
    metadata.check_types(call.resource, about)
    if not call.resource.namespaced:
        about.pop("namespace", None)
    if call.namespace and about.setdefault("namespace", call.namespace) != call.namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if call.name and about.setdefault("name", call.name) != call.name:
        raise status.bad_request(
            f"the name of the object ({about['name']}) does not match the name on the URL "
            f"({call.name})"
        )


def _check_type(call: Call, obj: Object) -> None:
    """A built-in kind need not be said, a custom one must."""
    version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    wanted = call.resource
    if wanted.is_custom and not kind:
        why = f"Object 'Kind' is missing in '{orjson.dumps(obj).decode()}'"
        raise status.bad_request(
            f"the object provided is unrecognized (must be of type {wanted.kind}): {why}"
        )
    if (version or wanted.is_custom) and version != wanted.api_version:
        raise status.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({wanted.api_version})"
        )
    if kind and kind != wanted.kind:
        raise _other_kind(call, obj, kind)


def _other_kind(call: Call, obj: Object, kind: str) -> status.StatusError:
    wanted = call.resource
    if wanted.is_custom:
        cause = Cause(
            "FieldValueInvalid", "kind", f'Invalid value: "{kind}": must be {wanted.kind}'
        )
        about = obj.get("metadata")
        name = about.get("name", "") if isinstance(about, dict) else ""
        return status.invalid(replace(wanted, kind=kind), name, [cause])
    why = f"converting ({wanted.version}.{kind}) to ({wanted.group or 'core'}.{wanted.kind})"
    return status.bad_request(
        f'{kind} in version "{wanted.version}" cannot be handled as a {wanted.kind}: {why}: unknown '
        "conversion"
    )


def fit_schema(call: Call, obj: Object, *, patched: str = "", is_filled: bool = False) -> Object:
    """Prunes and defaults; unknown fields, and those that stand twice, are refused, warned of or
    ignored as asked.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#validation-for-unrecognized-or-duplicate-fields
    """
    schema = kinds.schema(call.resource)
    if schema is None:
        return obj
    unknown = metadata.prune(obj["metadata"]) + sorted(schemas.prune(obj, schema))
    faults = [*call.faults, *(f'unknown field "{path}"' for path in unknown)]
    validation = call.query.get("fieldValidation") or "Warn"
    if faults and validation == "Strict":
        raise _strict_error(call, faults, patched)
    if validation == "Warn":
        call.warnings += faults
    if call.resource.is_custom:
        schemas.set_defaults(obj, schema)
    elif is_filled:
        defaults.fill(call.resource, obj)
    return obj


def check_object(call: Call, obj: Object, old: Object | None) -> None:
    causes = metadata.check_values(call.resource, obj["metadata"], is_new=old is None)
    causes += metadata.check_change(obj["metadata"], old["metadata"] if old else None)
    causes += _event_causes(call, obj)
    causes += rolechecks.check(call.resource, obj, old)
    causes += crdchecks.check(call.resource, obj, old)
    causes += workloadchecks.check(call.resource, obj, old)
    schema = kinds.schema(call.resource)
    if schema is not None and (call.resource.is_custom or old is None):
        said = {cause.field for cause in causes}
        found = schemas.check(obj, schema)
        if call.target.subresource == "status":  # told from the status, not from the root
            found = [each._replace(message=each.message.replace(" status.", " ")) for each in found]
        causes += [each for each in found if not any(_is_at(each.field, one) for one in said)]
    if causes:
        raise status.invalid(call.resource, obj["metadata"].get("name", ""), causes)


def _is_at(field: str, said: str) -> bool:
    """Whether something was said of this field, or of what is in it."""
    return said == field or said.startswith(f"{field}.")


def _event_causes(call: Call, obj: Object) -> list[Cause]:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if call.resource.key != EVENTS.key or about in ("", obj["metadata"].get("namespace")):
        return []
    text = f'Invalid value: "{about}": does not match event.namespace'
    return [Cause("FieldValueInvalid", "involvedObject.namespace", text)]


def check_place(call: Call, name: str) -> None:
    """Nothing is created of a kind, or in a namespace, that is not there or is going away."""
    if call.resource.is_custom:
        _check_definition(call, name)
    if call.namespace is None:
        return
    found = call.cluster.store.peek(NAMESPACES, None, call.namespace)
    if found is None:
        raise status.not_found(NAMESPACES, call.namespace)
    if found.object["metadata"].get("deletionTimestamp"):
        why = (
            f"unable to create new content in namespace {call.namespace} because it is being "
            "terminated"
        )
        raise status.forbidden(call.resource.group, call.resource.plural, call.name, why)


def _check_definition(call: Call, name: str) -> None:
    found = call.cluster.store.peek(CRDS, None, call.resource.qualified)
    if found is not None and is_condition_true(found.object, "Terminating"):
        why = "create not allowed while custom resource definition is terminating"
        raise status.forbidden(call.resource.group, call.resource.plural, name, why)


def call_webhooks(call: Call, operation: str, obj: Object, old: Object | None) -> None:
    """Validating webhooks see custom kinds and their status, as KAITO's does."""
    if not call.resource.is_custom:
        return
    for hook in call.cluster.admission:
        hook(
            AdmissionRequest(
                operation=operation,
                resource=call.resource,
                subresource=call.target.subresource,
                object=orjson.loads(orjson.dumps(obj)),
                old_object=old,
                user=call.identity.user,
                dry_run=call.is_dry_run,
                store=call.cluster.store,
            )
        )


def _strict_error(call: Call, faults: list[str], patched: str) -> status.StatusError:
    """Of a patch the whole object is told, but not which one it is."""
    said = "strict decoding error: " + ", ".join(faults)
    kind = call.resource.kind
    if patched:
        return status.invalid_patch(patched, said)
    return status.bad_request(
        f'{kind} in version "{call.resource.version}" cannot be handled as a {kind}: {said}'
    )


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
