"""Reviews answer as requests are judged, since both ask the same authorizer."""

import pytest

from sandbox.auth import KAITOWEB
from tests.sandbox.rights import account, grant, rule

pytestmark = pytest.mark.asyncio

REVIEWS = "/apis/authorization.k8s.io/v1"
WHO = "/apis/authentication.k8s.io/v1"
PODS = {"verb": "get", "resource": "pods"}


@pytest.mark.parametrize(("verb", "allowed"), [("create", True), ("escalate", False)])
async def test_access_review_answers_as_requests_are_judged(api, verb, allowed):
    api.user = "kaitoweb"
    spec = {"resourceAttributes": {"verb": verb, "group": "kaito.sh", "resource": "workspaces"}}

    code, answer = await api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec})

    assert (code, answer["status"]["allowed"]) == (201, allowed)
    assert (answer["kind"], answer["spec"]) == ("SelfSubjectAccessReview", spec)


async def test_access_review_says_which_binding_allows(api):
    api.user = "kaitoweb"
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log"}}

    _, answer = await api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec})

    assert answer["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by ClusterRoleBinding "kaitoweb" of ClusterRole "kaitoweb" to '
        'ServiceAccount "kaitoweb/kaitoweb"',
    }


async def test_access_review_of_a_path(api):
    api.user = "viewer"
    spec = {"nonResourceAttributes": {"verb": "get", "path": "/openapi/v3"}}

    _, answer = await api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec})

    assert answer["status"]["allowed"] is True


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.resourceAttributes"),
        ({"resourceAttributes": PODS, "nonResourceAttributes": {"path": "/x", "verb": "get"}},
         "spec.nonResourceAttributes"),
    ],
)  # fmt: skip
async def test_access_review_must_ask_one_thing(api, spec, field):
    code, answer = await api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec})

    assert (code, answer["details"]["causes"][0]["field"]) == (422, field)


async def test_the_access_of_others_is_for_the_administrator(api):
    body = {
        "spec": {
            "user": KAITOWEB,
            "resourceAttributes": {"verb": "delete", "group": "", "resource": "pods"},
        }
    }

    _, answer = await api.post(f"{REVIEWS}/subjectaccessreviews", body)
    api.user = "viewer"
    refused, _ = await api.post(f"{REVIEWS}/subjectaccessreviews", body)

    assert (answer["status"], refused) == ({"allowed": False}, 403)


async def test_the_access_of_nobody_is_not_asked(api):
    code, answer = await api.post(
        f"{REVIEWS}/subjectaccessreviews", {"spec": {"resourceAttributes": PODS}}
    )

    assert (code, answer["details"]["causes"][0]["field"]) == (422, "spec.user")


async def test_a_local_review_is_asked_in_a_namespace_by_who_has_the_right_there(api, cluster):
    subject, api.token = account(cluster, "auditor")
    may_ask = rule("create", "localsubjectaccessreviews", group="authorization.k8s.io")
    grant(cluster, subject, may_ask, namespace="default")
    grant(cluster, "alice", rule("get", "pods"), namespace="default")
    attributes = PODS | {"namespace": "default"}
    body = {"metadata": {"namespace": "default"}}
    body["spec"] = {"user": "alice", "resourceAttributes": attributes}

    path = "/namespaces/default/localsubjectaccessreviews"
    code, answer = await api.post(REVIEWS + path, body)
    elsewhere, _ = await api.post(REVIEWS + path.replace("default", "other"), body)

    assert (code, answer["status"]["allowed"], elsewhere) == (201, True, 403)


@pytest.mark.parametrize(
    ("metadata", "asked", "code"),
    [({"namespace": "other"}, "default", 400), ({"namespace": "default"}, "other", 422)],
)
async def test_a_local_review_is_about_its_own_namespace(api, metadata, asked, code):
    spec = {"user": "alice", "resourceAttributes": PODS | {"namespace": asked}}

    got, _ = await api.post(
        f"{REVIEWS}/namespaces/default/localsubjectaccessreviews",
        {"metadata": metadata, "spec": spec},
    )

    assert got == code


async def test_rules_review_lists_the_rules_of_cluster_and_namespace(api, cluster):
    subject, api.token = account(cluster, "bot")
    grant(cluster, subject, rule("get", "pods", names="p"), namespace="default")

    answers = [
        await api.post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": where}})
        for where in ("default", "other")
    ]

    here, there = (answer["status"] for _, answer in answers)
    mine = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["p"]}
    assert [rule for rule in here["resourceRules"] if rule not in there["resourceRules"]] == [mine]
    assert here["nonResourceRules"][0]["verbs"] == ["get"]
    assert here["incomplete"] is False


async def test_rules_review_needs_a_namespace(api):
    code, answer = await api.post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {}})

    assert (code, answer["message"]) == (400, "no namespace on request")


async def test_self_review_says_who_the_server_sees(api):
    api.user = "kaitoweb"

    code, answer = await api.post(f"{WHO}/selfsubjectreviews", {})

    assert (code, answer["status"]["userInfo"]) == (
        201,
        {
            "username": KAITOWEB,
            "groups": [
                "system:serviceaccounts",
                "system:serviceaccounts:kaitoweb",
                "system:authenticated",
            ],
        },
    )


async def test_token_review_says_whose_a_token_is(api, cluster):
    _, token = account(cluster, "bot")

    _, known = await api.post(f"{WHO}/tokenreviews", {"spec": {"token": token}})
    _, unknown = await api.post(f"{WHO}/tokenreviews", {"spec": {"token": "made-up"}})

    assert known["status"]["user"]["username"] == "system:serviceaccount:default:bot"
    assert (known["status"]["authenticated"], "authenticated" in unknown["status"]) == (True, False)
