"""What happens to an object between the wire and the store: names, defaults, schema, webhooks."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from sandbox import crdchecks, decoding, kinds, metadata, rolechecks, schemas, status
from sandbox.calls import Call
from sandbox.cluster import AdmissionRequest
from sandbox.definitions import is_condition_true
from sandbox.resources import (
    CLUSTERROLEBINDINGS,
    CRDS,
    NAMESPACES,
    NODES,
    PODS,
    PVCS,
    ROLEBINDINGS,
    SECRETS,
    SERVICES,
)
from sandbox.status import Cause

Object = dict[str, Any]

STATUS_KEPT = {NODES.key}  # a kubelet brings a node with its status
SERVER_FIELDS = (
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "managedFields", "resourceVersion", "selfLink",
)  # fmt: skip


def check_kind(call: Call, obj: Object) -> None:
    """The body must be of the kind and version, name and namespace that the URL says."""
    version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    if kind and kind != call.resource.kind:
        raise status.bad_request(
            f"{kind} in version {_quoted(version)} cannot be handled as a {call.resource.kind}"
        )
    if version and version != call.resource.api_version:
        raise status.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({call.resource.api_version})"
        )
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


def prepare_new(call: Call, obj: Object) -> Object:
    """An object that is to be created: what only the server sets is dropped, defaults are set."""
    for name in SERVER_FIELDS:
        obj["metadata"].pop(name, None)
    if call.resource.has_status and call.resource.key not in STATUS_KEPT:
        obj.pop("status", None)
    defaults = DEFAULTS.get(call.resource.key)
    return defaults(call, obj) if defaults else obj


def fit_schema(call: Call, obj: Object, *, patch: str = "") -> Object:
    """Prunes and defaults; unknown fields are refused, warned of or ignored as asked.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#validation-for-unrecognized-or-duplicate-fields
    """
    schema = kinds.schema(call.resource)
    if schema is None:
        return obj
    unknown = schemas.prune(obj, schema)
    validation = call.query.get("fieldValidation") or "Warn"
    if unknown and validation == "Strict":
        raise _strict_error(call, unknown, patch)
    if unknown and validation == "Warn":
        call.warnings += [f'unknown field "{path}"' for path in unknown]
    if call.resource.is_custom:
        schemas.set_defaults(obj, schema)
    return obj


def check_object(call: Call, obj: Object, old: Object | None) -> None:
    causes = metadata.check_values(call.resource, obj["metadata"], is_new=old is None)
    causes += rolechecks.check(call.resource, obj, old)
    causes += crdchecks.check(call.resource, obj, old)
    schema = kinds.schema(call.resource)
    if schema is not None and (call.resource.is_custom or old is None):
        said = {cause.field for cause in causes}
        causes += [cause for cause in schemas.check(obj, schema) if cause.field not in said]
    if causes:
        raise status.invalid(call.resource, obj["metadata"].get("name", ""), causes)


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


def _strict_error(call: Call, unknown: list[str], patch: str) -> status.StatusError:
    said = "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)
    kind = call.resource.kind
    if patch:
        cause = Cause("FieldValueInvalid", "patch", f"Invalid value: {_quoted(patch)}: {said}")
        return status.invalid(call.resource, call.name, [cause])
    return status.bad_request(
        f'{kind} in version "{call.resource.version}" cannot be handled as a {kind}: {said}'
    )


def _namespace_defaults(call: Call, obj: Object) -> Object:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    return obj | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _secret_defaults(call: Call, obj: Object) -> Object:
    """`stringData` is write-only: it is folded into `data`."""
    plain = obj.pop("stringData", None) or {}
    written = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    data = (obj.get("data") or {}) | written
    return obj | {"type": obj.get("type") or "Opaque"} | ({"data": data} if data else {})


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
