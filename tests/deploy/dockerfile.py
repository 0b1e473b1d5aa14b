"""Reads the Dockerfile, and builds it without a container engine: each step in a folder that stands for the image's root."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
ABSOLUTE = re.compile(r"(?<![\w./-])/(opt|app|build|tmp)\b")


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.rest)


@dataclass
class Image:
    """The last stage, laid out under `root`."""

    root: Path
    folder: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"

    def place(self, text: str) -> str:
        """What stands under the image's root, where it lies here."""
        return ABSOLUTE.sub(lambda found: f"{self.root}{found[0]}", text)

    def inside(self, path: str) -> Path:
        return self.root / str(self.folder / path).lstrip("/")


def instructions(text: str | None = None) -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text() if text is None else text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def last_stage(steps: list[Instruction]) -> list[Instruction]:
    return steps[max(n for n, step in enumerate(steps) if step.word == "FROM") :]


def variables(step: Instruction) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in step.words)


def build(folder: Path) -> Image:
    """Both stages take turns at the same place, since a virtual environment knows its own path."""
    root, earlier = folder / "root", folder / "build"
    image = Image(root)
    for step in instructions():
        if step.word == "FROM":
            if root.exists():
                root.rename(earlier)
            image = _fresh(root)
        elif step.word == "COPY":
            _copy(image, step.words, earlier)
        elif step.word == "RUN":
            _run(image, step.rest)
        else:
            _note(image, step)
    return image


def _note(image: Image, step: Instruction) -> None:
    if step.word == "WORKDIR":
        image.folder = Path(step.rest)
        image.inside(".").mkdir(parents=True, exist_ok=True)
    elif step.word == "ENV":
        new = {k: image.place(v) for k, v in variables(step).items()}
        image.environment |= {k: v.replace("$PATH", "/usr/bin:/bin") for k, v in new.items()}
    elif step.word == "USER":
        image.user = step.rest


def _fresh(root: Path) -> Image:
    for name in ("tmp", "opt", "bin"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return Image(root)


def _copy(image: Image, words: list[str], earlier: Path) -> None:
    source, *names = [earlier, *words[1:]] if words[0] == "--from=build" else [ROOT, *words]
    *names, target = names
    for name in names:
        origin, to = source / name.lstrip("/"), image.inside(target)
        if origin.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if source == ROOT else None
            shutil.copytree(origin, to, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy2(origin, to)


def _run(image: Image, command: str) -> None:
    """Not for the making of users, which would be this machine's."""
    if command.startswith("useradd "):
        return
    path = f"{image.root}/bin:{os.environ['PATH']}"
    ours = ("KAITOWEB_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")
    passed = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    subprocess.run(
        ["sh", "-ec", image.place(command)],
        cwd=image.inside("."),
        env={**passed, **image.environment, "PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
