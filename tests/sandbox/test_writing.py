"""Create, update and patch over HTTP: what is refused and how it is said, defaults, dry-run."""

import base64
import io
import json
import re

import pytest

from sandbox import status
from sandbox.cluster import AdmissionRequest
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio


async def test_create_sets_defaults_and_drops_what_the_client_may_not_set(api):
    body = widget(size=3) | {"status": {"phase": "Ready"}}
    body["metadata"] |= {"uid": "mine", "generation": 9}

    code, obj = await api.post(WIDGETS_PATH, body)

    assert code == 201
    assert obj["spec"] == {"size": 3, "colour": "red"}
    assert "status" not in obj
    assert (obj["metadata"]["generation"], obj["metadata"]["uid"] != "mine") == (1, True)


async def test_what_was_created_can_be_read(api):
    missing, status_ = await api.call("GET", f"{WIDGETS_PATH}/w")
    _, created = await api.post(WIDGETS_PATH, widget())
    found, obj = await api.call("GET", f"{WIDGETS_PATH}/w")

    assert (missing, found, obj) == (404, 200, created)
    assert status_["message"] == 'widgets.example.com "w" not found'


async def test_create_uses_the_user_agent_as_manager(api):
    await api.call("POST", WIDGETS_PATH, widget(), **{"User-Agent": "kaitoweb/1.0 (linux)"})

    obj = await api.get(f"{WIDGETS_PATH}/w")
    assert obj["metadata"]["managedFields"][0]["manager"] == "kaitoweb"


async def test_dry_run_creates_nothing(api, cluster):
    code, obj = await api.post(f"{WIDGETS_PATH}?dryRun=All", widget())

    assert (code, obj["spec"]["colour"]) == (201, "red")
    assert cluster.store.list(WIDGETS) == []


async def test_dry_run_takes_one_value(api):
    code, answer = await api.post(f"{WIDGETS_PATH}?dryRun=Some", widget())

    assert (code, answer["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({}, ("FieldValueRequired", "spec.size", "Required value")),
        ({"size": "x"},
         ("FieldValueTypeInvalid", "spec.size",
          'Invalid value: "string": spec.size in body must be of type integer: "string"')),
        ({"size": 0},
         ("FieldValueInvalid", "spec.size",
          "Invalid value: 0: spec.size in body should be greater than or equal to 1")),
        ({"size": 1, "colour": "pink"},
         ("FieldValueNotSupported", "spec.colour",
          'Unsupported value: "pink": supported values: "red", "blue"')),
        ({"size": 1, "parts": [{"count": 1}]},
         ("FieldValueRequired", "spec.parts[0].name", "Required value")),
    ],
)  # fmt: skip
async def test_what_breaks_the_schema_is_invalid(api, spec, cause):
    code, answer = await api.post(WIDGETS_PATH, widget() | {"spec": spec})

    reason, field, message = cause
    assert code == 422
    assert answer["message"] == f'Widget.example.com "w" is invalid: {field}: {message}'
    assert answer["details"] == {
        "name": "w",
        "group": "example.com",
        "kind": "Widget",
        "causes": [{"reason": reason, "message": message, "field": field}],
    }


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
async def test_unknown_fields_are_refused_warned_of_or_dropped(api, validation):
    body = widget(foo=1, open={"anything": {"goes": 1}})

    async with api.session.post(
        f"{api.url}{WIDGETS_PATH}?fieldValidation={validation}",
        json=body,
        headers={"Authorization": f"Bearer {api.cluster.authority.tokens['admin']}"},
    ) as answer:
        obj = await answer.json()

    if validation == "Strict":
        assert (answer.status, obj["message"]) == (
            400,
            'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
            'unknown field "spec.foo"',
        )
        return
    assert obj["spec"] == {"size": 1, "colour": "red", "open": {"anything": {"goes": 1}}}
    warning = '299 - "unknown field \\"spec.foo\\""' if validation == "Warn" else None
    assert answer.headers.get("Warning") == warning


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"kind": "Gadget"}, 422, 'kind: Invalid value: "Gadget": must be Widget'),
        ({"apiVersion": "example.com/v2"}, 400, "does not match the expected API version"),
        ({"metadata": {"name": "w", "namespace": "other"}}, 400, "namespace sent on the request"),
        ({"metadata": {"name": "Not_A_Name"}}, 422, "a lowercase RFC 1123 subdomain must consist"),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "w", "labels": {"a": "b c"}}}, 422, "a valid label must be"),
    ],
)
async def test_create_checks_what_the_body_says_of_itself(api, change, code, text):
    got, answer = await api.post(WIDGETS_PATH, widget() | change)

    assert got == code
    assert text in answer["message"]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("x", "string into Go struct field Widget.metadata of type v1.ObjectMeta"),
        ({"name": 1}, "integer into Go struct field ObjectMeta.name of type string"),
        ({"labels": {"a": 1}}, "object into Go struct field ObjectMeta.labels of type "
         "map[string]string"),
        ({"finalizers": "abc"}, "string into Go struct field ObjectMeta.finalizers of type "
         "[]string"),
        ({"finalizers": [1]}, "array into Go struct field ObjectMeta.finalizers of type "
         "[]string"),
        ({"ownerReferences": [{}]}, "array into Go struct field ObjectMeta.ownerReferences "
         "of type []v1.OwnerReference"),
    ],
)  # fmt: skip
async def test_metadata_of_another_type_cannot_be_read(api, metadata, said):
    code, answer = await api.post(WIDGETS_PATH, widget() | {"metadata": metadata})

    assert (code, answer["message"]) == (
        400,
        'Widget in version "v1" cannot be handled as a Widget: json: cannot unmarshal ' + said,
    )


