"""Faults for a running stack, each as a block: inside it something is broken, after it that is mended."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.stack import ROOT, Stack

# What tells the processes of `manage.py up` from each other.
MARKS = {
    "sandbox": r"manage\.py sandbox ",
    "valkey": r"valkey-server",
    "worker": r"kaitoweb worker ",
    "web": r"uvicorn",
}


def process(stack: Stack, name: str) -> psutil.Process:
    children = psutil.Process(stack.process.pid).children()
    return next(p for p in children if re.search(MARKS[name], " ".join(p.cmdline())))


@contextlib.contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """It keeps its connections and says nothing."""
    victim = process(stack, name)
    victim.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        victim.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def without_rights(stack: Stack, *resources: str) -> Iterator[None]:
    """kaitoweb's role says no more that these may be listed and watched; watches that are open go on for some seconds."""
    role = _object(stack, "clusterrole", "kaitoweb")
    lesser = copy.deepcopy(role)
    for rule in lesser["rules"]:
        rule["resources"] = [r for r in rule["resources"] if r not in resources]
    lesser["rules"] = [rule for rule in lesser["rules"] if rule["resources"]]
    _replace(stack, lesser)
    try:
        yield
    finally:
        _replace(stack, role)


@contextlib.contextmanager
def without_kaito(stack: Stack) -> Iterator[None]:
    """Its kind is taken out of the cluster, and with it, as Kubernetes does it, every Workspace."""
    kind = _object(stack, "crd", "workspaces.kaito.sh")
    _run(stack, "delete", "crd", "workspaces.kaito.sh", "--wait=false")
    try:
        yield
    finally:
        _run(stack, "create", "-f", "-", input=json.dumps(kind))


def _object(stack: Stack, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run(stack, "get", kind, name, "-o", "json"))
    kept = ("name", "labels", "annotations")
    found["metadata"] = {k: v for k, v in found["metadata"].items() if k in kept}
    found.pop("status", None)
    return found


def _replace(stack: Stack, found: dict[str, Any]) -> None:
    _run(stack, "replace", "-f", "-", input=json.dumps(found))


def _run(stack: Stack, *arguments: str, **options: str) -> str:
    done = stack.kubectl(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def without_database(stack: Stack) -> Iterator[None]:
    """Nobody can open it any more; who has it open goes on."""
    path = stack.state / "kaitoweb.sqlite3"
    aside = path.with_suffix(".aside")
    path.rename(aside)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        aside.rename(path)


@contextlib.contextmanager
def with_expired_token(stack: Stack) -> Iterator[None]:
    """The cluster no longer knows the token that kaitoweb holds."""
    good = stack.state / "sandbox" / "kubeconfig-kaitoweb"
    bad = stack.state / "kubeconfig-expired"
    bad.write_text(re.sub(r'"token": "[^"]+"', '"token": "expired"', good.read_text()))
    _connect(stack, bad)
    try:
        yield
    finally:
        _connect(stack, good)


def _connect(stack: Stack, kubeconfig: Path) -> None:
    command = [sys.executable, "manage.py", "connect_cluster", "sandbox"]
    command += ["--kubeconfig", str(kubeconfig), "--kind", "sandbox"]
    env = os.environ | {"KAITOWEB_EMBEDDED": "1", "KAITOWEB_STATE": str(stack.state)}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)
