"""What is no role or binding, and what is no definition of a kind, is refused in the same words."""

from __future__ import annotations

import copy

import pytest

from tests.conformance.asking import causes, made, patched, refusal
from tests.conformance.targets import wait_until
from tests.conformance.widgets import WIDGET_CRD

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "roles.conformance.kaitoweb.dev"
REF = {"kind": "ClusterRole", "name": "r"}
RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


def told(answer):
    """Field and message of each cause."""
    return [(each.field, each.message) for each in causes(answer)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"apiGroups": [""], "resources": ["pods"]},
         ("rules[0].verbs", "Required value: verbs must contain at least one value")),
        ({"verbs": ["get"], "resources": ["pods"]},
         ("rules[0].apiGroups", "Required value: resource rules must supply at least one api "
          "group")),
        ({"verbs": ["get"], "apiGroups": [""]},
         ("rules[0].resources", "Required value: resource rules must supply at least one resource")),
        (RULE | {"nonResourceURLs": ["/x"]},
         ("rules[0].nonResourceURLs", 'Invalid value: ["/x"]: rules cannot apply to both regular '
          "resources and non-resource URLs")),
    ],
)  # fmt: skip
def test_a_rule_must_say_what_it_is_about(http, rule, expected):
    answer = http.post(f"{RBAC}/clusterroles", json={"metadata": {"name": "x"}, "rules": [rule]})

    assert (answer.status_code, told(answer)) == (422, [expected])


def test_in_a_namespace_there_are_no_paths(http, space):
    role = {"metadata": {"name": "x"}, "rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}

    answer = http.post(f"{RBAC}/namespaces/{space}/roles", json=role)

    assert told(answer) == [
        ("rules[0].nonResourceURLs", 'Invalid value: ["/x"]: namespaced rules cannot apply to '
         "non-resource URLs"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ({"roleRef": {"kind": "Role", "name": "r"}},
         [("roleRef.kind", 'Unsupported value: "Role": supported values: "ClusterRole"')]),
        ({}, [("roleRef.kind", 'Unsupported value: "": supported values: "ClusterRole"'),
              ("roleRef.name", "Required value")]),
        ({"roleRef": REF, "subjects": [{"kind": "Robot", "name": "x"}]},
         [("subjects[0].kind", 'Unsupported value: "Robot": supported values: "ServiceAccount", '
           '"User", "Group"')]),
        ({"roleRef": REF, "subjects": [{"kind": "ServiceAccount", "name": "x"}]},
         [("subjects[0].namespace", "Required value")]),
    ],
)  # fmt: skip
def test_a_binding_leads_from_somebody_to_a_role(http, binding, expected):
    answer = http.post(f"{RBAC}/clusterrolebindings", json={"metadata": {"name": "x"}} | binding)

    assert (answer.status_code, told(answer)) == (422, expected)


def test_a_binding_keeps_its_role(http, space):
    path = f"{RBAC}/namespaces/{space}/rolebindings"
    made(http, path, {"metadata": {"name": "a.b:c"}, "roleRef": REF})

    answer = patched(http, f"{path}/a.b:c", {"roleRef": {"name": "other"}})

    shown = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"other"}'
    assert told(answer) == [("roleRef", f"Invalid value: {shown}: cannot change roleRef")]


def test_names_of_roles_are_parts_of_a_path(http, space):
    answer = http.post(f"{RBAC}/namespaces/{space}/roles", json={"metadata": {"name": "a%b"}})

    assert told(answer) == [("metadata.name", "Invalid value: \"a%b\": may not contain '%'")]


def definition(**changes):
    crd = copy.deepcopy(WIDGET_CRD)
    crd["metadata"]["name"] = f"widgets.{GROUP}"
    crd["spec"]["group"] = GROUP
    crd["spec"]["versions"] = crd["spec"]["versions"][:1]
    crd["spec"]["versions"][0] |= changes
    return crd


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema": {}}, ("spec.versions[0].schema.openAPIV3Schema", "Required value")),
        ({"schema": {"openAPIV3Schema": {}}},
         ("spec.validation.openAPIV3Schema.type", "Required value: must not be empty at the root")),
    ],
)  # fmt: skip
def test_a_definition_needs_a_schema(http, changes, expected):
    answer = http.post(CRDS, json=definition(**changes))

    assert (answer.status_code, told(answer)) == (422, [expected])


def test_a_definition_stores_one_version(http):
    answer = http.post(CRDS, json=definition(storage=False))

    why = "must have exactly one version marked as storage version"
    (field, message), (stored, none) = told(answer)
    assert (field, message.rpartition(": ")[2]) == ("spec.versions", why)
    assert (stored, none) == (
        "status.storedVersions", "Invalid value: null: must have at least one stored version",
    )  # fmt: skip


def test_a_definition_that_goes_waits_for_its_last_object_and_takes_no_new_one(http, space):
    path, objects = f"{CRDS}/widgets.{GROUP}", f"/apis/{GROUP}/v1/namespaces/{space}/widgets"
    made(http, CRDS, definition())
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "spec": {"size": 1}}
    held = body | {"metadata": {"name": "held", "finalizers": ["kaitoweb.dev/wait"]}}
    wait_until(lambda: http.post(objects, json=held).status_code == 201)

    going = http.delete(path).json()
    late = http.post(objects, json=body | {"metadata": {"name": "late"}})
    patched(http, f"{objects}/held", {"metadata": {"finalizers": None}})

    condition = {each["type"]: each["reason"] for each in going["status"]["conditions"]}
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert condition["Terminating"] == "InstanceDeletionPending"
    assert refusal(late) == (
        403,
        "Forbidden",
        f'widgets.{GROUP} "late" is forbidden: create not allowed while custom resource '
        "definition is terminating",
    )
    wait_until(lambda: http.get(path).status_code == 404)
