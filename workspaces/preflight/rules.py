"""Every check of a wish that needs no cluster, in the order in which the form shows its fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from workspaces import catalogue
from workspaces.preflight import fitting, models, naming
from workspaces.preflight.problems import FieldProblem, Level
from workspaces.types import PresetChoice, Runtime, WorkspaceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the place where the workspace shall be."""

    namespaces: Collection[str] = ()
    taken_names: Collection[str] = field(default_factory=frozenset)
    suggested_name: str = ""


def spec_problems(spec: WorkspaceSpec, around: Surroundings) -> Iterator[FieldProblem]:
    yield from naming.name_problems(
        spec.name,
        suggested=around.suggested_name,
        taken=around.taken_names,
        namespace=spec.namespace,
    )
    yield from naming.namespace_problems(spec.namespace, known=around.namespaces)
    if spec.preset is not None:
        yield from _preset_problems(spec, spec.preset)
    if spec.container is not None:
        yield from models.container_problems(spec.container)
        yield from fitting.container_machine_problems(spec.instance_type, spec.container)
    if spec.load_balancer:
        yield _public_problem()


def _preset_problems(spec: WorkspaceSpec, choice: PresetChoice) -> Iterator[FieldProblem]:
    preset = catalogue.preset(choice.name)
    yield from models.preset_problems(choice.name, preset)
    yield from naming.secret_problems(choice.access_secret, preset)
    yield from models.runtime_problems(spec.runtime, preset)
    runtime = spec.runtime if preset and preset.transformers else Runtime.VLLM
    yield from fitting.preset_machine_problems(spec.instance_type, preset, runtime)


def _public_problem() -> FieldProblem:
    # The Service that KAITO makes also opens Ray's ports 6379 and 8265, whatever runs behind it.
    # https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
    return FieldProblem(
        field="load_balancer",
        level=Level.WARNING,
        message="Nothing guards a public address: whoever finds it may use the model,"
        " and Ray's dashboard on port 8265 is open as well.",
    )
