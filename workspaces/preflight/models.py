"""What is known of the model that somebody asks for, before KAITO is asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from workspaces import catalogue, estimator
from workspaces.catalogue import GIB, Gated, Preset
from workspaces.preflight.problems import FieldProblem, Level, Mend, use
from workspaces.types import ContainerChoice, Runtime

MEMORY_SIZES = ("8Gi", "16Gi", "32Gi", "64Gi", "128Gi")


def preset_problems(name: str, preset: Preset | None) -> Iterator[FieldProblem]:
    gone = catalogue.retired(name)
    if not name:
        yield FieldProblem(field="preset", message="Choose a model.")
    elif gone is not None:
        yield _retired_problem(gone)
    elif preset is None and catalogue.is_hugging_face_id(name):
        yield FieldProblem(
            field="preset",
            level=Level.WARNING,
            message="Not in KAITO's catalogue. KAITO asks huggingface.co about it and tries its best;"
            " how much memory it needs is not known here.",
        )
    elif preset is None:
        yield FieldProblem(
            field="preset", message=f"KAITO has no preset {name}.", mends=tuple(_similar(name))
        )
    elif not preset.chats:
        yield FieldProblem(
            field="preset",
            level=Level.HINT,
            message="A base model: it completes text, but does not answer in a chat.",
            mends=(_use_preset("mistral-7b-instruct"),),
        )


def access_hint(preset: Preset | None) -> str:
    if preset is None or preset.gated == Gated.UNKNOWN:
        return "Only if Hugging Face asks for a token: a Secret with the key HF_TOKEN."
    if preset.gated == Gated.YES:
        return "Gated model: a Secret in this namespace with the key HF_TOKEN."
    return ""


def runtime_problems(runtime: Runtime, preset: Preset | None) -> Iterator[FieldProblem]:
    if runtime == Runtime.TRANSFORMERS and preset is not None and not preset.transformers:
        yield FieldProblem(
            field="runtime",
            message=f"KAITO serves {preset.short_name} with vLLM only.",
            mends=(Mend(field="runtime", value=Runtime.VLLM, label="Use vLLM"),),
        )


def container_problems(choice: ContainerChoice) -> Iterator[FieldProblem]:
    if not choice.model_id:
        yield FieldProblem(field="model_id", message="Name a Hugging Face model.")
    elif not catalogue.is_hugging_face_id(choice.model_id):
        yield FieldProblem(
            field="model_id", message="A Hugging Face id, as in bigscience/bloomz-560m."
        )
    if not choice.image:
        yield FieldProblem(field="image", message="Name the container's image.")
    if choice.dtype not in estimator.BYTES_PER_PARAMETER:
        yield FieldProblem(field="dtype", message="Choose float32, bfloat16 or float16.")
        return
    if choice.dtype == "float16":
        yield FieldProblem(
            field="dtype",
            level=Level.WARNING,
            message="Half precision is slow on CPU, and some operations are missing there.",
            mends=(use("dtype", "float32"),),
        )
    yield from _resource_problems(choice)


def _resource_problems(choice: ContainerChoice) -> Iterator[FieldProblem]:
    least_cpu, most_cpu = map(estimator.parse_cpu, (choice.cpu_request, choice.cpu_limit))
    if least_cpu is None or most_cpu is None:
        yield FieldProblem(field="cpu_limit", message="CPUs as in 2 or 500m.")
    elif least_cpu > most_cpu:
        yield FieldProblem(field="cpu_limit", message="Less than what is requested.")
    memory = (choice.memory_request, choice.memory_limit)
    least, most = map(estimator.parse_quantity, memory)
    if least is None or most is None:
        yield FieldProblem(field="memory_limit", message="Memory as in 16Gi.")
    elif least > most:
        yield FieldProblem(field="memory_limit", message="Less than what is requested.")
    else:
        yield from _memory_problems(choice, most)


def _memory_problems(choice: ContainerChoice, limit: int) -> Iterator[FieldProblem]:
    parameters = catalogue.guess_parameters(choice.model_id)
    if parameters is None:
        return
    needed = estimator.container_bytes(parameters, choice.dtype)
    if needed > limit:
        size = next((s for s in MEMORY_SIZES if (estimator.parse_quantity(s) or 0) >= needed), "")
        yield FieldProblem(
            field="memory_limit",
            message=f"In {choice.dtype} the model takes about {needed / GIB:.1f} GiB:"
            " with this limit Kubernetes would kill it while it loads.",
            mends=(use("memory_limit", size),) if size else (),
        )


def _retired_problem(gone: catalogue.Retired) -> FieldProblem:
    since = f"It was last known to KAITO {gone.last_version}." if gone.last_version else ""
    return FieldProblem(
        field="preset",
        message=f"KAITO has no preset {gone.name}. {since}".strip(),
        mends=tuple(_use_preset(name) for name in gone.instead),
    )


def _similar(name: str) -> Iterator[Mend]:
    names = [p.alias or p.name for p in catalogue.presets()]
    for close in difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5):
        yield _use_preset(close)


def _use_preset(name: str) -> Mend:
    known = catalogue.preset(name)
    return use("preset", known.asked_as if known else name)
