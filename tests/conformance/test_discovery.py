"""What a server says of itself: version, groups, kinds and schemas; and kinds that come and go."""

from __future__ import annotations

import copy
import time

import pytest

from tests.conformance.asking import is_not_served, made, patched, refusal, version_of, watching
from tests.conformance.targets import install_crd, wait_until
from tests.conformance.widgets import GROUP, PLURAL, WIDGET_CRD, widget

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test_the_version_is_a_release(http):
    version = http.get("/version").json()

    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"].startswith("v1.36.")
    assert version.keys() >= {"gitCommit", "gitTreeState", "buildDate", "goVersion", "platform"}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_health_is_a_word(http, path):
    answer = http.get(path)

    assert (answer.status_code, answer.text) == (200, "ok")


def test_the_core_group_has_one_version(http):
    answer = http.get("/api").json()

    assert (answer["kind"], answer["versions"]) == ("APIVersions", ["v1"])


def test_groups_are_listed_with_the_version_they_prefer(http):
    answer = http.get("/apis").json()

    assert (answer["kind"], answer["apiVersion"]) == ("APIGroupList", "v1")
    [ours] = [group for group in answer["groups"] if group["name"] == GROUP]
    assert ours == {
        "name": GROUP,
        "versions": [
            {"groupVersion": f"{GROUP}/v1", "version": "v1"},
            {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"},
        ],
        "preferredVersion": {"groupVersion": f"{GROUP}/v1", "version": "v1"},
    }


def test_one_group_can_be_asked_for(http):
    answer = http.get(f"/apis/{GROUP}").json()

    assert (answer["kind"], answer["name"]) == ("APIGroup", GROUP)
    assert answer["preferredVersion"]["version"] == "v1"


def test_kinds_of_a_custom_group_are_listed(http):
    answer = http.get(f"/apis/{GROUP}/v1").json()

    assert (answer["kind"], answer["groupVersion"]) == ("APIResourceList", f"{GROUP}/v1")
    found = {each["name"]: each for each in answer["resources"]}
    main = {
        name: found["widgets"][name] for name in found["widgets"] if name != "storageVersionHash"
    }
    assert main | {"verbs": sorted(main["verbs"])} == {
        "name": "widgets",
        "singularName": "widget",
        "namespaced": True,
        "kind": "Widget",
        "verbs": [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ],
        "shortNames": ["wd"],
        "categories": ["all"],
    }


def test_sub_resources_are_listed_beside_their_kind(http):
    answer = http.get(f"/apis/{GROUP}/v1").json()

    found = {each["name"]: each for each in answer["resources"]}
    assert found["widgets/status"] == {
        "name": "widgets/status",
        "singularName": "",
        "namespaced": True,
        "kind": "Widget",
        "verbs": ["get", "patch", "update"],
    }


@pytest.mark.parametrize(
    ("name", "kind", "is_namespaced"),
    [
        ("pods", "Pod", True),
        ("services", "Service", True),
        ("namespaces", "Namespace", False),
        ("nodes", "Node", False),
        ("events", "Event", True),
        ("secrets", "Secret", True),
        ("configmaps", "ConfigMap", True),
        ("serviceaccounts", "ServiceAccount", True),
    ],
)
def test_core_kinds_are_listed(http, name, kind, is_namespaced):
    answer = http.get("/api/v1").json()

    [found] = [each for each in answer["resources"] if each["name"] == name]
    assert (found["kind"], found["namespaced"]) == (kind, is_namespaced)


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_discovery_can_be_had_in_one_piece(http, path):
    answer = http.get(path, headers={"Accept": f"{AGGREGATED.format('v2')},application/json"})

    assert answer.headers["Content-Type"] == AGGREGATED.format("v2")
    assert (answer.json()["kind"], answer.json()["apiVersion"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
    )


def test_the_beta_of_the_one_piece_is_no_more(http):
    answer = http.get(
        "/apis", headers={"Accept": f"{AGGREGATED.format('v2beta1')},application/json"}
    )

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["kind"] == "APIGroupList"


def test_the_one_piece_says_the_same(http):
    answer = http.get("/apis", headers={"Accept": AGGREGATED.format("v2")})

    [ours] = [item for item in answer.json()["items"] if item["metadata"]["name"] == GROUP]
    version = ours["versions"][0]
    [kind] = version["resources"]
    subs = {each["subresource"]: each for each in kind.pop("subresources")}
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    assert kind | {"verbs": sorted(kind["verbs"])} == {
        "resource": "widgets",
        "responseKind": {"group": GROUP, "version": "v1", "kind": "Widget"},
        "scope": "Namespaced",
        "singularResource": "widget",
        "verbs": [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ],
        "shortNames": ["wd"],
        "categories": ["all"],
    }
    assert subs["status"] == {
        "subresource": "status",
        "responseKind": {"group": GROUP, "version": "v1", "kind": "Widget"},
        "verbs": ["get", "patch", "update"],
    }


def test_the_core_comes_in_one_piece_too(http):
    items = http.get("/api", headers={"Accept": AGGREGATED.format("v2")}).json()["items"]

    assert [[version["version"] for version in item["versions"]] for item in items] == [["v1"]]


def test_schemas_are_indexed_by_group_and_version(http):
    paths = wait_until(lambda: openapi_paths(http))

    link = paths[f"apis/{GROUP}/v1"]["serverRelativeURL"]
    assert link.startswith(f"/openapi/v3/apis/{GROUP}/v1?hash=")
    assert {"api/v1", "apis/apps/v1"} <= paths.keys()


def openapi_paths(http):
    paths = http.get("/openapi/v3").json()["paths"]
    return paths if f"apis/{GROUP}/v1" in paths else None


def test_the_schema_of_a_kind_says_what_the_crd_says(http):
    wait_until(lambda: openapi_paths(http))
    document = http.get(f"/openapi/v3/apis/{GROUP}/v1").json()

    [schema] = [
        schema
        for schema in document["components"]["schemas"].values()
        if {"group": GROUP, "kind": "Widget", "version": "v1"}
        in schema.get("x-kubernetes-group-version-kind", [])
    ]
    spec = schema["properties"]["spec"]
    assert spec["required"] == ["size"]
    assert spec["properties"]["colour"] == {
        "type": "string",
        "enum": ["red", "blue"],
        "default": "red",
    }


def test_the_schema_says_that_fields_can_be_validated(http):
    wait_until(lambda: openapi_paths(http))
    document = http.get(f"/openapi/v3/apis/{GROUP}/v1").json()

    path = f"/apis/{GROUP}/v1/namespaces/{{namespace}}/widgets/{{name}}"
    parameters = [each.get("name") for each in document["paths"][path]["patch"]["parameters"]]
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= set(parameters)


# Kinds that come and go


@pytest.fixture
def passing(http):
    """A CRD in a group of its own, which goes with the test."""
    group = f"passing-{time.time_ns()}.kaitoweb.dev"
    crd = copy.deepcopy(WIDGET_CRD)
    crd["metadata"]["name"] = f"widgets.{group}"
    crd["spec"]["group"] = group
    install_crd(http, crd)
    yield crd
    http.delete(f"{CRDS}/{crd['metadata']['name']}")


def path_of(crd, space, version="v1"):
    return f"/apis/{crd['spec']['group']}/{version}/namespaces/{space}/widgets"


def test_a_crd_becomes_established(http, passing):
    status = http.get(f"{CRDS}/{passing['metadata']['name']}").json()["status"]

    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions["NamesAccepted"] == conditions["Established"] == "True"
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"] == passing["spec"]["names"]


def test_its_group_is_discovered(http, passing):
    group = passing["spec"]["group"]

    wait_until(lambda: http.get(f"/apis/{group}/v1").status_code == 200)
    found = [each["name"] for each in http.get("/apis").json()["groups"]]
    assert group in found


def test_with_its_crd_a_kind_goes_and_its_watches_end(http, space, passing):
    path = path_of(passing, space)
    made(http, path, widget() | {"apiVersion": f"{passing['spec']['group']}/v1"})

    with watching(http, path, resourceVersion=version_of(http, path)) as events:
        http.delete(f"{CRDS}/{passing['metadata']['name']}")
        told = [event["type"] for event in events.rest()]

    assert set(told) <= {"DELETED"}
    wait_until(lambda: is_not_served(http.get(path)))


def test_a_version_can_stop_being_served(http, space, passing):
    versions = copy.deepcopy(passing["spec"]["versions"])
    versions[1]["served"] = False

    answer = patched(
        http, f"{CRDS}/{passing['metadata']['name']}", {"spec": {"versions": versions}}
    )

    assert answer.status_code == 200
    wait_until(lambda: is_not_served(http.get(path_of(passing, space, "v1alpha1"))))
    wait_until(lambda: http.get(path_of(passing, space)).status_code == 200)


def test_a_crd_must_be_named_after_its_kind(http):
    crd = copy.deepcopy(WIDGET_CRD)
    crd["metadata"]["name"] = f"wrong.{GROUP}"

    answer = http.post(CRDS, json=crd)

    assert refusal(answer)[:2] == (422, "Invalid")
    assert [(each["field"], each["message"]) for each in answer.json()["details"]["causes"]] == [
        (
            "metadata.name",
            f'Invalid value: "wrong.{GROUP}": must be spec.names.plural+"."+spec.group',
        )
    ]


def test_our_crd_is_read_back_as_it_was_written(http):
    found = http.get(f"{CRDS}/{PLURAL}").json()["spec"]

    assert found["group"] == GROUP
    assert found["names"] == WIDGET_CRD["spec"]["names"]
    assert [version["name"] for version in found["versions"]] == ["v1", "v1alpha1"]
