"""Runs the conformance tests against the sandbox and a real kube-apiserver.

    python -m scripts.conformance [pytest arguments …]     builds first what is not there yet
    python -m scripts.conformance --last                   says whether they passed for this code

The note that they passed carries a digest of the code, so it stays true in any checkout, and ends
with the first change. A run with arguments of its own leaves none.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import gobuild

CODE = (
    "accounts", "audit", "clusters", "kaitoweb", "playground", "sandbox", "workspaces", "templates",
    "tests/conformance", "requirements",
)  # fmt: skip
ALONE = (
    "manage.py", "pyproject.toml", "deploy/rbac.yaml", "tests", "tests/e2e/stack.py",
    "tests/sandbox/widgets.py", "tests/workspaces/conftest.py", "scripts",
)  # fmt: skip
KINDS = {".py", ".go", ".mod", ".sum", ".json", ".html", ".toml", ".txt"}
TIMEOUT_S = 60  # a test; some restart the server, and other people's machines stall


def main(arguments: list[str]) -> int:
    if arguments == ["--last"]:
        print(last_said())
        return 0
    gobuild.build_missing()
    digest = code_digest()
    code = _run(arguments)
    if code == 0 and not arguments:
        note = _note(digest)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{dt.datetime.now().astimezone():%-d %B %Y, %H:%M}")
    return code


def last_said() -> str:
    note = _note(code_digest())
    if note.exists():
        return f"conformance: passed for this code on {note.read_text()}"
    return "conformance: not run for this code: make conformance"


def code_digest() -> str:
    root = gobuild.HERE
    digest = hashlib.sha256()
    for path in sorted(_files(root)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    """Where the tests' outcome is decided; of the other folders only the files in them."""
    for name in CODE:
        yield from (path for path in (root / name).rglob("*") if path.suffix in KINDS)
    for name in ALONE:
        path = root / name
        yield from path.glob("*.py") if path.is_dir() else [path]


def _note(digest: str) -> Path:
    return gobuild.cache_folder() / "passed" / digest


def _run(arguments: list[str]) -> int:
    environment = os.environ | {
        "KAITOWEB_CONFORMANCE": "1",
        "KAITOWEB_APISERVER": str(gobuild.APISERVER.binary),
        "KAITOWEB_OLD_KUBECTL": str(gobuild.KUBECTL.binary),
        "PYTEST_TIMEOUT": str(max(TIMEOUT_S, int(os.environ.get("PYTEST_TIMEOUT", "0")))),
    }
    matrix = [str(path) for path in sorted(gobuild.HERE.glob("tests/sandbox/test_kubectl*.py"))]
    tests = arguments or ["tests/conformance", *matrix]  # the matrix: for the older kubectl
    command = [sys.executable, "-m", "pytest", *tests]
    return subprocess.run(command, cwd=gobuild.HERE, env=environment, check=False).returncode


def _leave(number: int, _frame: object) -> None:
    """By the door, so that what was begun is cleaned up."""
    sys.exit(128 + number)


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _leave)
    sys.exit(main(sys.argv[1:]))
