"""What kubectl asks of rights, and how it acts as others."""

import pytest

from tests.sandbox.kubectls import Kubectl, kubectl, sandbox, space

__all__ = ["kubectl", "sandbox", "space"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KAITOWEB = "system:serviceaccount:kaitoweb:kaitoweb"


@pytest.fixture
def bot(sandbox, space, tmp_path) -> Kubectl:
    """kubectl with the token of a service account that may read pods in its namespace."""
    space("create", "serviceaccount", "bot")
    space("create", "role", "reader", "--verb=get,list", "--resource=pods,workspaces.kaito.sh")
    account = f"--serviceaccount={space.namespace}:bot"
    space("create", "rolebinding", "bot-reads", "--role=reader", account)
    token = space("create", "token", "bot", "--duration=10m")
    (tmp_path / "kubeconfig").write_text(
        sandbox.kubeconfig("admin").replace(sandbox.tokens["admin"], token)
    )
    return Kubectl(space.command()[0], tmp_path, space.namespace)


def test_a_token_of_ones_own_reads_where_it_may(bot):
    elsewhere = bot("get", "pods", "-A", code=1)
    here = bot("get", "pods")
    refused = bot("delete", "wk", "x", code=1)

    who = f'User "system:serviceaccount:{bot.namespace}:bot" cannot'
    assert here == ""
    assert f'{who} list resource "pods" in API group "" at the cluster scope' in elsewhere
    assert (
        f'{who} delete resource "workspaces" in API group "kaito.sh" in the namespace '
        f'"{bot.namespace}"' in refused
    )


def test_can_i_and_whoami(kubectl, bot):
    assert kubectl("auth", "can-i", "create", "workspaces.kaito.sh") == "yes\n"
    assert bot("auth", "can-i", "list", "pods") == "yes\n"
    assert bot("auth", "can-i", "list", "pods", "-A", code=1) == "no\n"
    assert bot("auth", "can-i", "get", "pods", "--subresource=log", code=1) == "no\n"
    seen = bot("auth", "whoami")
    assert f"system:serviceaccount:{bot.namespace}:bot" in seen
    assert "system:serviceaccounts" in seen


def test_can_i_lists_all_rights(bot):
    lines = bot.lines("auth", "can-i", "--list", "--no-headers")

    assert ["pods", "[]", "[]", "[get", "list]"] in lines
    assert ["workspaces.kaito.sh", "[]", "[]", "[get", "list]"] in lines
    assert ["selfsubjectaccessreviews.authorization.k8s.io", "[]", "[]", "[create]"] in lines


def test_cluster_roles_are_made_bound_and_described(kubectl, space):
    name = space.namespace
    kubectl("create", "clusterrole", name, "--verb=get", "--resource=nodes", "--resource-name=n")
    kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=alice",
            "--group=team")  # fmt: skip

    described = kubectl("describe", "clusterrole", name).split()
    bound = kubectl.lines("get", "clusterrolebinding", name, "-o", "wide", "--no-headers")
    assert described[-4:] == ["nodes", "[]", "[n]", "[get]"]
    assert bound[0][1:] == [f"ClusterRole/{name}", bound[0][2], "alice", "team"]
    one, all_ = (
        kubectl("auth", "can-i", "get", what, "--as=alice", code=code)
        for what, code in (("nodes/n", 0), ("nodes", 1))
    )
    assert ("yes" in one.split(), "no" in all_.split()) == (True, True)


def test_the_administrator_acts_as_others(kubectl, bot):
    seen = kubectl("auth", "whoami", "--as=alice", "--as-group=team", "--as-uid=7")
    refused = kubectl("get", "pods", "--as=alice", code=1)
    kaitoweb = kubectl("auth", "can-i", "create", "workspaces.kaito.sh", f"--as={KAITOWEB}")
    bot("get", "pods")  # learns what the server serves, which it would ask for as alice else
    not_allowed = bot("get", "pods", "--as=alice", code=1)

    assert [line.split() for line in seen.splitlines()[1:]] == [
        ["Username", "alice"], ["UID", "7"], ["Groups", "[team", "system:authenticated]"],
    ]  # fmt: skip
    assert 'User "alice" cannot list resource "pods"' in refused
    assert kaitoweb == "yes\n"
    assert f'User "system:serviceaccount:{bot.namespace}:bot" cannot impersonate' in not_allowed