async def test_create_needs_its_namespace(api, cluster):
    path = "/apis/example.com/v1/namespaces/nowhere/widgets"

    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    code, answer = await api.post(path, body | {"spec": {"size": 1}})

    assert (code, answer["message"]) == (404, 'namespaces "nowhere" not found')


async def test_nothing_comes_into_a_namespace_that_goes(api, cluster):
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    await api.post(WIDGETS_PATH, held)
    await api.call("DELETE", "/api/v1/namespaces/default")

    code, answer = await api.post(WIDGETS_PATH, widget("late"))

    assert code == 403
    assert "because it is being terminated" in answer["message"]


async def test_update_needs_a_resource_version_and_the_right_one(api):
    _, obj = await api.post(WIDGETS_PATH, widget())
    path = f"{WIDGETS_PATH}/w"

    missing, _ = await api.call("PUT", path, widget(size=2))
    changed, after = await api.call("PUT", path, obj | {"spec": {"size": 2}})
    stale, answer = await api.call("PUT", path, obj | {"spec": {"size": 3}})

    assert (missing, changed, stale) == (422, 200, 409)
    assert after["spec"] == {"size": 2, "colour": "red"}
    assert answer["message"].endswith(
        "the object has been modified; please apply your changes to the latest version and try again"
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [(f"{WIDGETS_PATH}/w", 404), ("/api/v1/namespaces/default/configmaps/w", 404),
     ("/api/v1/namespaces/default/endpoints/w", 201)],
)  # fmt: skip
async def test_a_put_creates_only_what_may_be_made_so(api, path, code):
    got, _ = await api.call("PUT", path, {"metadata": {"name": "w"}})

    assert got == code


