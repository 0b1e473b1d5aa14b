from __future__ import annotations

from django.conf import settings
from ruamel.yaml import YAML

from clusters import probing


def test_the_shipped_role_is_what_kaitoweb_asks_for():
    documents = list(YAML(typ="safe").load_all(settings.BASE_DIR / "deploy" / "rbac.yaml"))
    role = next(d for d in documents if d["kind"] == "ClusterRole")

    assert role == YAML(typ="safe").load(probing.wanted_role())
    assert [d["kind"] for d in documents] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
    ]
