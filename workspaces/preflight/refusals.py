"""Refusals of the API server and of KAITO's webhook, put beside the fields they are about.

Tolerant and pure: never raises, never loses a word of what the cluster said. The webhook's text is knative's:
lines of `<message>: <path>[, <path>…]`, sometimes with more lines under them; KAITO spells its paths in several
ways and sometimes puts prose where a path belongs.
https://github.com/knative/pkg/blob/main/apis/field_error.go
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from clusters.errors import Cause, ClusterError, Conflict, Denied, Invalid, NotFound, Unreachable
from workspaces.preflight.problems import FieldProblem, Level

_WEBHOOK_PREFIX = re.compile(
    r'admission webhook "[^"\n]*" denied the request: (validation failed: )?'
)
_LINE = re.compile(r"(?P<words>.*): (?P<paths>[\w.\[\]/-]+(, [\w.\[\]/-]+)*)")

UNAUTHORIZED = 401
# The end of a path, in lower case and without [index], and the form's field for it.
FIELDS_BY_PATH = {
    "name": "name",
    "metadata.name": "name",
    "metadata.namespace": "namespace",
    "instancetype": "instance_type",
    "labelselector": "label",
    "labelselector.matchlabels": "label",
    "preset": "preset",
    "presetname": "preset",
    "preset.name": "preset",
    "modelaccesssecret": "secret",
    "containers.image": "image",
    "containers.resources": "memory_limit",
    "requests.memory": "memory_request",
    "limits.memory": "memory_limit",
    "requests.cpu": "cpu_request",
    "limits.cpu": "cpu_limit",
}


class Phrase(NamedTuple):
    pattern: re.Pattern[str]
    field: str
    message: str


def _phrase(pattern: str, field: str, message: str) -> Phrase:
    return Phrase(re.compile(pattern, re.IGNORECASE), field, message)


# Fragments of KAITO 0.12's own sentences; the first that is found gives the field and our sentence.
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_validation.go
PHRASES = (
    _phrase("unsupported inference preset name", "preset", "KAITO does not know this model."),
    _phrase("deprecated and no longer supported", "preset", "KAITO no longer serves this model."),
    _phrase(
        "needs a modelAccessSecret", "secret", "This model needs a Secret with the key HF_TOKEN."
    ),
    _phrase(
        "authentication required", "secret", "Hugging Face gives this model only with a token."
    ),
    _phrase(
        "failed to get model preset|unsupported model architecture|no .safetensors or .bin",
        "preset",
        "KAITO cannot serve this model from Hugging Face.",
    ),
    _phrase(
        "unsupported instance type", "instance_type", "KAITO cannot make machines of this type."
    ),
    _phrase(
        "instanceType must be empty",
        "instance_type",
        "This KAITO makes no machines: it runs on nodes that are already there.",
    ),
    _phrase(
        "instanceType is required", "instance_type", "KAITO needs to know which machine to make."
    ),
    _phrase(
        "insufficient total GPU memory", "instance_type", "The model is too large for this machine."
    ),
    _phrase(
        "multi-node distributed inference is not supported",
        "instance_type",
        "The model is too large for one machine, and the transformers runtime cannot use several.",
    ),
    _phrase(
        "does not support inference with", "runtime", "KAITO serves this model with vLLM only."
    ),
    _phrase("unknown field", "", "KAITO does not know a key of this manifest."),
    _phrase(
        "non-reserved label|old label selector format", "label", "KAITO cannot use this label."
    ),
    _phrase(
        "node-image-family|performance mode|use-local-weights|NodeClass",
        "",
        "KAITO does not accept an annotation of this manifest.",
    ),
)
_SENTENCES = {
    "name": "The cluster does not accept this name.",
    "namespace": "The cluster does not accept this namespace.",
    "preset": "KAITO does not accept this model.",
    "secret": "KAITO does not accept this Secret.",
    "instance_type": "KAITO does not accept this machine.",
    "label": "KAITO does not accept this label.",
}


def field_problems(error: ClusterError) -> list[FieldProblem]:
    """One problem or more for whatever a cluster answered to the wish to create a workspace."""
    if isinstance(error, Conflict) and error.kind == "exists":
        return [
            FieldProblem(
                field="name", message="The namespace already has one.", detail=error.detail
            )
        ]
    if isinstance(error, NotFound):
        return [_not_found(error)]
    if isinstance(error, Unreachable) or error.status == UNAUTHORIZED:
        return [_unjudged(error)]
    if isinstance(error, Denied) or not isinstance(error, Invalid):
        return [FieldProblem(field="", message=error.message, detail=error.detail)]
    if error.causes:
        return [*map(_from_cause, error.causes)] + _summary(error)
    return parse_refusal(error.detail) or [FieldProblem(field="", message=error.message)]


def parse_refusal(text: str) -> list[FieldProblem]:
    """The webhook's lines as problems, in order; a line without a place of its own belongs to the one before."""
    problems: list[FieldProblem] = []
    for line in _WEBHOOK_PREFIX.sub("", text, count=1).splitlines():
        problem = _from_line(line.strip())
        if problem is None:
            continue
        if problems and not problem.field and not _is_whole_sentence(line):
            problems[-1] = _joined(problems[-1], line)
        else:
            problems.append(problem)
    return problems


