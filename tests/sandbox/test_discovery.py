"""Discovery and OpenAPI, as kubectl and the client libraries read them."""

import pytest

from tests.sandbox.widgets import WIDGETS_PATH

pytestmark = pytest.mark.asyncio

FORM = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


async def test_version_names_a_kubernetes(api):
    answer = await api.get("/version")

    assert (answer["major"], answer["minor"], answer["gitVersion"]) == ("1", "36", "v1.36.3")


async def test_plain_discovery_lists_versions_groups_and_kinds(api):
    core = await api.get("/api")
    groups = await api.get("/apis")
    kinds = await api.get("/apis/example.com/v1")

    assert core["versions"] == ["v1"]
    widgets = next(group for group in groups["groups"] if group["name"] == "example.com")
    assert widgets["preferredVersion"] == {"groupVersion": "example.com/v1", "version": "v1"}
    assert [version["version"] for version in widgets["versions"]] == ["v1", "v1old"]
    assert kinds == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "example.com/v1",
        "resources": [
            {
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
            },
            {
                "name": "widgets/status",
                "singularName": "",
                "namespaced": True,
                "kind": "Widget",
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


async def test_aggregated_discovery_answers_in_the_form_that_was_asked_for(api):
    async with api.open("/apis", Accept=FORM.format("v2") + ",application/json") as answer:
        kind = answer.headers["Content-Type"]
        body = await answer.json()

    assert kind == FORM.format("v2")
    assert body["apiVersion"] == "apidiscovery.k8s.io/v2"
    widgets = next(item for item in body["items"] if item["metadata"]["name"] == "example.com")
    resource = widgets["versions"][0]["resources"][0]
    assert (resource["resource"], resource["scope"], resource["shortNames"]) == (
        "widgets", "Namespaced", ["wd"],
    )  # fmt: skip
    assert [below["subresource"] for below in resource["subresources"]] == ["status"]


async def test_a_client_that_takes_both_gets_the_newer_form(api):
    accept = f"{FORM.format('v2')},{FORM.format('v2beta1')},application/json"

    answer = await api.get("/api", Accept=accept)

    assert answer["apiVersion"] == "apidiscovery.k8s.io/v2"
    assert [version["version"] for version in answer["items"][0]["versions"]] == ["v1"]


@pytest.mark.parametrize("path", ["/apis/none.example", "/apis/example.com/v9", "/openapi/v2",
                                  "/openapi/v3/apis/none.example/v1"])  # fmt: skip
async def test_what_is_not_served_is_not_found(api, path):
    code, _ = await api.call("GET", path)

    assert code == 404


async def test_openapi_document_describes_kind_and_patch(api):
    index = await api.get("/openapi/v3")
    link = index["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    document = await api.get(link)

    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    about = {"group": "example.com", "kind": "Widget", "version": "v1"}
    assert schema["x-kubernetes-group-version-kind"] == [about]
    assert schema["properties"]["spec"]["required"] == ["size"]
    path = WIDGETS_PATH.replace("default", "{namespace}") + "/{name}"
    patch = document["paths"][path]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == about
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]


async def test_openapi_link_changes_with_the_schema(api, cluster):
    before = await api.get("/openapi/v3")
    crd = await api.get(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
    )
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "changed"
    cluster.install_crd(crd)

    after = await api.get("/openapi/v3")

    changed = {path for path in after["paths"] if before["paths"][path] != after["paths"][path]}
    assert changed == {"apis/example.com/v1"}


async def test_subresources_name_the_kind_that_they_take(api):
    plain = await api.get("/apis/apps/v1")
    accept = FORM.format("v2")
    found = await api.get("/apis", Accept=accept)

    scale = next(each for each in plain["resources"] if each["name"] == "deployments/scale")
    assert scale == {
        "name": "deployments/scale", "singularName": "", "namespaced": True,
        "group": "autoscaling", "version": "v1", "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }  # fmt: skip
    apps = next(item for item in found["items"] if item["metadata"]["name"] == "apps")
    deployments = next(
        each for each in apps["versions"][0]["resources"] if each["resource"] == "deployments"
    )
    kinds = {each["subresource"]: each["responseKind"] for each in deployments["subresources"]}
    assert kinds == {
        "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
        "status": {"group": "apps", "version": "v1", "kind": "Deployment"},
    }


def references(value):
    if isinstance(value, list):
        return {name for item in value for name in references(item)}
    if isinstance(value, dict):
        own = {value["$ref"].removeprefix("#/components/schemas/")} if "$ref" in value else set()
        return own | {name for inner in value.values() for name in references(inner)}
    return set()


async def test_every_document_defines_what_it_refers_to(api):
    index = await api.get("/openapi/v3")
    for path, link in index["paths"].items():
        document = await api.get(link["serverRelativeURL"])
        schemas = document["components"]["schemas"]
        assert references(document) <= schemas.keys(), path

    assert {"api/v1", "apis/apps/v1", "apis/example.com/v1"} <= index["paths"].keys()


async def test_built_in_kinds_are_described_type_by_type(api):
    index = await api.get("/openapi/v3")
    document = await api.get(index["paths"]["apis/apps/v1"]["serverRelativeURL"])

    schemas = document["components"]["schemas"]
    kind, spec = (schemas[f"io.k8s.api.apps.v1.Deployment{part}"] for part in ("", "Spec"))
    here = "#/components/schemas/io.k8s.api"
    assert kind["properties"]["spec"] == {"$ref": f"{here}.apps.v1.DeploymentSpec"}
    assert spec["properties"]["template"] == {"$ref": f"{here}.core.v1.PodTemplateSpec"}
    assert spec["required"] == ["selector", "template"]


async def test_a_document_is_for_ever_under_its_hash_and_moves_with_it(api):
    index = await api.get("/openapi/v3")
    link = index["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    headers = {"Authorization": f"Bearer {api.bearer}"}

    async with api.open(link) as current:
        assert current.headers["Cache-Control"] == "public, immutable"
    old = api.url + link.partition("=")[0] + "=OLD"
    async with api.session.get(old, headers=headers, allow_redirects=False) as moved:
        assert (moved.status, moved.headers["Location"]) == (301, link)