async def test_a_name_can_be_generated(api):
    body = widget()
    body["metadata"] = {"generateName": "job-"}

    names = [(await api.post(WIDGETS_PATH, body))[1]["metadata"]["name"] for _ in range(2)]

    assert len(set(names)) == 2
    assert all(re.fullmatch("job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


async def test_merge_patch_changes_and_removes(api):
    await api.post(WIDGETS_PATH, widget(size=1, tags=["a"]))

    code, obj = await api.merge(f"{WIDGETS_PATH}/w", {"spec": {"size": 2, "tags": None}})

    assert (code, obj["spec"]) == (200, {"size": 2, "colour": "red"})
    assert obj["metadata"]["generation"] == 2


async def test_json_patch_changes(api):
    await api.post(WIDGETS_PATH, widget(size=1))

    code, obj = await api.call(
        "PATCH",
        f"{WIDGETS_PATH}/w",
        [{"op": "replace", "path": "/spec/size", "value": 5}],
        kind="application/json-patch+json",
    )

    assert (code, obj["spec"]["size"]) == (200, 5)


async def test_strategic_merge_is_not_for_custom_kinds(api):
    await api.post(WIDGETS_PATH, widget())

    code, answer = await api.call(
        "PATCH", f"{WIDGETS_PATH}/w", {}, kind="application/strategic-merge-patch+json"
    )

    assert (code, answer["reason"]) == (415, "UnsupportedMediaType")
    assert answer["message"] == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


async def test_a_strict_patch_is_refused_whole(api):
    await api.post(WIDGETS_PATH, widget())

    code, answer = await api.merge(
        f"{WIDGETS_PATH}/w?fieldValidation=Strict", {"spec": {"foo": 1, "size": 2}}
    )

    assert code == 422
    assert [cause["field"] for cause in answer["details"]["causes"]] == ["patch"]
    assert (await api.get(f"{WIDGETS_PATH}/w"))["spec"]["size"] == 1


async def test_patch_with_an_old_version_conflicts(api):
    _, obj = await api.post(WIDGETS_PATH, widget())
    await api.merge(f"{WIDGETS_PATH}/w", {"spec": {"size": 2}})

    code, answer = await api.merge(
        f"{WIDGETS_PATH}/w",
        {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "spec": {"size": 3}},
    )

    assert (code, answer["reason"]) == (409, "Conflict")


async def test_status_has_an_endpoint_of_its_own(api):
    _, obj = await api.post(WIDGETS_PATH, widget())

    await api.call("PUT", f"{WIDGETS_PATH}/w/status", obj | {"status": {"phase": "Ready"}})
    await api.merge(f"{WIDGETS_PATH}/w", {"status": {"phase": "Broken"}, "spec": {"size": 2}})

    after = await api.get(f"{WIDGETS_PATH}/w/status")
    assert (after["status"], after["spec"]["size"]) == ({"phase": "Ready"}, 2)


async def test_a_status_that_is_ignored_is_not_judged(api):
    await api.post(WIDGETS_PATH, widget())

    code, obj = await api.merge(f"{WIDGETS_PATH}/w", {"status": {"ready": "no boolean"}})

    assert (code, "status" in obj) == (200, False)


async def test_nulls_count_as_absent(api):
    code, obj = await api.post(WIDGETS_PATH, widget(colour=None, tags=None))

    assert (code, obj["spec"]) == (201, {"size": 1, "colour": "red"})


async def test_a_webhook_judges_what_would_be_stored(api, cluster):
    asked: list[AdmissionRequest] = []

    def refuse_large(request):
        asked.append(request)
        if request.object["spec"]["size"] > 5:
            raise status.bad_request('admission webhook "w" denied the request: too large')

    cluster.admission.append(refuse_large)
    await api.post(f"{WIDGETS_PATH}?dryRun=All", widget(size=2))
    await api.post(WIDGETS_PATH, widget(size=2))
    code, answer = await api.merge(f"{WIDGETS_PATH}/w", {"spec": {"size": 6}})
    await api.merge(f"{WIDGETS_PATH}/w/status", {"status": {"phase": "x"}, "spec": {"size": 9}})

    assert (code, answer["message"]) == (
        400, 'admission webhook "w" denied the request: too large',
    )  # fmt: skip
    seen = [(each.operation, each.subresource, each.object["spec"]["size"]) for each in asked]
    assert seen == [
        ("CREATE", "", 2),
        ("CREATE", "", 2),
        ("UPDATE", "", 6),
        ("UPDATE", "status", 2),
    ]
    assert [each.dry_run for each in asked] == [True, False, False, False]
    assert [each.old_object and each.old_object["spec"]["size"] for each in asked] == [
        None, None, 2, 2,
    ]  # fmt: skip


async def test_secrets_fold_plain_text_into_data(api):
    body = {"metadata": {"name": "s"}, "stringData": {"HF_TOKEN": "hf_x"}}

    _, obj = await api.post("/api/v1/namespaces/default/secrets", body)

    assert obj["data"] == {"HF_TOKEN": base64.b64encode(b"hf_x").decode()}
    assert (obj["type"], "stringData" in obj) == ("Opaque", False)


async def test_a_new_namespace_is_active(api):
    _, obj = await api.post("/api/v1/namespaces", {"metadata": {"name": "team-b"}})

    assert obj["status"] == {"phase": "Active"}
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team-b"}
    assert obj["spec"] == {"finalizers": ["kubernetes"]}


async def test_an_unreadable_body_is_a_bad_request(api):
    code, answer = await api.post(WIDGETS_PATH, b"{nonsense")

    assert (code, answer["reason"]) == (400, "BadRequest")


async def test_a_body_that_is_too_large_is_refused(api):
    body = json.dumps(widget(open={"x": "y" * 3_200_000})).encode()
    token = api.cluster.authority.tokens["admin"]

    async with api.session.post(
        api.url + WIDGETS_PATH,
        data=io.BytesIO(body),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    ) as response:
        code, answer = response.status, await response.json()

    assert (code, answer["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_crd_that_is_created_is_served(api, cluster):
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Cluster",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    path = "/apis/example.org/v1/gadgets"
    before, _ = await api.call("GET", path)

    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await api.post(crds, crd)
    created = await api.get(f"{crds}/gadgets.example.org")
    gadget = {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    made, _ = await api.post(path, gadget)
    await api.call("DELETE", f"{crds}/gadgets.example.org")
    after, _ = await api.call("GET", path)

    assert (before, made, after) == (404, 201, 404)
    established = [each["type"] for each in created["status"]["conditions"]]
    assert established == ["NamesAccepted", "Established"]
