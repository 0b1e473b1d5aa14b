"""Acting as somebody else needs a right for each thing that is claimed."""

import pytest

from tests.sandbox.rights import account, grant, rule
from tests.sandbox.widgets import WIDGETS_PATH

pytestmark = pytest.mark.asyncio

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
USER, GROUP = "Impersonate-User", "Impersonate-Group"


async def seen_as(api, headers):
    """With a list of headers, since a group may be given more than once."""
    sent = [("Authorization", f"Bearer {api.bearer}"), *headers]
    async with api.session.post(api.url + WHO, json={}, headers=sent) as answer:
        body = await answer.json()
        return body["status"]["userInfo"] if answer.status == 201 else body["message"]


async def test_the_administrator_acts_as_anybody(api):
    headers = [
        (USER, "alice"), (GROUP, "team"), (GROUP, "kaitoweb:editors"), ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-oid", "o1"), ("Impersonate-Extra-acme.com%2Fteam", "red"),
    ]  # fmt: skip

    seen = await seen_as(api, headers)

    assert seen == {
        "username": "alice",
        "uid": "7",
        "groups": ["team", "kaitoweb:editors", "system:authenticated"],
        "extra": {"oid": ["o1"], "acme.com/team": ["red"]},
    }


async def test_a_service_account_comes_with_its_groups(api):
    seen = await seen_as(api, [(USER, "system:serviceaccount:default:bot")])

    assert seen["groups"] == [
        "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
    ]  # fmt: skip


async def test_rights_are_those_of_the_one_who_is_acted_as(api, cluster):
    grant(cluster, "alice", rule("list", "widgets", group="example.com"), namespace="default")

    allowed, _ = await api.call("GET", WIDGETS_PATH, **{USER: "alice"})
    refused, status = await api.call("GET", WIDGETS_PATH, **{USER: "bob", GROUP: "team"})

    assert (allowed, refused) == (200, 403)
    assert status["message"] == (
        'widgets.example.com is forbidden: User "bob" cannot list resource "widgets" in API group '
        '"example.com" in the namespace "default"'
    )


def refused(mode):
    return (
        "selfsubjectreviews.authentication.k8s.io is forbidden: User "
        f'"system:serviceaccount:default:bot" cannot impersonate-on:{mode}:create resource '
        '"selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope'
    )


@pytest.mark.parametrize(
    ("claimed", "mode"),
    [
        ((USER, "bob"), "user-info"),
        ((GROUP, "team"), "user-info"),
        (("Impersonate-Uid", "7"), "user-info"),
        (("Impersonate-Extra-Oid", "o1"), "user-info"),
        ((USER, "system:serviceaccount:other:x"), "serviceaccount"),
        ((USER, "system:node:n"), "arbitrary-node"),
    ],
)
async def test_each_claim_is_a_right_of_its_own(api, cluster, claimed, mode):
    subject, api.token = account(cluster, "bot")
    grant(cluster, subject, rule("impersonate", "users", names="alice"))
    headers = [claimed] if claimed[0] == USER else [(USER, "alice"), claimed]

    assert (await seen_as(api, [(USER, "alice")]))["username"] == "alice"
    assert await seen_as(api, headers) == refused(mode)


async def test_a_service_account_with_groups_is_refused_by_the_old_right(api, cluster):
    _, api.token = account(cluster, "bot")
    claimed = [(USER, "system:serviceaccount:other:x"), (GROUP, "team")]

    assert await seen_as(api, claimed) == (
        'serviceaccounts "x" is forbidden: User "system:serviceaccount:default:bot" cannot '
        'impersonate resource "serviceaccounts" in API group "" in the namespace "other"'
    )


@pytest.mark.parametrize("header", [GROUP, "Impersonate-Uid", "Impersonate-Extra-oid"])
async def test_nobody_is_acted_as_without_a_user(api, header):
    code, status = await api.call("GET", WIDGETS_PATH, **{header: "x"})

    assert (code, status["reason"]) == (400, "BadRequest")
