"""Tokens of service accounts: who they are, how long they last, what ends them."""

from datetime import timedelta

import pytest

from sandbox.app import build_cluster
from sandbox.clock import parse_time
from sandbox.cluster import Cluster
from sandbox.resources import NAMESPACES, SERVICEACCOUNTS
from sandbox.servicetokens import ServiceTokens
from tests.sandbox.rights import account

TOKEN = "/api/v1/namespaces/default/serviceaccounts/bot/token"


@pytest.mark.asyncio
async def test_a_token_lets_in_as_its_account(api, cluster):
    made = cluster.store.create(
        SERVICEACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}}, manager="t"
    )

    code, request = await api.post(TOKEN, {"spec": {"expirationSeconds": 600}})
    api.token = request["status"]["token"]
    _, answer = await api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})

    seen = answer["status"]["userInfo"]
    assert (code, request["kind"]) == (201, "TokenRequest")
    assert (seen["username"], seen["uid"]) == (
        "system:serviceaccount:default:bot", made["metadata"]["uid"],
    )  # fmt: skip
    assert seen["groups"] == [
        "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
    ]  # fmt: skip
    assert list(seen["extra"]) == ["authentication.kubernetes.io/credential-id"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spec", "seconds"), [({}, 3600), ({"expirationSeconds": 7200}, 7200)]
)  # fmt: skip
async def test_a_token_says_when_it_ends(api, cluster, spec, seconds):
    account(cluster, "bot")
    before = cluster.clock.now()

    _, request = await api.post(TOKEN, {"spec": spec})

    lasts = parse_time(request["status"]["expirationTimestamp"]) - before
    assert abs(lasts.total_seconds() - seconds) < 5
    assert request["spec"]["expirationSeconds"] == seconds


@pytest.mark.asyncio
async def test_a_token_lasts_ten_minutes_at_least(api, cluster):
    account(cluster, "bot")

    code, answer = await api.post(TOKEN, {"spec": {"expirationSeconds": 599}})

    assert (code, answer["message"]) == (
        422,
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: '
        "599: may not specify a duration less than 10 minutes",
    )


@pytest.mark.asyncio
async def test_there_is_no_token_without_the_account(api):
    code, answer = await api.post(TOKEN, {"spec": {}})

    assert (code, answer["message"]) == (404, 'serviceaccounts "bot" not found')


def test_a_token_expires(cluster):
    _, token = account(cluster, "bot")
    now = cluster.clock.now()

    def identified_after(**later):
        tokens = ServiceTokens(
            cluster.store, cluster.authority.key, lambda: now + timedelta(**later)
        )
        return tokens.identify(token) is not None

    assert (identified_after(minutes=59), identified_after(minutes=61)) == (True, False)


def test_a_token_ends_with_its_account_even_if_the_name_comes_back(cluster):
    _, token = account(cluster, "bot")

    cluster.store.delete(SERVICEACCOUNTS, "default", "bot")
    gone = cluster.identify(token)
    account(cluster, "bot")

    assert (gone, cluster.identify(token)) == (None, None)


def test_a_token_for_others_does_not_let_in(cluster):
    made = cluster.store.create(
        SERVICEACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}}, manager="t"
    )

    request = cluster.service_tokens.request(made, {"spec": {"audiences": ["vault"]}})

    assert cluster.identify(request["status"]["token"]) is None


@pytest.mark.parametrize("broken", ["", "a.b.c", "é.é.é"])
def test_a_token_that_was_not_signed_here_is_nobodys(cluster, broken):
    _, token = account(cluster, "bot")
    head, body, _ = token.split(".")
    stranger = Cluster()

    assert cluster.identify(broken) is None
    assert cluster.identify(f"{head}.{body}.{'A' * 43}") is None
    assert stranger.identify(token) is None


def test_tokens_outlive_a_restart(tmp_path):
    before = build_cluster(tmp_path, seed=False)
    before.store.create(NAMESPACES, {"metadata": {"name": "ns"}, "spec": {}}, manager="t")
    _, token = account(before, "bot", "ns")
    before.keeper.save()

    after = build_cluster(tmp_path, seed=False)

    assert after.identify(token).user == "system:serviceaccount:ns:bot"
    assert (tmp_path / "tokens.key").stat().st_mode & 0o777 == 0o600
