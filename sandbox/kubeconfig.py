"""kubeconfig files for the sandbox's users, written whole and readable by the owner only."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson

from sandbox.auth import write_private
from sandbox.cluster import Cluster

FILES = {
    "admin": "kubeconfig",
    "kaitoweb": "kubeconfig-kaitoweb",
    "viewer": "kubeconfig-viewer",
}


def kubeconfig(url: str, user: str, token: str, authority_pem: str) -> str:
    """JSON, which is YAML too."""
    name = "sandbox"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": url, "certificate-authority-data": _base64(authority_pem)},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": user, "namespace": "default"}}
        ],
        "current-context": name,
    }
    return orjson.dumps(config, option=orjson.OPT_INDENT_2).decode() + "\n"


def write_kubeconfigs(folder: Path, url: str, cluster: Cluster) -> None:
    for user, file_name in FILES.items():
        text = kubeconfig(
            url, user, cluster.authority.tokens[user], cluster.certificate.authority_pem
        )
        write_private(folder / file_name, text.encode())


def remove_kubeconfigs(folder: Path) -> None:
    """Those of an earlier run lead nowhere: that a file is there says that the API answers."""
    for file_name in FILES.values():
        (folder / file_name).unlink(missing_ok=True)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
