"""Names and labels of a workspace: what Kubernetes and KAITO make of them, and names to offer instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import count

from workspaces import catalogue
from workspaces.preflight.problems import FieldProblem, Level, use

# KAITO allows 63 characters, but the pods of its StatefulSet carry <name>-<10 characters> in a label, which ends
# at 63: a longer name never gets a pod. https://github.com/kubernetes/kubernetes/issues/64023
NAME_LIMIT = 52
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
# KAITO drops these from a selector, or refuses one that has nothing else.
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/labels.go
_RESERVED_LABELS = ("kaito.sh/", "karpenter.kaito.sh/")


def slug(text: str) -> str:
    """The nearest valid workspace name; empty when nothing of `text` can stay."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain and not plain[0].isalpha():
        plain = f"m-{plain}"
    return plain[:NAME_LIMIT].rstrip("-")


def free_name(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or the first of wanted-2, wanted-3 … that is not taken."""
    return next(name for name in _variants(wanted) if name not in taken)


def _variants(wanted: str) -> Iterator[str]:
    yield wanted
    for number in count(2):
        ending = f"-{number}"
        yield wanted[: NAME_LIMIT - len(ending)].rstrip("-") + ending


def name_problems(
    name: str, *, suggested: str, taken: Collection[str], namespace: str
) -> Iterator[FieldProblem]:
    if not name:
        yield FieldProblem(
            field="name", message="Give the workspace a name.", mends=(use("name", suggested),)
        )
    elif not _NAME.fullmatch(name):
        better = free_name(slug(name) or suggested, taken)
        yield FieldProblem(field="name", message=_wrong_name(name), mends=(use("name", better),))
    elif name in taken:
        yield FieldProblem(
            field="name",
            message=f"{namespace} already has a workspace of this name.",
            mends=(use("name", free_name(name, taken)),),
        )


def _wrong_name(name: str) -> str:
    if re.search(r"[^-a-z0-9]", name):
        return "Lower-case letters, digits and hyphens only."
    if not name[0].isalpha():
        return "Start with a letter: the Service of the same name must."
    if len(name) > NAME_LIMIT:
        return (
            f"{NAME_LIMIT} characters at most, this has {len(name)}: its pods would never be made."
        )
    return "End with a letter or a digit."


def namespace_problems(namespace: str, *, known: Collection[str]) -> Iterator[FieldProblem]:
    if not namespace:
        yield FieldProblem(field="namespace", message="Choose a namespace.")
    elif not _DNS_LABEL.fullmatch(namespace):
        yield FieldProblem(
            field="namespace",
            message="Lower-case letters, digits and hyphens, at most 63 of them.",
        )
    elif known and namespace not in known:
        yield FieldProblem(
            field="namespace",
            level=Level.WARNING,
            message="Not among the namespaces last seen in this cluster.",
        )


def secret_problems(secret: str, preset: catalogue.Preset | None) -> Iterator[FieldProblem]:
    if secret and not _DNS_SUBDOMAIN.fullmatch(secret):
        yield FieldProblem(
            field="secret",
            message="Not a Secret's name: lower-case letters, digits, hyphens, dots.",
        )
    elif preset and preset.gated == catalogue.Gated.YES and not secret:
        # https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/inference/preset_inferences.go
        yield FieldProblem(
            field="secret",
            level=Level.WARNING,
            message="Hugging Face gives this model only with a token. KAITO accepts the workspace"
            " without one; its pods then fail, and a Secret cannot be added afterwards.",
        )


def parse_label(text: str) -> tuple[str, str] | None:
    key, equals, value = text.partition("=")
    valid = equals and _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)
    return (key, value) if valid else None


def label_problems(label: str) -> Iterator[FieldProblem]:
    if label and parse_label(label) is None:
        yield FieldProblem(field="label", message="Write it as key=value, as in apps=phi-4.")
    elif label.startswith(_RESERVED_LABELS):
        yield FieldProblem(
            field="label", message="KAITO keeps this label for itself; choose another key."
        )
