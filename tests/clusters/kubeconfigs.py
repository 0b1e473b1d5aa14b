"""Kubeconfigs for tests, good unless a test spoils them."""

from __future__ import annotations

import base64

import ruamel.yaml


def kubeconfig(
    *,
    server: str = "https://10.1.2.3:6443",
    cluster=None,
    user=None,
    contexts=("one",),
    current="one",
    **more,
) -> str:
    raw = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": "canary-token"} if user is None else user}],
        "contexts": [
            {"name": n, "context": {"cluster": "c", "user": "u", **more}} for n in contexts
        ],
        "current-context": current,
    }
    return dump(raw)


def dump(raw) -> str:
    stream = ruamel.yaml.compat.StringIO()
    yaml = ruamel.yaml.YAML()
    yaml.default_flow_style = False
    yaml.dump(raw, stream)
    return stream.getvalue()


def data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
