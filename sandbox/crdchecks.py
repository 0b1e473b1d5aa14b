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
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    accepted = {"plural": "", "kind": ""}
    stored = [each.get("name") for each in spec.get("versions") or () if each.get("storage")]
    status = {"conditions": None, "acceptedNames": accepted, "storedVersions": stored}
    return crd | {"status": status}


def check(resource: Resource, crd: Object, old: Object | None) -> list[Cause]:
    if resource.key != CRDS.key:
        return []
    causes = [*_check_spec(crd), *_check_versions(crd), *_check_names(crd)]
    if not (crd.get("status") or {}).get("storedVersions"):
        why = "must have at least one stored version"
        causes.append(_invalid("status.storedVersions", None, why))
    return causes + (_check_change(crd, old) if old is not None else [])


def _check_spec(crd: Object) -> Iterator[Cause]:
    spec, name = crd.get("spec") or {}, crd["metadata"].get("name", "")
    plural, group = (spec.get("names") or {}).get("plural", ""), spec.get("group", "")
    if name != f"{plural}.{group}":
        yield _invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield _required("spec.group")
    if not spec.get("scope"):
        yield _required("spec.scope")
    elif spec["scope"] not in SCOPES:
        yield _unsupported("spec.scope", spec["scope"])


def _check_versions(crd: Object) -> Iterator[Cause]:
    versions = crd["spec"].get("versions")
    if sum(1 for each in versions or () if each.get("storage")) != 1:
        shown = [_as_go_shows(each) for each in versions] if versions is not None else None
        why = "must have exactly one version marked as storage version"
        yield _invalid("spec.versions", shown, why)
    versions = versions or []
    names = [each.get("name") for each in versions]
    if len(set(names)) != len(names):
        shown = [_as_go_shows(each) for each in versions]
        yield _invalid("spec.versions", shown, "must contain unique version names")
    # Versions that are all alike are read as one, at the root.
    alike = all(each.get("schema") == versions[0].get("schema") for each in versions)
    for index, version in enumerate(versions):
        if not version.get("name"):
            yield _required(f"spec.versions[{index}].name")
        if not alike or index == 0:
            yield from _check_schema(version, index, is_alone=alike)


def _as_go_shows(version: Object) -> Object:
    return {
        "Name": version.get("name", ""), "Served": version.get("served", False),
        "Storage": version.get("storage", False), "Deprecated": False, "DeprecationWarning": None,
        "Schema": None, "Subresources": None, "AdditionalPrinterColumns": None,
        "SelectableFields": None,
    }  # fmt: skip


def _check_schema(version: Object, index: int, *, is_alone: bool) -> Iterator[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    of_version = f"spec.versions[{index}].schema.openAPIV3Schema"
    where = "spec.validation.openAPIV3Schema" if is_alone else of_version
    if not isinstance(schema, dict):
        yield _required(of_version)
    elif not schema.get("type"):
        yield _required(f"{where}.type", "must not be empty at the root")
    elif schema["type"] != "object":
        yield _invalid(f"{where}.type", schema["type"], "must be object at the root")


def _check_names(crd: Object) -> Iterator[Cause]:
    names = crd["spec"].get("names") or {}
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield _required(f"spec.names.{name}")


def _check_change(crd: Object, old: Object) -> list[Cause]:
    return [*_check_stored(crd, old), *_check_kept(crd, old)]


def _check_stored(crd: Object, old: Object) -> Iterator[Cause]:
    names = {each.get("name") for each in crd["spec"].get("versions") or ()}
    for index, stored in enumerate((old.get("status") or {}).get("storedVersions") or ()):
        if stored not in names:
            at = f"status.storedVersions[{index}]"
            yield _invalid(at, stored, "missing from spec.versions")


def _check_kept(crd: Object, old: Object) -> Iterator[Cause]:
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


def _required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value{': ' if why else ''}{why}")


def _invalid(field: str, value: object, why: str) -> Cause:
    text = orjson.dumps(value).decode()
    return Cause("FieldValueInvalid", field, f"Invalid value: {text}: {why}")


def _unsupported(field: str, value: object) -> Cause:
    said = ", ".join(f'"{each}"' for each in SCOPES)
    text = f'Unsupported value: "{value}": supported values: {said}'
    return Cause("FieldValueNotSupported", field, text)
