"""What is known of the built-in kinds: the notation, field validation, types."""

import pytest

from sandbox import kinds
from sandbox.kinds import defaults
from sandbox.kinds.notation import SCALARS, parse, schema_of
from sandbox.resources import BUILT_IN, PODS
from sandbox.resources import DEPLOYMENTS as DEPLOYMENTS_KIND

SECRETS = "/api/v1/namespaces/default/secrets"
JSON_PATCH = "application/json-patch+json"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def deployment(**spec):
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}]}}
    whole = {"selector": {"matchLabels": labels}, "template": template} | spec
    return {"metadata": {"name": "d"}, "spec": whole}


@pytest.mark.parametrize("resource", BUILT_IN, ids=lambda row: row.qualified)
def test_every_built_in_kind_is_known(resource):
    assert kinds.schema(resource)["type"] == "object"


def test_the_notation_becomes_a_schema():
    text = """
A: x*:int items:[B/name,at]~ tags:[str+] map:{qty}! one:B
  more:any
B!: name
"""
    found = schema_of(parse(text)["A"], lambda name: SCALARS.get(name, {"ref": name}))

    assert found == {
        "type": "object",
        "required": ["x"],
        "properties": {
            "x": {"type": "integer", "format": "int32"},
            "items": {
                "type": "array",
                "items": {"ref": "B"},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name", "at"],
                "x-kubernetes-patch-merge-key": "name",
                "x-kubernetes-patch-strategy": "merge,retainKeys",
            },
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "x-kubernetes-list-type": "set",
                "x-kubernetes-patch-strategy": "merge",
            },
            "map": {
                "type": "object",
                "additionalProperties": {
                    "x-kubernetes-int-or-string": True,
                    "format": "quantity",
                },
                "x-kubernetes-map-type": "atomic",
            },
            "one": {"ref": "B"},
            "more": {"x-kubernetes-preserve-unknown-fields": True},
        },
    }
    assert schema_of(parse(text)["B"], SCALARS.get)["x-kubernetes-map-type"] == "atomic"


def test_what_is_no_field_is_told():
    with pytest.raises(ValueError, match="not a field: x%"):
        parse("A: x%")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"replicas": "x"}, "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"replicas": 1.5},
         "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"paused": 1}, "number into Go struct field DeploymentSpec.spec.paused of type bool"),
        ({"selector": []},
         "array into Go struct field DeploymentSpec.spec.selector of type v1.LabelSelector"),
        ({"selector": {"matchLabels": {"a": 1}}},
         "number into Go struct field LabelSelector.spec.selector.matchLabels of type string"),
        ({"template": {"spec": {"containers": [{"name": True}]}}},
         "bool into Go struct field Container.spec.template.spec.containers.name of type string"),
        ({"template": {"spec": {"containers": {}}}},
         "object into Go struct field PodSpec.spec.template.spec.containers of type "
         "[]v1.Container"),
        ({"template": {"spec": {"containers": ["c"]}}},
         "string into Go struct field PodSpec.spec.template.spec.containers of type v1.Container"),
    ],
)  # fmt: skip
async def test_a_value_of_another_type_cannot_be_read(api, spec, said):
    code, answer = await api.post(DEPLOYMENTS, deployment(**spec))

    assert (code, answer["message"]) == (
        400,
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal '
        + said,
    )


