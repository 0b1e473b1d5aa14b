"""kubectl, as people have it and four minor versions older, against one sandbox for a module.

The older one is built by `make conformance`, which runs these tests again; without it they are
skipped. A module takes the fixtures by importing them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.resources import PODS
from scripts import gobuild
from tests.sandbox.widgets import WIDGET_CRD
from tests.servers import run_sandbox

__all__ = ["Kubectl", "kubectl", "sandbox", "space"]

CURRENT = shutil.which("kubectl", path=str(Path(sys.executable).parent))
OLD = os.environ.get("KAITOWEB_OLD_KUBECTL") or str(gobuild.KUBECTL.binary)
BINARIES = {"current": CURRENT, "old": OLD if Path(OLD).exists() else None}
WHY_NOT = {
    "current": "kubectl is not installed",
    "old": "the older kubectl is built by `make conformance`",
}
TIMEOUT_S = 60


class Kubectl:
    """Calls it in one namespace; `kubectl(…)` gives what it prints."""

    def __init__(self, binary: str, folder: Path, namespace: str = "default") -> None:
        self._binary = binary
        self._folder = folder
        self.namespace = namespace

    def in_(self, namespace: str) -> Kubectl:
        return Kubectl(self._binary, self._folder, namespace)

    def command(self, *arguments: str) -> list[str]:
        where = () if {"-A", "-n"} & {*arguments} else (f"--namespace={self.namespace}",)
        return [
            self._binary,
            f"--kubeconfig={self._folder / 'kubeconfig'}",
            f"--cache-dir={self._folder / 'cache'}",
            *where,
            *arguments,
        ]

    def __call__(self, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
        """What it prints; to stderr too, where it is to fail."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=os.environ | {"KUBECTL_EXTERNAL_DIFF": "diff -u"},
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def lines(self, *arguments: str) -> list[list[str]]:
        return [line.split() for line in self(*arguments).splitlines()]

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def _prepare(cluster):
    cluster.install_crd(WIDGET_CRD)


@pytest.fixture(scope="module")
def sandbox():
    """The whole one, with what it shows at first."""
    with run_sandbox(seed=True, speed=50, prepare=_prepare) as running:
        yield running


@pytest.fixture(scope="module", params=list(BINARIES))
def kubectl(request, sandbox, tmp_path_factory):
    binary = BINARIES[request.param]
    if binary is None:
        pytest.skip(WHY_NOT[request.param])
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "kubeconfig").write_text(sandbox.kubeconfig("admin"))
    return Kubectl(binary, folder)


@pytest.fixture
def space(request, kubectl):
    """A namespace of its own for one test, which nothing ends."""
    name = f"t-{abs(hash((request.node.nodeid, id(kubectl)))):x}"[:20]
    kubectl("create", "namespace", name)
    return kubectl.in_(name)


def pod_with_log(sandbox, namespace, *lines, before=()):
    """One that runs, with what it said, and what it had said before it was restarted."""
    pod = {
        "metadata": {"name": "p", "namespace": namespace, "labels": {"app": "p"}},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": "Running", "podIP": "10.244.0.1"},
    }

    def make(cluster):
        uid = cluster.store.create(PODS, pod, manager="k")["metadata"]["uid"]
        for line in before:
            cluster.logbook.append(uid, "c", line)
        if before:
            cluster.logbook.restart(uid, "c")
        for line in lines:
            cluster.logbook.append(uid, "c", line)
        return uid

    return sandbox.call(make)
