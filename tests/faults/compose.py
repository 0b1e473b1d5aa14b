"""What docker-compose.yml says of its services, for a machine without containers.

Commands, environment and secrets are taken as they stand there; only what a container would give is put in its place:
the address of a neighbour, the folder of the secrets, the port.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tests.faults.processes import ROOT

SECRETS = "/run/secrets"
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    replicas: int = 1


def services(
    variables: Mapping[str, str], path: Path = ROOT / "docker-compose.yml"
) -> dict[str, Service]:
    """With `variables` for what the file leaves open."""
    read = YAML(typ="safe").load(_filled(path.read_text(), variables))
    return {name: _service(name, raw) for name, raw in read["services"].items()}


def _service(name: str, raw: dict) -> Service:
    deploy = raw.get("deploy", {})
    return Service(
        name=name,
        command=tuple(str(word) for word in [*raw.get("entrypoint", []), *raw.get("command", [])]),
        environment={key: str(value) for key, value in raw.get("environment", {}).items()},
        secrets=tuple(raw.get("secrets", ())),
        replicas=deploy.get("replicas", 1),
    )


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        if name in variables:
            return variables[name]
        if kind == "-":
            return default
        raise AssertionError(f"docker-compose.yml needs {name}")

    return _VARIABLE.sub(value, text).replace("$$", "$")


def placed(words: tuple[str, ...], *, secrets: Path, changes: Mapping[str, str]) -> list[str]:
    """A command with this machine's paths; `changes` are pieces of it that a container would give."""
    return [placed_word(word, secrets=secrets, changes=changes) for word in words]


def placed_word(word: str, *, secrets: Path, changes: Mapping[str, str]) -> str:
    for old, new in {SECRETS: str(secrets), **changes}.items():
        word = word.replace(old, new)
    return word


def search_path(inherited: str) -> str:
    """Where `python`, `uvicorn` and `celery` are those of this environment."""
    return f"{Path(sys.executable).parent}:{inherited}"
