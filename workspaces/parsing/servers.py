"""The container that serves a model: which one, with which arguments, and how it is spoken to."""

from __future__ import annotations

import re
from itertools import pairwise

from workspaces.parsing.raw import at, items, mapping, text, texts
from workspaces.types import Dialect, RawObject


def dialect_of(container: RawObject) -> Dialect:
    """How the server in `container` is spoken to, from its command line and the tag of its image.

    KAITO's transformers server left /chat for OpenAI's API with base image 0.2.0; per-model images are older.
    https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/text-generation/inference_api.py
    """
    line = " ".join(command_line(container))
    if "vllm/inference_api.py" in line:
        return Dialect.VLLM
    if "tfs/inference_api.py" not in line:
        return Dialect.UNKNOWN
    image = text(container.get("image")).split("@")[0].rpartition("/")[2]
    name, _, tag = image.partition(":")
    version = re.match(r"v?(\d{1,6})\.(\d{1,6})", tag)
    if name != "kaito-base" and name.startswith("kaito-"):
        return Dialect.CHAT
    if version is None:
        return Dialect.UNKNOWN
    return Dialect.CHAT if (int(version[1]), int(version[2])) < (0, 2) else Dialect.TRANSFORMERS


def workspace_dialect(raw: RawObject) -> Dialect:
    """Before a workload is seen: a template shows its command; a preset's server depends on KAITO's version."""
    return dialect_of(server_container(at(raw, "inference", "template", "spec")))


def server_container(pod_spec: object) -> RawObject:
    """The container that serves the model: the first that runs one of KAITO's servers, else the first."""
    containers = items(mapping(pod_spec).get("containers"))
    serving = (c for c in containers if "inference_api.py" in " ".join(command_line(c)))
    return next(serving, containers[0] if containers else {})


def command_line(container: RawObject) -> list[str]:
    """Command and arguments word by word, whether given as a list or as one line for a shell."""
    return " ".join([*texts(container.get("command")), *texts(container.get("args"))]).split()


def argument(container: RawObject, flag: str) -> str:
    """The value after `flag` on the command line, also as --flag=value."""
    line = command_line(container)
    for word, following in pairwise([*line, ""]):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return ""
