"""What the API server asks of a CustomResourceDefinition before it keeps it.

https://github.com/kubernetes/apiextensions-apiserver/blob/v0.36.3/pkg/apis/apiextensions/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sandbox.definitions import is_condition_true
from sandbox.resources import CRDS, Resource
from sandbox.status import Cause

Object = dict[str, Any]

SCOPES = ("Cluster", "Namespaced")


def set_defaults(crd: Object) -> Object:
    """https://github.com/kubernetes/apiextensions-apiserver/blob/v0.36.3/pkg/apis/apiextensions/v1/defaults.go"""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    accepted = {"plural": "", "kind": ""}
    stored = [each.get("name") for each in spec.get("versions") or () if each.get("storage")]
    status = {"conditions": [], "acceptedNames": accepted, "storedVersions": stored}
    return crd | {"status": status}


def check(resource: Resource, crd: Object, old: Object | None) -> list[Cause]:
    if resource.key != CRDS.key:
        return []
    causes = [*_check_names(crd), *_check_versions(crd)]
    if old is not None:
        causes += _check_change(crd, old)
    return causes


def _check_names(crd: Object) -> Iterator[Cause]:
    spec = crd["spec"]
    names, name = spec.get("names") or {}, crd["metadata"]["name"]
    if spec.get("scope") not in SCOPES:
        yield _unsupported("spec.scope", spec.get("scope", ""))
    if name != f"{names.get('plural', '')}.{spec.get('group', '')}":
        yield _invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _check_versions(crd: Object) -> Iterator[Cause]:
    versions = crd["spec"].get("versions") or []
    if sum(1 for each in versions if each.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        yield _invalid("spec.versions", versions, why)
    names = [each.get("name") for each in versions]
    if len(set(names)) != len(names):
        yield _invalid("spec.versions", versions, "must contain unique version names")
    for index, version in enumerate(versions):
        yield from _check_version(version, f"spec.versions[{index}]")


def _check_version(version: Object, at: str) -> Iterator[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    where = f"{at}.schema.openAPIV3Schema"
    if not isinstance(schema, dict):
        yield Cause("FieldValueRequired", where, "Required value: schemas are required")
    elif schema.get("type") != "object":
        type_ = schema.get("type", "")
        if type_:
            yield _invalid(f"{where}.type", type_, "must be object at the root")
        else:
            why = "Required value: must not be empty at the root"
            yield Cause("FieldValueRequired", f"{where}.type", why)


def _check_change(crd: Object, old: Object) -> Iterator[Cause]:
    names = {each.get("name") for each in crd["spec"].get("versions") or ()}
    for index, stored in enumerate((old.get("status") or {}).get("storedVersions") or ()):
        if stored not in names:
            at = f"status.storedVersions[{index}]"
            yield _invalid(at, stored, "missing from spec.versions")
    if not is_condition_true(old, "Established"):
        return
    kept = (("group",), ("scope",), ("names", "kind"), ("names", "plural"))
    for path in kept:
        new, before = _at(crd["spec"], path), _at(old["spec"], path)
        if new != before:
            yield _invalid(".".join(("spec", *path)), new, "field is immutable")


def _at(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  JSON
    for step in path:
        value = (value or {}).get(step)
    return value


def _invalid(field: str, value: object, why: str) -> Cause:
    text = orjson.dumps(value).decode()
    return Cause("FieldValueInvalid", field, f"Invalid value: {text}: {why}")


def _unsupported(field: str, value: object) -> Cause:
    said = ", ".join(f'"{each}"' for each in SCOPES)
    text = f'Unsupported value: "{value}": supported values: {said}'
    return Cause("FieldValueNotSupported", field, text)
