"""The Dockerfile read: what is in the image, who it runs as, and that a linter has nothing to say."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy import composefile, dockerfile
from tests.deploy.dockerfile import ROOT, Instruction, instructions, last_stage

STEPS = instructions()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()


def of_word(word, steps=STEPS):
    return [step.rest for step in steps if step.word == word]


def from_context(steps=STEPS):
    copies = [step.words for step in steps if step.word == "COPY"]
    return {name for words in copies if not words[0].startswith("--") for name in words[:-1]}


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert found.stdout + found.stderr == ""
    assert found.returncode == 0


def test_base_is_one_version_for_both_stages():
    assert of_word("ARG")[0] == f"BASE=python:{sys.version_info[0]}.11-slim-trixie"
    assert of_word("FROM") == ["${BASE} AS build", "${BASE}"]


def test_last_stage_runs_nothing_but_the_making_of_its_user():
    steps = last_stage(STEPS)
    assert of_word("USER", steps) == ["10001:10001"]
    assert [rest.split()[0] for rest in of_word("RUN", steps)] == ["useradd"]
    assert from_context(steps) == set()
    words = [step.word for step in steps]
    after = words[words.index("USER") :]
    assert {"RUN", "COPY", "ADD"}.isdisjoint(after)


def test_packages_are_installed_by_hash_and_never_compiled():
    install = next(rest for rest in of_word("RUN") if "base.txt" in rest)
    lines = [part for part in install.split("&&") if ".txt" in part]
    assert len(lines) == 2
    for line in lines:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line or "--no-build" in line


def test_every_room_of_the_product_is_copied_and_nothing_else():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    rooms = set(tools["importlinter"]["root_packages"])
    locks = {"requirements/uv.txt", "requirements/base.txt"}
    assert from_context() == rooms | locks | {"manage.py", "static", "templates"}


def test_build_gets_what_is_copied_and_nothing_else():
    assert IGNORED[1] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == from_context()
    assert {line for line in IGNORED[2:] if not line.startswith("!")} == {
        "**/__pycache__",
        "**/*.pyc",
    }


@pytest.mark.parametrize("word", ["SECRET", "PASSWORD", "TOKEN"])
def test_no_secret_is_baked_in(word):
    names = [n for step in STEPS if step.word == "ENV" for n in dockerfile.variables(step)]
    assert not [name for name in [*names, *of_word("ARG")] if word in name]


def test_image_alone_starts_the_web_of_the_compose_file():
    command = next(step for step in STEPS if step.word == "CMD").rest
    assert command == str(composefile.load()["services"]["web"]["command"]).replace("'", '"')
    assert of_word("STOPSIGNAL") == ["SIGTERM"]
    assert len(of_word("HEALTHCHECK")) == 1


def test_instructions_join_lines_and_leave_comments_out():
    text = "# syntax=x\nFROM a\n# why\nENV A=1 \\\n    B=2\n"
    assert instructions(text) == [Instruction("FROM", "a"), Instruction("ENV", "A=1 B=2")]
