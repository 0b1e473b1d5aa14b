from __future__ import annotations

import contextlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.kubeconfigs import Connection, KubeconfigError, context_names, parse_kubeconfig
from tests.clusters.certificates import Authority, key_pem
from tests.clusters.kubeconfigs import data, dump, kubeconfig


@pytest.fixture(scope="module")
def authority():
    return Authority()


def refusal(text, **options):
    with pytest.raises(KubeconfigError) as caught:
        parse_kubeconfig(text, **options)
    return caught.value.message, caught.value.line


def test_parse_reads_a_token_and_the_authority(authority):
    text = kubeconfig(
        server="https://api.example.com:6443/k8s/c-1/",
        cluster={"certificate-authority-data": data(authority.pem), "tls-server-name": "inner"},
        namespace="team-a",
    )

    assert parse_kubeconfig(text) == Connection(
        context="one",
        endpoint="https://api.example.com:6443/k8s/c-1",
        ca_pem=authority.pem,
        tls_server_name="inner",
        namespace="team-a",
        secrets={"token": "canary-token"},
    )


def test_parse_reads_a_client_certificate(authority):
    certificate, key = authority.issue("me")

    connection = parse_kubeconfig(
        kubeconfig(
            user={"client-certificate-data": data(certificate), "client-key-data": data(key)}
        )
    )

    assert connection.secrets == {"client_certificate_pem": certificate, "client_key_pem": key}


def test_parse_hides_secrets_from_its_own_words():
    assert "canary" not in repr(parse_kubeconfig(kubeconfig()))


def test_parse_takes_the_chosen_context():
    assert parse_kubeconfig(kubeconfig(contexts=["one", "two"]), context="two").context == "two"


def test_parse_takes_the_only_context_where_none_is_current():
    assert parse_kubeconfig(kubeconfig(current="")).context == "one"


def test_parse_wants_a_choice_between_contexts():
    assert refusal(kubeconfig(contexts=["one", "two"], current="")) == (
        "It has several contexts and none is the current one. Choose one.",
        None,
    )


def test_context_names_begin_with_the_current_one():
    assert context_names(kubeconfig(contexts=["one", "two", "three"], current="two")) == [
        "two",
        "one",
        "three",
    ]


def test_parse_judges_the_chosen_context_only():
    text = kubeconfig(contexts=["one"]).replace(
        "users:\n", "users:\n- name: other\n  user:\n    exec:\n      command: evil\n"
    )

    assert parse_kubeconfig(text).secrets == {"token": "canary-token"}


@pytest.mark.parametrize(
    ("spoilt", "begins", "line"),
    [
        ({"cluster": {"insecure-skip-tls-verify": True}}, "insecure-skip-tls-verify is not accepted.", 7),
        ({"cluster": {"certificate-authority": "/etc/passwd"}}, "certificate-authority is not accepted. It names a file", 7),
        ({"cluster": {"proxy-url": "http://p"}}, "proxy-url is not accepted.", 7),
        ({"user": {"exec": {"command": "sh"}}}, "exec is not accepted. kaitoweb never runs a command", 10),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "auth-provider is not accepted.", 10),
        ({"user": {"tokenFile": "/var/run/t"}}, "tokenFile is not accepted. It names a file", 10),
        ({"user": {"client-certificate": "/c"}}, "client-certificate is not accepted. It names a file", 10),
        ({"user": {"client-key": "/k"}}, "client-key is not accepted. It names a file", 10),
        ({"user": {"username": "u", "password": "p"}}, "username is not accepted.", 10),
        ({"user": {"token": "t", "as": "root"}}, "as is not accepted.", 11),
        ({"user": {}}, "The user has neither a token nor a client certificate.", None),
        ({"user": {"token": "a\nb"}}, "token holds characters that no token has.", 10),
        ({"user": {"client-certificate-data": "%%%"}}, "client-certificate-data is not base64.", 10),
        ({"user": {"client-certificate-data": data("x")}}, "client-certificate-data holds no certificate.", 10),
        ({"user": {"client-key-data": data("x")}}, "client-key-data holds no key", 10),
        ({"cluster": {"certificate-authority-data": data("x")}}, "certificate-authority-data holds no certificate.", 7),
        ({"cluster": {"tls-server-name": "a b"}}, "tls-server-name is not a name.", 7),
        ({"namespace": "a" * 64}, "namespace is not a name.", 16),
        ({"server": "ftp://x"}, "server must be an address that begins with https://.", 6),
        ({"server": "https://"}, "server must be an address that begins with https://.", 6),
        ({"server": "https://x:99999"}, "server is not an address.", 6),
        ({"server": "https://u:p@x"}, "server must be a plain address", 6),
        ({"server": "https://x/?a=b"}, "server must be a plain address", 6),
        ({"server": "https://x/a b"}, "server must be a plain address", 6),
        ({"server": "https://" + "x" * 600}, "server must be an address that begins with https://.", 6),
        ({"current": "nine"}, "It has no context named “nine”.", 11),
    ],
)  # fmt: skip
def test_parse_refuses_and_names_the_line(spoilt, begins, line):
    message, found = refusal(kubeconfig(**spoilt))

    assert (message[: len(begins)], found) == (begins, line)


def test_parse_refuses_a_certificate_without_its_key(authority):
    message, _ = refusal(kubeconfig(user={"client-certificate-data": data(authority.pem)}))

    assert message == "client-certificate-data and client-key-data belong together; one is missing."


def test_parse_reads_a_key_only_with_its_certificate():
    key = data(key_pem(ec.generate_private_key(ec.SECP256R1())))

    assert refusal(kubeconfig(user={"client-key-data": key}))[0].startswith(
        "client-certificate-data and"
    )


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "This is not a kubeconfig: it names no clusters.", None),
        ("- a\n- b\n", "This is not a kubeconfig: it names no clusters.", None),
        ("a: 1\nb: [1\nc: 2\n", "This is not YAML: expected ',' or ']', but got ':'.", 3),
        ("[" * 200_000, "This is nested more deeply than any kubeconfig.", None),
        ("- " * 100_000, "This is not YAML.", None),
        ("clusters: &a {<<: *a}", "This is not YAML.", None),
        ("clusters: &a\n  contexts: *a\n  <<: *a\n", "This is not YAML.", None),
        ("clusters: \ud800", "This is not YAML.", None),
        ("clusters: &a [*a]\ncontexts: *a\n", "It names no context.", 2),
        ("a: &a [x]\n" + "y" * 300_000, "This is larger than 256 KiB; no kubeconfig is.", None),
        (dump({"clusters": [], "users": []}), "It names no context.", None),
        (
            dump({"clusters": "x", "contexts": [{"name": "a", "context": {}}]}),
            "It names no cluster.",
            1,
        ),
    ],
)
def test_parse_refuses_what_is_no_kubeconfig(text, message, line):
    assert refusal(text) == (message, line)


def test_parse_builds_no_objects_from_tags(tmp_path):
    bomb = kubeconfig() + f"extra: !!python/object/apply:os.mkdir ['{tmp_path}/x']\n"

    parse_kubeconfig(bomb)

    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_parse_fails_in_words_only(text):
    with contextlib.suppress(KubeconfigError):
        parse_kubeconfig(text)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(["clusters", "users", "contexts", "name", "cluster", "user", "context", "server", "token", "current-context"]), c)))  # fmt: skip
def test_parse_survives_any_shape(raw):
    with contextlib.suppress(KubeconfigError):
        parse_kubeconfig(json.dumps(raw))
