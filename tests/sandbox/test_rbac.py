"""Rights come from roles and bindings in the store, and follow their changes at once."""

import pytest

from sandbox import roles
from sandbox.auth import IDENTITIES, Attributes, Identity
from sandbox.cluster import Cluster
from sandbox.rbac import allows
from sandbox.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS
from tests.sandbox.rights import account, grant, ref, rule, user
from tests.sandbox.widgets import WIDGETS_PATH, widget

RBAC = "/apis/rbac.authorization.k8s.io/v1"
WIDGETS = {"group": "example.com"}


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        (rule("get", "pods"), {"resource": "pods"}, True),
        (rule("get", "pods"), {"resource": "pods", "group": "apps"}, False),
        (rule("list", "pods"), {"resource": "pods"}, False),
        (rule("*", "*", group="*"), {"resource": "pods", "subresource": "log"}, True),
        (rule("get", "pods"), {"resource": "pods", "subresource": "log"}, False),
        (rule("get", "pods/log"), {"resource": "pods", "subresource": "log"}, True),
        (rule("get", "*/log"), {"resource": "pods", "subresource": "log"}, True),
        (rule("get", "*/log"), {"resource": "pods"}, False),
        (rule("get", "pods", names="a b"), {"resource": "pods", "name": "b"}, True),
        (rule("get", "pods", names="a b"), {"resource": "pods", "name": "c"}, False),
        (rule("get", "pods", names="a b"), {"resource": "pods"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, {"path": "/api/v1"}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, {"path": "/api"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, {"path": "/metrics"}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/api"]}, {"resource": "pods"}, False),
    ],
)
def test_a_rule_covers(given, asked, expected):
    assert allows(given, Attributes(verb="get", **asked)) is expected


def may(user, verb, resource, *, group="", subresource=""):
    asked = Attributes(verb=verb, resource=resource, group=group, subresource=subresource)
    identity = IDENTITIES[user].authenticated()
    return Cluster().authorizer.judge(identity, asked).allowed


@pytest.mark.parametrize(
    ("user", "verb", "resource", "group", "expected"),
    [
        ("admin", "delete", "secrets", "", True),
        ("kaitoweb", "create", "workspaces", "kaito.sh", True),
        ("kaitoweb", "watch", "nodeclaims", "karpenter.sh", True),
        ("kaitoweb", "delete", "nodeclaims", "karpenter.sh", False),
        ("kaitoweb", "delete", "statefulsets", "apps", True),
        ("kaitoweb", "delete", "pods", "", False),
        ("kaitoweb", "create", "secrets", "", True),
        ("kaitoweb", "list", "secrets", "", False),
        ("viewer", "list", "workspaces", "kaito.sh", True),
        ("viewer", "delete", "workspaces", "kaito.sh", False),
        ("viewer", "get", "secrets", "", False),
    ],
)
def test_the_sandboxs_own_users(user, verb, resource, group, expected):
    assert may(user, verb, resource, group=group) is expected


def test_a_subresource_is_a_right_of_its_own():
    assert may("kaitoweb", "get", "pods", subresource="log")
    assert may("kaitoweb", "create", "services", subresource="proxy")
    assert not may("kaitoweb", "update", "workspaces", group="kaito.sh", subresource="status")


@pytest.mark.parametrize(
    "subject",
    [
        user("alice"),
        {"kind": "Group", "name": "team"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "default"},
    ],
)
def test_a_binding_reaches_user_group_and_service_account(cluster, subject):
    grant(cluster, subject, rule("get", "pods"))
    asked = Attributes(verb="get", resource="pods")
    by_kind = {
        "User": Identity(user="alice"),
        "Group": Identity(user="x", groups=("other", "team")),
        "ServiceAccount": Identity(user="system:serviceaccount:default:bot"),
    }

    judged = {kind: cluster.authorizer.judge(who, asked).allowed for kind, who in by_kind.items()}

    assert judged == {kind: kind == subject["kind"] for kind in by_kind}


def test_a_role_is_good_in_its_namespace_only(cluster):
    grant(cluster, "alice", rule("get", "pods"), namespace="default")
    alice = Identity(user="alice")

    judged = [
        cluster.authorizer.judge(alice, Attributes(verb="get", resource="pods", namespace=where))
        for where in ("default", "other", "")
    ]

    assert [verdict.allowed for verdict in judged] == [True, False, False]
    assert judged[0].reason == (
        'RBAC: allowed by RoleBinding "for-alice/default" of Role "for-alice" to User "alice"'
    )


def test_a_role_binding_gives_a_cluster_role_in_one_namespace(cluster):
    cluster.store.create(
        CLUSTERROLES, {"metadata": {"name": "r"}, "rules": [rule("get", "pods")]}, manager="t"
    )
    bot = {"kind": "ServiceAccount", "name": "bot"}  # without a namespace: that of the binding
    binding = {"metadata": {"name": "b", "namespace": "other"}}
    cluster.store.create(
        ROLEBINDINGS, binding | {"roleRef": ref("ClusterRole", "r"), "subjects": [bot]}, manager="t"
    )
    who = Identity(user="system:serviceaccount:other:bot")

    verdict = cluster.authorizer.judge(
        who, Attributes(verb="get", resource="pods", namespace="other")
    )

    assert verdict == (
        True,
        'RBAC: allowed by RoleBinding "b/other" of ClusterRole "r" to ServiceAccount "bot/other"',
    )


def test_a_binding_without_its_role_is_told(cluster):
    binding = {"metadata": {"name": "b"}, "subjects": [user("alice")]}
    cluster.store.create(
        CLUSTERROLEBINDINGS, binding | {"roleRef": ref("ClusterRole", "gone")}, manager="t"
    )

    verdict = cluster.authorizer.judge(
        Identity(user="alice"), Attributes(verb="get", resource="pods")
    )

    assert verdict == (
        False,
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    )


@pytest.mark.asyncio
async def test_rights_come_and_go_with_their_objects(api, cluster):
    _, api.token = account(cluster, "bot")
    subject = {"kind": "ServiceAccount", "name": "bot", "namespace": "default"}
    role = {"metadata": {"name": "r"}, "rules": [rule("list", "widgets", group="example.com")]}
    binding = {
        "metadata": {"name": "r"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [subject],
    }

    async def as_admin(method, path, body=None):
        token, api.token = api.token, ""
        answer = await api.call(method, RBAC + path, body)
        api.token = token
        return answer

    before, _ = await api.call("GET", WIDGETS_PATH)
    await as_admin("POST", "/clusterroles", role)
    _, bound = await as_admin("POST", "/clusterrolebindings", binding)
    given, _ = await api.call("GET", WIDGETS_PATH)
    await as_admin("DELETE", "/clusterroles/r")
    after, refusal = await api.call("GET", WIDGETS_PATH)

    assert (before, given, after) == (403, 200, 403)
    assert bound["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert refusal["message"] == (
        'widgets.example.com is forbidden: User "system:serviceaccount:default:bot" cannot list '
        'resource "widgets" in API group "example.com" in the namespace "default": RBAC: '
        'clusterrole.rbac.authorization.k8s.io "r" not found'
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_a_list_of_one_object_by_its_name_needs_only_the_right_to_that_one(
    api, cluster, verb
):
    subject, api.token = account(cluster, "bot")
    grant(cluster, subject, rule("list watch", "widgets", group="example.com", names="w"))
    query = "timeoutSeconds=1&watch=" + ("1" if verb == "watch" else "0")

    async def code_of(name):
        async with api.open(f"{WIDGETS_PATH}?{query}&fieldSelector=metadata.name%3D{name}") as got:
            return got.status

    assert [await code_of(name) for name in ("w", "other")] == [200, 403]


@pytest.mark.asyncio
async def test_a_namespace_only_token_lists_there_and_nowhere_else(api, cluster):
    cluster.store.create(
        cluster.registry.by_path("example.com", "v1", "widgets"), widget(), manager="test"
    )
    subject, api.token = account(cluster, "bot")
    grant(cluster, subject, rule("get list", "widgets", group="example.com"), namespace="default")

    here = await api.get(WIDGETS_PATH)
    there, _ = await api.call("GET", WIDGETS_PATH.replace("default", "other"))
    everywhere, refusal = await api.call("GET", "/apis/example.com/v1/widgets")

    assert [item["metadata"]["name"] for item in here["items"]] == ["w"]
    assert (there, everywhere) == (403, 403)
    assert refusal["message"] == (
        'widgets.example.com is forbidden: User "system:serviceaccount:default:bot" cannot list '
        'resource "widgets" in API group "example.com" at the cluster scope'
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/clusterroles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "rules[0].verbs"),
        ("/clusterroles", {"rules": [{"verbs": ["get"], "resources": ["x"]}]},
         "rules[0].apiGroups"),
        ("/clusterroles", {"rules": [{"verbs": ["get"], "apiGroups": [""]}]}, "rules[0].resources"),
        ("/clusterroles", {"rules": [rule("get", "x") | {"nonResourceURLs": ["/"]}]},
         "rules[0].nonResourceURLs"),
        ("/namespaces/default/roles", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/"]}]},
         "rules[0].nonResourceURLs"),
        ("/clusterrolebindings", {"roleRef": ref("Role", "r")}, "roleRef.kind"),
        ("/clusterrolebindings", {"roleRef": ref("ClusterRole", "")}, "roleRef.name"),
        ("/clusterrolebindings",
         {"roleRef": ref("ClusterRole", "r"), "subjects": [{"kind": "Robot", "name": "x"}]},
         "subjects[0].kind"),
        ("/clusterrolebindings",
         {"roleRef": ref("ClusterRole", "r"), "subjects": [{"kind": "ServiceAccount", "name": "x"}]},
         "subjects[0].namespace"),
        ("/clusterrolebindings",
         {"roleRef": ref("ClusterRole", "r"),
          "subjects": [{"kind": "User", "name": "x", "apiGroup": "other"}]},
         "subjects[0].apiGroup"),
    ],
)  # fmt: skip
async def test_what_is_no_role_or_binding_is_invalid(api, path, body, field):
    code, answer = await api.post(RBAC + path, {"metadata": {"name": "system:x"}} | body)

    assert (code, [cause["field"] for cause in answer["details"]["causes"]]) == (422, [field])


@pytest.mark.asyncio
async def test_a_binding_keeps_its_role(api, cluster):
    grant(cluster, "alice", rule("get", "pods"))

    code, answer = await api.merge(
        f"{RBAC}/clusterrolebindings/for-alice", {"roleRef": {"name": "other"}}
    )

    said = answer["details"]["causes"][0]["message"]
    assert (code, said.rpartition(": ")[2]) == (422, "cannot change roleRef")


@pytest.mark.parametrize(
    ("name", "code"),
    [("system:a", 201), ("a.b", 201), ("A_b", 201), ("a%b", 422), ("a/b", 422), ("..", 422)],
)
@pytest.mark.asyncio
async def test_names_of_roles_are_freer_than_others(api, name, code):
    body = {"metadata": {"name": name}, "rules": [rule("get", "pods")]}

    got, _ = await api.post(f"{RBAC}/clusterroles", body)

    assert got == code


def test_a_planted_role_gets_back_what_it_lacks(cluster):
    role = cluster.store.get(CLUSTERROLES, None, "kaitoweb")
    full, mine = role["rules"], rule("get", "gadgets")
    cluster.store.update(CLUSTERROLES, role | {"rules": [mine, *full[1:]]}, manager="t")
    cluster.store.delete(CLUSTERROLEBINDINGS, None, "kaitoweb")

    roles.plant(cluster.store)

    found = cluster.store.get(CLUSTERROLES, None, "kaitoweb")["rules"]
    assert found == [mine, *full[1:], full[0]]
    assert cluster.store.get(CLUSTERROLEBINDINGS, None, "kaitoweb") is not None