def _from_line(line: str) -> FieldProblem | None:
    if not line:
        return None
    found = _LINE.fullmatch(line)
    field = next(_fields_of(found["paths"]), "") if found else ""
    phrase = next((p for p in PHRASES if p.pattern.search(line)), None)
    if phrase is not None:
        return FieldProblem(field=phrase.field or field, message=phrase.message, detail=line)
    message = _SENTENCES.get(field, "The cluster does not accept this value." if field else "")
    return FieldProblem(field=field, message=message or "KAITO refused it.", detail=line)


def _is_whole_sentence(line: str) -> bool:
    """Whether a line without a known field stands for itself, rather than explaining the one above."""
    return _LINE.fullmatch(line.strip()) is not None or any(p.pattern.search(line) for p in PHRASES)


def _joined(problem: FieldProblem, line: str) -> FieldProblem:
    return replace(problem, detail=f"{problem.detail}\n{line.strip()}")


def _fields_of(paths: str) -> Iterator[str]:
    for path in paths.split(", "):
        plain = re.sub(r"\[[^\]]*\]", "", path).lower()
        parts = plain.split(".")
        endings = (".".join(parts[-length:]) for length in (2, 1) if length <= len(parts))
        yield from (FIELDS_BY_PATH[ending] for ending in endings if ending in FIELDS_BY_PATH)


def _from_cause(cause: Cause) -> FieldProblem:
    """One entry of a Status's details.causes: the API server's own judgement of one field."""
    field = next(_fields_of(cause.field), "")
    words = f"{cause.field}: {cause.message}" if cause.field else cause.message
    message = _SENTENCES.get(field, "The cluster does not accept a value of this manifest.")
    return FieldProblem(field=field, message=message, detail=words)


def _summary(error: Invalid) -> list[FieldProblem]:
    """What the Status says beyond its causes; usually it only strings them together."""
    told = all(cause.message in error.detail for cause in error.causes)
    return [] if told else [FieldProblem(field="", message=error.message, detail=error.detail)]


def _not_found(error: NotFound) -> FieldProblem:
    if error.reason == "NotServed":
        message = "KAITO is not installed in this cluster: it does not know Workspaces."
        return FieldProblem(field="", message=message, detail=error.detail)
    message = "There is no such namespace in the cluster."
    return FieldProblem(field="namespace", message=message, detail=error.detail)


def _unjudged(error: ClusterError) -> FieldProblem:
    """No answer is no refusal, nor is a sign-in that has expired: the operation itself waits until the cluster lets us in."""
    return FieldProblem(
        field="",
        level=Level.WARNING,
        message=f"{error.message} KAITO has not judged the manifest; it will be sent as soon as it can.",
        detail=error.detail,
    )
