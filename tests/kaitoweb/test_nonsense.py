"""Whatever a browser, or something that says it is one, sends: no fault of ours, no error page of ours without a reason."""

from __future__ import annotations

import json
from urllib.parse import quote_from_bytes

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kaitoweb.test_routes import WORKSPACE
from tests.workspaces import builders as b

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
OPERATION = "00000000-0000-0000-0000-000000000001"
NASTY = [
    *(b"", b"\0", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", "\u202e\ufeff".encode(), "\x85\u2028".encode()),
    *(b"-1", b"0", b"99999999999999999999", b"9" * 5000, "\u0663".encode(), "\u00b2".encode(), b"1e400", b"NaN"),
    *(b"../..", b"%2e%2e", b"${7*7}", b"{{7*7}}", b"{% debug %}", b"' OR 1=1 --", b'"><script>', b"\r\nX: y"),
    *(b"x" * 10_000, b"=", b"a=b=c", b"set=", b",", b"/", b"//", b"[]", b"{}", b"null", b"javascript:1"),
]  # fmt: skip
KNOWN = {
    "tab": [b"pods", b"logs", b"events", b"conditions", b"manifest", b"history"],
    "part": [b"now", b"endpoint", b"tab", b"state"],
    "recipe": [b"preset", b"cpu-container", b"tuning"],
    "from": [OPERATION.encode()],
    "workspace": ["/".join(WORKSPACE).encode()],
    "pod": [b"phi-4-0"],
    "container": [b"phi-4"],
    "source": [b"phi-4-0/phi-4"],
    "topics": [b"workspaces,clusters", b"workspace-1"],
}
PARAMETERS = {
    "list": ("q", "state", "namespace", "cluster", "sort", "page", "row"),
    "detail": ("tab", "part", "uid", "source", "previous", "look", "code"),
    "deploy": (
        *("recipe", "from", "preset", "q", "filter", "all_models", "all_machines", "set", "shown_preset"),
        *("name", "namespace", "cluster", "instance_type", "label", "load_balancer", "reason", "key"),
        *("secret", "runtime", "model_id", "dtype", "image", "cpu_request", "cpu_limit"),
        *("memory_request", "memory_limit", "suggested_name", "suggested_type"),
    ),
    "playground": ("workspace", "part", "prompt", "system", "temperature", "top_p", "max_tokens"),
    "logs": ("pod", "container", "previous", "download"),
    "events": ("topics",),
    "clusters": ("open", "health"),
}  # fmt: skip
ADDRESSES = {
    "list": reverse("workspaces:list"),
    "detail": reverse("workspaces:detail", args=WORKSPACE),
    "deploy": reverse("workspaces:deploy"),
    "playground": reverse("playground:page"),
    "logs": reverse("workspaces:logs", args=WORKSPACE),
    "events": reverse("workspaces:events"),
    "clusters": reverse("clusters:list"),
}
HEADERS = [{}, {"hx-request": "true"}, {"hx-request": "true", "hx-target": "models"}]


def values_of(name):
    return st.one_of(
        st.sampled_from(KNOWN.get(name, []) + NASTY),
        st.text(max_size=20).map(lambda t: t.encode(errors="surrogatepass")),
        st.binary(max_size=20),
    )


@st.composite
def queries(draw, names):
    chosen = draw(st.lists(st.sampled_from(names), max_size=6))
    return "&".join(f"{n}={quote_from_bytes(draw(values_of(n)))}" for n in chosen)


@pytest.fixture
def rows(alice):
    cluster = b.make_cluster(pk=7, endpoint="http://127.0.0.1:9")
    b.make_workspace(cluster=cluster, story="weights")
    b.make_operation(cluster, alice, name="other", pk=OPERATION)


@pytest.mark.parametrize("place", ADDRESSES)
@SETTINGS
@given(data=st.data())
def test_no_query_breaks_a_page(place, client, alice, rows, data):
    client.force_login(alice)
    query = data.draw(queries(PARAMETERS[place]))

    response = client.get(
        ADDRESSES[place], QUERY_STRING=query, headers=data.draw(st.sampled_from(HEADERS))
    )
    response.close()

    assert response.status_code in ({400} if "%00" in query else {200, 404})


FORMS = {
    "sign-in": (reverse("accounts:sign_in"), ("username", "password", "next")),
    "check": (reverse("workspaces:check"), PARAMETERS["deploy"]),
    "deploy": (reverse("workspaces:deploy"), PARAMETERS["deploy"]),
    "delete": (reverse("workspaces:delete", args=WORKSPACE), ("confirm", "reason", "uid", "key")),
    "connect": (reverse("clusters:connect"), ("name", "kubeconfig", "context", "draft")),
    "reply": (reverse("playground:reply"), (*PARAMETERS["playground"], "history")),
}
REFUSED = {400, 403, 404, 422}


@pytest.mark.parametrize("form", FORMS)
def test_no_value_in_every_field_at_once_breaks_a_form(form, client, alice, bob, rows):
    address, names = FORMS[form]

    for person in (alice, bob):
        client.force_login(person)
        for value in [*NASTY, b"x" * 300_000]:
            given = {n: value for n in names if n != "recipe"} | {"recipe": b"cpu-container"}
            if form == "reply":
                given["workspace"] = "/".join(WORKSPACE).encode()
            body = "&".join(f"{n}={quote_from_bytes(v)}" for n, v in given.items())
            kind = "application/x-www-form-urlencoded"
            response = client.post(address, body, content_type=kind)
            response.close()
            assert response.status_code in REFUSED | {200, 302}, value[:40]


@SETTINGS
@given(data=st.data())
def test_no_field_breaks_the_deploy_form(client, dora, rows, data):
    client.force_login(dora)
    address = data.draw(
        st.sampled_from([reverse("workspaces:check"), reverse("workspaces:deploy")])
    )

    response = client.post(
        address,
        data.draw(queries(PARAMETERS["deploy"])),
        content_type="application/x-www-form-urlencoded",
        headers=data.draw(st.sampled_from(HEADERS)),
    )

    assert response.status_code in {200, 302, 422}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@SETTINGS
@given(
    given_=st.dictionaries(
        st.sampled_from([*PARAMETERS["playground"], "history", "other"]), VALUES, max_size=5
    ),
    is_known=st.booleans(),
)
def test_no_json_breaks_the_reply(client, bob, rows, given_, is_known):
    client.force_login(bob)
    body = given_ | ({"workspace": "/".join(WORKSPACE)} if is_known else {})

    response = client.post(
        reverse("playground:reply"), json.dumps(body), content_type="application/json"
    )
    response.close()

    assert response.status_code in {200, 400, 404}


BODIES = [
    *(b"", b"null", b"[]", b"{", b"\xef\xbb\xbf{}", b"[" * 50_000, b'{"workspace":"\\ud800"}'),
    *(b'{"workspace":1e99999}', b'{"workspace":NaN}', b'{"workspace":"a\\u0000b/c/d"}'),
]
"""Bodies that are no JSON object, or none for us."""


@pytest.mark.parametrize("body", BODIES)
def test_no_body_breaks_the_reply(client, bob, rows, body):
    client.force_login(bob)

    response = client.post(reverse("playground:reply"), body, content_type="application/json")

    assert response.status_code in {400, 404}


PARTS = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nabc\r\n--x--\r\n'
KINDS = [
    *(f"multipart/form-data; boundary=x; charset={c}" for c in ("base64", "rot13", "idna", "utf-16")),
    *("multipart/form-data", "multipart/form-data; boundary=" + "y" * 300, "multipart/form-data; boundary=\x0b"),
    *("application/x-www-form-urlencoded; charset=hex", "text/html; charset=undefined"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_in_another_coding_is_refused(client, kind):
    """Python knows codings that are none of text, and fails in them: base64, rot13, undefined."""
    response = client.generic("POST", reverse("accounts:sign_in"), PARTS, content_type=kind)

    assert response.status_code == 400


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages"])
def test_a_nul_in_a_cookie_is_refused(client, name):
    client.cookies[name] = "a\0bcdefgh"

    assert client.get(reverse("accounts:sign_in")).status_code == 400


ADDRESS_PARTS = ["a%00b", "..", "%2e%2e", "a%2fb", "%ff", "x" * 2000, "%E2%80%AE", "'--", "{{7*7}}"]


@pytest.mark.parametrize("part", ADDRESS_PARTS)
def test_no_address_breaks_a_page(client, alice, rows, part):
    client.force_login(alice)
    refusal = 400 if part == "a%00b" else 404

    for place in range(3):
        path = "/".join(part if n == place else name for n, name in enumerate(WORKSPACE))
        for end in ("", "delete/", "logs/?pod=phi-4-0&container=phi-4"):
            assert client.get(f"/workspaces/{path}/{end}").status_code == refusal
    assert client.get(f"/playground/?workspace={path}").status_code == refusal


@pytest.mark.parametrize("name", ["clusters:test", "clusters:disconnect"])
@pytest.mark.parametrize("pk", ["9" * 20, "9" * 5000, "0", "-1", "%D9%A3", "1e3"])
def test_no_number_breaks_an_address(client, alice, rows, name, pk):
    client.force_login(alice)
    address = reverse(name, args=[7]).replace("7", pk)

    assert client.post(address).status_code == 404


ONCE_BROKEN = [
    ("clusters:list", "health=" + "9" * 5000),
    ("workspaces:deploy", "recipe=preset&set=image=x"),
    ("workspaces:deploy", f"recipe=cpu-container&memory_limit={'9' * 400}&cpu_request={'9' * 400}"),
]


@pytest.mark.parametrize(("name", "query"), ONCE_BROKEN)
def test_what_broke_a_page_once_does_not_again(client, alice, rows, name, query):
    client.force_login(alice)

    response = client.get(reverse(name), QUERY_STRING=query, headers={"hx-request": "true"})

    assert response.status_code == 200
