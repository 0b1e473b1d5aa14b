"""Status bodies that are about the request, not about an object: paths, methods, media types, who."""

from __future__ import annotations

import httpx
import pytest

from tests.conformance.asking import core, details, is_not_served, made, refusal, sent
from tests.conformance.widgets import GROUP, widget, widgets_path

NOTHING = "the server could not find the requested resource"
MEDIA_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@pytest.fixture
def anonymous(api):
    with httpx.Client(base_url=api.url, verify=api.ssl_context, trust_env=False) as client:
        yield client


# Who


def test_a_wrong_token_is_unauthorized(api):
    answer = api.client("wrong").get(widgets_path("default"))

    assert refusal(answer) == (401, "Unauthorized", "Unauthorized")
    assert details(answer) is None


def test_who_is_unauthorized_learns_nothing_of_the_path(api):
    answer = api.client("wrong").get("/apis/nothing.example/v1/things")

    assert refusal(answer) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}], ids=["none", "basic"])
def test_who_brings_no_token_is_unauthorized(anonymous, headers):
    answer = anonymous.get(widgets_path("default"), headers=headers)

    assert refusal(answer) == (401, "Unauthorized", "Unauthorized")


# Where


def test_an_object_that_is_not_there_is_named(http, widgets):
    answer = http.get(f"{widgets}/w")

    assert refusal(answer) == (404, "NotFound", f'widgets.{GROUP} "w" not found')
    assert details(answer) == {"name": "w", "group": GROUP, "kind": "widgets"}


def test_a_core_object_that_is_not_there_has_no_group(http, space):
    answer = http.get(f"{core(space, 'pods')}/p")

    assert refusal(answer) == (404, "NotFound", 'pods "p" not found')
    assert details(answer) == {"name": "p", "kind": "pods"}


def test_a_namespace_that_is_not_there_is_named(http):
    answer = http.get("/api/v1/namespaces/nowhere")

    assert refusal(answer) == (404, "NotFound", 'namespaces "nowhere" not found')
    assert details(answer) == {"name": "nowhere", "kind": "namespaces"}


@pytest.mark.parametrize(
    "path",
    [
        "/apis/nothing.example",
        "/apis/nothing.example/v1",
        "/apis/nothing.example/v1/namespaces/default/things",
        "/apis/kaito.example/v1beta1/workspaces",
        f"/apis/{GROUP}/v9/namespaces/default/widgets",
        f"/apis/{GROUP}/v1/namespaces/default/things",
        f"/apis/{GROUP}/v1/namespaces/default/things/t",
    ],
)
def test_what_no_crd_serves_is_told_in_plain_text(http, path):
    answer = http.get(path)

    assert is_not_served(answer)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/default/things",
        "/api/v1/namespaces/default/things/t",
        "/api/v1/things",
        "/api/v2/pods",
        "/api/v1/namespaces/default/pods/p/thing",
        "/apis/apps/v1/namespaces/default/things",
        "/apis/apps/v9/deployments",
        "/apis/apps/v9",
    ],
)
def test_what_a_built_in_group_does_not_serve_is_a_status(http, path):
    answer = http.get(path)

    assert refusal(answer) == (404, "NotFound", NOTHING)
    assert details(answer) == {}


def test_a_sub_resource_that_a_crd_lacks_looks_like_a_missing_object(http, widgets):
    made(http, widgets, widget())

    answer = http.get(f"{widgets}/w/log")

    assert refusal(answer) == (404, "NotFound", f'widgets.{GROUP} "w" not found')


# How


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_collection_of_a_custom_kind_misses_a_name(http, widgets, method):
    answer = sent(http, method, widgets, "application/merge-patch+json", {})

    assert refusal(answer) == (400, "BadRequest", "name must be provided")


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("PATCH", ""), ("POST", "/c")])
def test_a_built_in_kind_has_no_such_method(http, space, method, path):
    path = core(space, "configmaps") + path

    answer = sent(http, method, path, "application/merge-patch+json", {})

    text = "the server does not allow this method on the requested resource"
    assert refusal(answer) == (405, "MethodNotAllowed", text)
    assert details(answer) == {}


def test_a_form_that_cannot_be_written_is_not_acceptable(http, widgets):
    answer = http.get(widgets, headers={"Accept": "image/png"})

    text = f"only the following media types are accepted: {MEDIA_TYPES}"
    assert refusal(answer) == (406, "NotAcceptable", text)


def test_an_unknown_form_before_a_known_one_is_passed_over(http, widgets):
    answer = http.get(widgets, headers={"Accept": "image/png, application/json"})

    assert (answer.status_code, answer.json()["kind"]) == (200, "WidgetList")


def test_a_body_of_another_media_type_is_not_read(http, widgets):
    answer = sent(http, "POST", widgets, "text/csv", "a,b")

    text = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{MEDIA_TYPES}"
    )
    assert refusal(answer) == (415, "UnsupportedMediaType", text)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"kind":', "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        ("[]", "couldn't get version/kind; json parse error: json: cannot unmarshal array"),
        ("", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        ('{"apiVersion": "v1"}', "Object 'Kind' is missing in '{"),
    ],
    ids=["half", "list", "nothing", "no kind"],
)
def test_a_body_that_is_no_object_is_a_bad_request(http, widgets, body, said):
    answer = sent(http, "POST", widgets, "application/json", body)

    assert refusal(answer)[:2] == (400, "BadRequest")
    about = "the object provided is unrecognized (must be of type Widget): "
    assert refusal(answer).message.startswith(about + said)


def test_metadata_of_a_wrong_type_is_a_bad_request(http, widgets):
    body = widget()
    body["metadata"]["labels"] = ["a"]

    answer = http.post(widgets, json=body)

    text = (
        'Widget in version "v1" cannot be handled as a Widget: json: cannot unmarshal array into '
        "Go struct field ObjectMeta.labels of type map[string]string"
    )
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_body_may_have_three_mebibytes_at_most(http, widgets):
    answer = http.post(widgets, json=widget(open={"x": "y" * (3 * 1024 * 1024)}))

    text = "Request entity too large: limit is 3145728"
    assert refusal(answer) == (413, "RequestEntityTooLarge", text)


def test_answers_are_json_that_nobody_keeps(http, widgets):
    answer = http.get(widgets)

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert len(answer.headers["Audit-Id"]) == 36


def test_a_refusal_is_json_too(http, widgets):
    answer = http.get(f"{widgets}/w")

    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.headers["Audit-Id"]) == 36


def test_a_time_must_be_a_number(http, widgets):
    answer = http.get(widgets, params={"timeoutSeconds": "soon"})

    text = 'strconv.ParseInt: parsing "soon": invalid syntax'
    assert refusal(answer) == (400, "BadRequest", text)
