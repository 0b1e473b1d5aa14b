"""Who may do what: RBAC's refusals, the reviews that foretell them, impersonation and tokens."""

from __future__ import annotations

import base64
import json

import pytest

from tests.conformance.asking import causes, core, details, made, refusal
from tests.conformance.targets import wait_until
from tests.conformance.widgets import GROUP, widget, widgets_path

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
READ = {"apiGroups": [GROUP], "resources": ["widgets"], "verbs": ["get", "list", "watch"]}


def username(token):
    """Of a service account's token: its subject."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


@pytest.fixture(scope="module")
def home(api):
    return api.namespace()


@pytest.fixture(scope="module")
def reader_token(api, home):
    """Of one who may read Widgets in one namespace, and nothing else."""
    return api.person(rules=[READ], namespace=home)


@pytest.fixture
def reader(api, reader_token):
    return api.client(reader_token)


def asked(client, **attributes):
    body = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    answer = client.post(
        f"{AUTHORIZATION}/selfsubjectaccessreviews",
        json=body | {"spec": {"resourceAttributes": attributes}},
    )
    assert answer.status_code == 201
    return answer.json()["status"]


# Refusals


def test_what_is_allowed_in_a_namespace_is_allowed_there(reader, home):
    assert reader.get(widgets_path(home)).status_code == 200


def test_over_all_namespaces_it_is_not(reader, reader_token):
    answer = reader.get(widgets_path())

    user = username(reader_token)
    assert refusal(answer) == (
        403,
        "Forbidden",
        f'widgets.{GROUP} is forbidden: User "{user}" cannot list resource "widgets" in API group '
        f'"{GROUP}" at the cluster scope',
    )
    assert details(answer) == {"group": GROUP, "kind": "widgets"}


def test_in_another_namespace_it_is_not(reader, reader_token, space):
    answer = reader.get(widgets_path(space))

    assert refusal(answer).message == (
        f'widgets.{GROUP} is forbidden: User "{username(reader_token)}" cannot list resource '
        f'"widgets" in API group "{GROUP}" in the namespace "{space}"'
    )


def test_another_verb_is_not(reader, reader_token, home):
    answer = reader.post(widgets_path(home), json=widget())

    assert refusal(answer) == (
        403,
        "Forbidden",
        f'widgets.{GROUP} is forbidden: User "{username(reader_token)}" cannot create resource '
        f'"widgets" in API group "{GROUP}" in the namespace "{home}"',
    )


def test_the_object_is_named_whether_it_is_there_or_not(reader, reader_token, home):
    answer = reader.delete(f"{widgets_path(home)}/w")

    assert refusal(answer) == (
        403,
        "Forbidden",
        f'widgets.{GROUP} "w" is forbidden: User "{username(reader_token)}" cannot delete resource '
        f'"widgets" in API group "{GROUP}" in the namespace "{home}"',
    )
    assert details(answer) == {"name": "w", "group": GROUP, "kind": "widgets"}


def test_a_sub_resource_is_named_too(reader, reader_token, home):
    answer = reader.get(f"{core(home, 'pods')}/p/log")

    assert refusal(answer).message == (
        f'pods "p" is forbidden: User "{username(reader_token)}" cannot get resource "pods/log" in '
        f'API group "" in the namespace "{home}"'
    )
    assert details(answer) == {"name": "p", "kind": "pods"}


def test_a_path_that_is_no_resource_is_forbidden_by_its_path(reader, reader_token):
    answer = reader.get("/metrics")

    text = f'forbidden: User "{username(reader_token)}" cannot get path "/metrics"'
    assert refusal(answer) == (403, "Forbidden", text)
    assert details(answer) == {}


def test_a_kind_that_is_not_served_is_forbidden_before_it_is_not_found(reader):
    answer = reader.get("/apis/nothing.example/v1/namespaces/default/things")

    assert refusal(answer)[:2] == (403, "Forbidden")


def test_discovery_is_for_everybody(reader):
    for path in ("/api", "/apis", f"/apis/{GROUP}/v1", "/version", "/openapi/v3"):
        assert reader.get(path).status_code == 200


def test_a_rule_can_be_for_one_name(api, space):
    rule = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "verbs": ["get"],
        "resourceNames": ["a"],
    }
    client = api.client(api.person(rules=[rule], namespace=space))

    codes = [client.get(f"{core(space, 'configmaps')}/{name}").status_code for name in "ab"]

    assert codes == [404, 403]


def test_to_apply_needs_patch_and_to_make_needs_create(api, space):
    rule = {"apiGroups": [GROUP], "resources": ["widgets"], "verbs": ["patch"]}
    token = api.person(rules=[rule], namespace=space)
    client = api.client(token)

    answer = client.patch(
        f"{widgets_path(space)}/w",
        params={"fieldManager": "x"},
        json={
            "apiVersion": f"{GROUP}/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": 1},
        },
        headers={"Content-Type": "application/apply-patch+yaml"},
    )

    assert refusal(answer) == (
        403,
        "Forbidden",
        f'widgets.{GROUP} "w" is forbidden: User "{username(token)}" cannot create resource '
        f'"widgets" in API group "{GROUP}" in the namespace "{space}"',
    )


def test_a_right_that_is_taken_away_is_gone(api, http, space):
    client = api.client(api.person(rules=[READ], namespace=space))
    assert client.get(widgets_path(space)).status_code == 200
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings"

    http.delete(bindings)

    wait_until(lambda: client.get(widgets_path(space)).status_code == 403)


# Reviews


def test_the_review_says_what_would_be_allowed(reader, home):
    assert asked(reader, verb="list", group=GROUP, resource="widgets", namespace=home)["allowed"]


@pytest.mark.parametrize(
    "difference",
    [
        {"verb": "create"},
        {"namespace": ""},
        {"resource": "gadgets"},
        {"group": ""},
        {"subresource": "status"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_the_review_says_what_would_be_refused(reader, home, difference):
    attributes = {"verb": "list", "group": GROUP, "resource": "widgets", "namespace": home}

    status = asked(reader, **attributes | difference)

    assert status == {"allowed": False}


def test_the_review_says_why(reader, home):
    status = asked(reader, verb="list", group=GROUP, resource="widgets", namespace=home)

    assert status["reason"].startswith('RBAC: allowed by RoleBinding "')


def test_the_administrator_may_everything(http):
    assert asked(http, verb="*", group="*", resource="*")["allowed"]


def test_a_review_needs_one_question(http):
    body = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {}}

    answer = http.post(f"{AUTHORIZATION}/selfsubjectaccessreviews", json=body)

    assert refusal(answer)[:2] == (422, "Invalid")
    text = (
        "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be "
        "specified"
    )
    assert causes(answer) == [("FieldValueInvalid", "spec.resourceAttributes", text)]


def test_rules_are_told_for_a_namespace(reader, home):
    body = {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1"}

    answer = reader.post(
        f"{AUTHORIZATION}/selfsubjectrulesreviews", json=body | {"spec": {"namespace": home}}
    )

    status = answer.json()["status"]
    assert answer.status_code == 201
    assert READ in status["resourceRules"]
    assert status["incomplete"] is False


def test_rules_of_another_namespace_are_others(reader, space):
    body = {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1"}

    answer = reader.post(
        f"{AUTHORIZATION}/selfsubjectrulesreviews", json=body | {"spec": {"namespace": space}}
    )

    assert READ not in answer.json()["status"]["resourceRules"]


def test_a_review_can_be_about_another(http, reader_token, home):
    attributes = {"verb": "list", "group": GROUP, "resource": "widgets", "namespace": home}
    body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    spec = {"user": username(reader_token), "resourceAttributes": attributes}

    def review(spec):
        answer = http.post(f"{AUTHORIZATION}/subjectaccessreviews", json=body | {"spec": spec})
        assert answer.status_code == 201
        return answer.json()["status"]["allowed"]

    assert review(spec)
    assert not review(spec | {"user": "nobody"})


def test_a_review_about_another_is_not_for_everybody(reader, reader_token):
    body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}

    answer = reader.post(
        f"{AUTHORIZATION}/subjectaccessreviews", json=body | {"spec": {"user": "x"}}
    )

    assert refusal(answer).message == (
        f'subjectaccessreviews.authorization.k8s.io is forbidden: User "{username(reader_token)}" '
        'cannot create resource "subjectaccessreviews" in API group "authorization.k8s.io" at the '
        "cluster scope"
    )


def test_a_review_tells_who_one_is(reader, reader_token, home):
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}

    answer = reader.post(f"{AUTHENTICATION}/selfsubjectreviews", json=body)

    info = answer.json()["status"]["userInfo"]
    assert answer.status_code == 201
    assert info["username"] == username(reader_token)
    assert sorted(info["groups"]) == [
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{home}",
    ]
    assert len(info["uid"]) == 36


# Impersonation


def who(client, **headers):
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{AUTHENTICATION}/selfsubjectreviews", json=body, headers=names)


def test_the_administrator_can_be_anybody(http):
    info = who(http, Impersonate_User="jane").json()["status"]["userInfo"]

    assert (info["username"], info["groups"]) == ("jane", ["system:authenticated"])


def test_with_groups_one_has_exactly_those(http):
    headers = [("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}

    answer = http.post(f"{AUTHENTICATION}/selfsubjectreviews", json=body, headers=headers)

    info = answer.json()["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("jane", ["a", "b", "system:authenticated"])


def test_the_rights_are_those_of_the_other(http, home):
    answer = http.get(widgets_path(home), headers={"Impersonate-User": "jane"})

    assert refusal(answer).message == (
        f'widgets.{GROUP} is forbidden: User "jane" cannot list resource "widgets" in API group '
        f'"{GROUP}" in the namespace "{home}"'
    )


def test_the_rights_of_a_group_are_had_too(http, home):
    headers = {"Impersonate-User": "jane", "Impersonate-Group": "system:masters"}

    assert http.get(widgets_path(home), headers=headers).status_code == 200


def test_a_service_account_brings_its_groups(http, home):
    account = f"system:serviceaccount:{home}:x"

    info = who(http, Impersonate_User=account).json()["status"]["userInfo"]

    assert (info["username"], sorted(info["groups"])) == (
        account,
        ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{home}"],
    )


def test_to_be_another_is_a_right_of_its_own(reader, reader_token):
    answer = who(reader, Impersonate_User="jane")

    assert refusal(answer) == (
        403,
        "Forbidden",
        "selfsubjectreviews.authentication.k8s.io is forbidden: User "
        f'"{username(reader_token)}" cannot impersonate-on:user-info:create resource '
        '"selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope',
    )
    assert details(answer) == {"group": "authentication.k8s.io", "kind": "selfsubjectreviews"}


def test_each_group_is_a_right_of_its_own(api, space):
    rule = {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}
    token = api.person(rules=[rule])
    client = api.client(token)

    answer = who(client, Impersonate_User="jane", Impersonate_Group="system:masters")

    assert refusal(answer).message == (
        f'selfsubjectreviews.authentication.k8s.io is forbidden: User "{username(token)}" cannot '
        'impersonate-on:user-info:create resource "selfsubjectreviews" in API group '
        '"authentication.k8s.io" at the cluster scope'
    )


def test_a_group_without_a_user_is_refused(http):
    answer = who(http, Impersonate_Group="a")

    assert answer.status_code in (400, 500)
    assert "without impersonating a user" in answer.text


# Tokens


def token_of(http, space, **spec):
    account = {"metadata": {"name": "t"}}
    made(http, core(space, "serviceaccounts"), account)
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
    return http.post(f"{core(space, 'serviceaccounts')}/t/token", json=body)


def test_a_token_is_made_for_a_service_account(http, space, api):
    answer = token_of(http, space, expirationSeconds=600)

    status = answer.json()["status"]
    assert answer.status_code == 201
    assert status["expirationTimestamp"].endswith("Z")
    assert username(status["token"]) == f"system:serviceaccount:{space}:t"
    assert who(api.client(status["token"])).json()["status"]["userInfo"]["username"] == (
        f"system:serviceaccount:{space}:t"
    )


def test_a_token_lasts_ten_minutes_at_least(http, space):
    answer = token_of(http, space, expirationSeconds=60)

    text = "Invalid value: 60: may not specify a duration less than 10 minutes"
    assert refusal(answer)[:2] == (422, "Invalid")
    assert [(each["field"], each["message"]) for each in answer.json()["details"]["causes"]] == [
        ("spec.expirationSeconds", text)
    ]


def test_a_token_dies_with_its_service_account(http, space, api):
    token = token_of(http, space).json()["status"]["token"]
    client = api.client(token)
    assert who(client).status_code == 201

    http.delete(f"{core(space, 'serviceaccounts')}/t")

    wait_until(lambda: who(client).status_code == 401)


def test_a_token_for_nobody_is_not_found(http, space):
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}

    answer = http.post(f"{core(space, 'serviceaccounts')}/t/token", json=body)

    assert refusal(answer) == (404, "NotFound", 'serviceaccounts "t" not found')


def test_a_token_that_was_changed_is_unauthorized(http, space, api):
    token = token_of(http, space).json()["status"]["token"]
    header, payload, signature = token.split(".")
    forged = ".".join([header, payload, signature[:-8] + "AAAAAAAA"])

    assert refusal(who(api.client(forged))) == (401, "Unauthorized", "Unauthorized")