@pytest.mark.asyncio
async def test_quantities_and_ports_are_numbers_or_strings(api):
    container = {
        "name": "c",
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
        "livenessProbe": {"httpGet": {"port": "http"}},
        "readinessProbe": {"httpGet": {"port": 80}},
    }
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}

    code, obj = await api.post(DEPLOYMENTS, deployment(template=template, paused=None))

    made = obj["spec"]["template"]["spec"]["containers"][0]
    ports = [made[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
    assert (code, made["resources"], ports) == (201, container["resources"], ["http", 80])
    assert "paused" not in obj["spec"]


@pytest.mark.asyncio
async def test_what_is_missing_is_filled_in_at_creation_and_is_nobodys(api):
    body = deployment() | {"apiVersion": "apps/v1", "kind": "Deployment"}
    body["spec"]["template"]["spec"]["containers"][0] |= {"image": "r/x:1", "ports": [
        {"containerPort": 80}
    ]}  # fmt: skip

    _, obj = await api.apply(f"{DEPLOYMENTS}/d?fieldManager=m", body)

    spec = obj["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxSurge"]) == (1, "25%")
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    container = spec["template"]["spec"]["containers"][0]
    assert (container["imagePullPolicy"], container["ports"][0]["protocol"]) == (
        "IfNotPresent", "TCP",
    )  # fmt: skip
    assert "f:replicas" not in obj["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [("x", "Always"), ("x:latest", "Always"), ("host:5000/x", "Always"), ("x:1", "IfNotPresent"),
     ("x@sha256:00", "IfNotPresent")],
)  # fmt: skip
def test_images_are_pulled_always_unless_pinned(image, policy):
    pod = {"spec": {"containers": [{"name": "c", "image": image}]}}

    defaults.fill(PODS, pod)

    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.asyncio
async def test_unknown_fields_of_built_in_kinds_are_refused_warned_of_or_dropped(api):
    body = {"metadata": {"name": "s"}, "data": {}, "oops": 1}

    strict, answer = await api.post(f"{SECRETS}?fieldValidation=Strict", body)
    ignored, obj = await api.post(f"{SECRETS}?fieldValidation=Ignore", body)

    assert (strict, answer["message"]) == (
        400,
        'Secret in version "v1" cannot be handled as a Secret: strict decoding error: unknown '
        'field "oops"',
    )
    assert (ignored, "oops" in obj) == (201, False)


@pytest.mark.asyncio
async def test_an_apply_of_an_unknown_field_fails_as_untyped(api):
    body = deployment(oops=1) | {"apiVersion": "apps/v1", "kind": "Deployment"}

    code, answer = await api.apply(f"{DEPLOYMENTS}/d?fieldManager=m", body)

    assert (code, answer["message"]) == (
        500,
        "failed to create typed patch object (/d; apps/v1, Kind=Deployment): "
        ".spec.oops: field not declared in schema",
    )


@pytest.mark.asyncio
async def test_a_required_field_must_be_there_at_creation(api):
    code, answer = await api.post(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": {}})

    assert (code, [cause["field"] for cause in answer["details"]["causes"]]) == (
        422,
        ["spec.selector", "spec.template.metadata.labels", "spec.template.spec.containers"],
    )  # fmt: skip


@pytest.mark.asyncio
async def test_the_status_is_not_for_whoever_creates(api):
    pod = {"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running"}}
    node = {"metadata": {"name": "n"}, "status": {"phase": "Running"}}

    _, made = await api.post("/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}} | pod)
    _, joined = await api.post("/api/v1/nodes", node)

    assert (made["status"]["phase"], joined["status"]["phase"]) == ("Pending", "Running")


@pytest.mark.asyncio
async def test_the_pods_of_a_job_are_labelled_with_its_name(api):
    body = {"metadata": {"name": "j"}}
    body["spec"] = {"template": {"spec": {"containers": [{"name": "c"}]}}}

    _, obj = await api.post("/apis/batch/v1/namespaces/default/jobs", body)

    assert obj["spec"]["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/job-name": "j", "job-name": "j",
    }  # fmt: skip
    assert (obj["spec"]["backoffLimit"], obj["spec"]["completions"]) == (6, 1)


@pytest.mark.asyncio
async def test_a_change_is_filled_in_too_unless_a_controller_made_the_object(api, cluster):
    await api.post(DEPLOYMENTS, deployment())
    bare = deployment()
    bare["metadata"] = {"name": "bare", "namespace": "default"}
    cluster.store.create(DEPLOYMENTS_KIND, bare, manager="controller")
    change = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "x"}}]

    policies = [
        (await api.call("PATCH", f"{DEPLOYMENTS}/{name}", change, kind=JSON_PATCH))[1]["spec"][
            "template"
        ]["spec"]["containers"][1].get("terminationMessagePolicy")
        for name in ("d", "bare")
    ]

    assert policies == ["File", None]


@pytest.mark.asyncio
async def test_only_a_rolling_update_has_a_pace(api):
    _, obj = await api.post(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))

    assert obj["spec"]["strategy"] == {"type": "Recreate"}
