"""What happens to an object between the wire and the store: names, defaults, schema, webhooks."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import orjson

from sandbox import crdchecks, decoding, kinds, metadata, rolechecks, schemas, status
from sandbox.calls import Call
from sandbox.cluster import AdmissionRequest
from sandbox.definitions import is_condition_true
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CRDS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    PVCS,
    ROLEBINDINGS,
    SECRETS,
    SERVICES,
    Resource,
)
from sandbox.status import Cause

Object = dict[str, Any]

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")

UNNAMED = Resource(group="", version="", plural="", singular="", kind="")
STATUS_KEPT = {NODES.key}  # a kubelet brings a node with its status
SERVER_FIELDS = (
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "managedFields", "resourceVersion", "selfLink",
)  # fmt: skip


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
    decoding.check(call.resource, obj)


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


def prepare_new(call: Call, obj: Object) -> Object:
    """An object that is to be created: what only the server sets is dropped, defaults are set."""
    for name in SERVER_FIELDS:
        obj["metadata"].pop(name, None)
    if call.resource.has_status and call.resource.key not in STATUS_KEPT:
        obj.pop("status", None)
    defaults = DEFAULTS.get(call.resource.key)
    return defaults(call, obj) if defaults else obj


def fit_schema(call: Call, obj: Object, *, is_patch: bool = False) -> Object:
    """Prunes and defaults; unknown fields, and those that stand twice, are refused, warned of or
    ignored as asked.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#validation-for-unrecognized-or-duplicate-fields
    """
    schema = kinds.schema(call.resource)
    if schema is None:
        return obj
    whole = orjson.dumps(obj).decode() if is_patch else ""
    unknown = metadata.prune(obj["metadata"]) + sorted(schemas.prune(obj, schema))
    faults = [*call.faults, *(f'unknown field "{path}"' for path in unknown)]
    validation = call.query.get("fieldValidation") or "Warn"
    if faults and validation == "Strict":
        raise _strict_error(call, faults, whole)
    if validation == "Warn":
        call.warnings += faults
    if call.resource.is_custom:
        schemas.set_defaults(obj, schema)
    return obj


def check_object(call: Call, obj: Object, old: Object | None) -> None:
    causes = metadata.check_values(call.resource, obj["metadata"], is_new=old is None)
    causes += metadata.check_change(obj["metadata"], old["metadata"] if old else None)
    causes += _event_causes(call, obj)
    causes += rolechecks.check(call.resource, obj, old)
    causes += crdchecks.check(call.resource, obj, old)
    schema = kinds.schema(call.resource)
    if schema is not None and (call.resource.is_custom or old is None):
        said = {cause.field for cause in causes}
        found = schemas.check(obj, schema)
        if call.target.subresource == "status":  # told from the status, not from the root
            found = [each._replace(message=each.message.replace(" status.", " ")) for each in found]
        causes += [cause for cause in found if cause.field not in said]
    if causes:
        raise status.invalid(call.resource, obj["metadata"].get("name", ""), causes)


def _event_causes(call: Call, obj: Object) -> list[Cause]:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if call.resource.key != EVENTS.key or about in ("", obj["metadata"].get("namespace")):
        return []
    text = f'Invalid value: "{about}": does not match event.namespace'
    return [Cause("FieldValueInvalid", "involvedObject.namespace", text)]


def check_place(call: Call) -> None:
    """Nothing is created of a kind, or in a namespace, that is not there or is going away."""
    if call.resource.is_custom:
        _check_definition(call)
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


def _check_definition(call: Call) -> None:
    found = call.cluster.store.peek(CRDS, None, call.resource.qualified)
    if found is not None and is_condition_true(found.object, "Terminating"):
        error = status.method_not_allowed()
        error.status["message"] = (
            "create not allowed while custom resource definition is terminating"
        )
        raise error


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
        cause = Cause("FieldValueInvalid", "patch", f"Invalid value: {_quoted(patched)}: {said}")
        return status.invalid(UNNAMED, "", [cause])
    return status.bad_request(
        f'{kind} in version "{call.resource.version}" cannot be handled as a {kind}: {said}'
    )


def _namespace_defaults(call: Call, obj: Object) -> Object:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    return obj | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _secret_defaults(call: Call, obj: Object) -> Object:
    """`stringData` is write-only: it is folded into `data`."""
    for text in (obj.get("data") or {}).values():
        _check_base64(text)
    plain = obj.pop("stringData", None) or {}
    written = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    data = (obj.get("data") or {}) | written
    return obj | {"type": obj.get("type") or "Opaque"} | ({"data": data} if data else {})


def _check_base64(text: str) -> None:
    wrong = _NOT_BASE64.search(text)
    if wrong or len(text) % 4:
        place = wrong.start() if wrong else len(text) - len(text) % 4
        raise status.bad_request(
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input '
            f"byte {place}"
        )


def _service_defaults(call: Call, obj: Object) -> Object:
    """Addresses come from the range 10.0.0.0/16, in the order of creation."""
    spec = obj.setdefault("spec", {})
    count = call.cluster.store.version
    spec.setdefault("clusterIP", f"10.0.{count // 250 % 250}.{count % 250 + 1}")
    for name, value in (("type", "ClusterIP"), ("sessionAffinity", "None")):
        spec.setdefault(name, value)
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    return obj | {"status": {"loadBalancer": {}}}


def _pod_defaults(call: Call, obj: Object) -> Object:
    obj.setdefault("spec", {}).setdefault("restartPolicy", "Always")
    return obj | {"status": {"phase": "Pending", "qosClass": "BestEffort"}}


def _claim_defaults(call: Call, obj: Object) -> Object:
    return obj | {"status": {"phase": "Pending"}}


def _binding_defaults(call: Call, obj: Object) -> Object:
    return rolechecks.set_defaults(obj)


def _crd_defaults(call: Call, obj: Object) -> Object:
    return crdchecks.set_defaults(obj)


DEFAULTS = {
    NAMESPACES.key: _namespace_defaults,
    PODS.key: _pod_defaults,
    PVCS.key: _claim_defaults,
    SECRETS.key: _secret_defaults,
    SERVICES.key: _service_defaults,
    CRDS.key: _crd_defaults,
    ROLEBINDINGS.key: _binding_defaults,
    CLUSTERROLEBINDINGS.key: _binding_defaults,
}


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
