import pytest

from sandbox.routing import Target, is_true, parse, verb_of

CORE = {"group": "", "version": "v1"}
KAITO = {"group": "kaito.sh", "version": "v1beta1", "plural": "workspaces"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/nodes", {**CORE, "plural": "nodes"}),
        ("/api/v1/nodes/n", {**CORE, "plural": "nodes", "name": "n"}),
        ("/api/v1/namespaces", {**CORE, "plural": "namespaces"}),
        ("/api/v1/namespaces/a",
         {**CORE, "plural": "namespaces", "name": "a", "namespace": "a"}),
        ("/api/v1/namespaces/a/status",
         {**CORE, "plural": "namespaces", "name": "a", "namespace": "a", "subresource": "status"}),
        ("/api/v1/namespaces/a/pods", {**CORE, "plural": "pods", "namespace": "a"}),
        ("/api/v1/namespaces/a/pods/p/log",
         {**CORE, "plural": "pods", "namespace": "a", "name": "p", "subresource": "log"}),
        ("/apis/kaito.sh/v1beta1/workspaces", KAITO),
        ("/apis/kaito.sh/v1beta1/namespaces/a/workspaces/w/status",
         {**KAITO, "namespace": "a", "name": "w", "subresource": "status"}),
        ("/api/v1/namespaces/a/services/http:s:80/proxy/v1/x%2Fy",
         {**CORE, "plural": "services", "namespace": "a", "name": "http:s:80",
          "subresource": "proxy", "tail": "v1/x%2Fy"}),
        ("/api/v1/namespaces/a/services/s%3A80/proxy",
         {**CORE, "plural": "services", "namespace": "a", "name": "s:80", "subresource": "proxy"}),
    ],
)  # fmt: skip
def test_a_path_is_taken_apart(path, expected):
    assert parse(path) == Target(**expected)


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis/kaito.sh/v1beta1", "/healthz"])
def test_other_paths_are_about_no_kind(path):
    assert parse(path) is None


@pytest.mark.parametrize(
    ("method", "name", "query", "expected"),
    [
        ("GET", "", {}, "list"),
        ("HEAD", "", {}, "list"),
        ("GET", "", {"watch": "1"}, "watch"),
        ("GET", "w", {}, "get"),
        ("POST", "", {}, "create"),
        ("PUT", "w", {}, "update"),
        ("PATCH", "w", {}, "patch"),
        ("DELETE", "w", {}, "delete"),
        ("DELETE", "", {}, "deletecollection"),
    ],
)
def test_the_verb_follows_method_and_target(method, name, query, expected):
    assert verb_of(method, Target(**KAITO, name=name), query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [({}, False), ({"watch": ""}, True), ({"watch": "True"}, True), ({"watch": "0"}, False),
     ({"watch": "FALSE"}, False)],
)  # fmt: skip
def test_a_boolean_is_read_as_go_reads_it(query, expected):
    assert is_true(query, "watch") is expected
