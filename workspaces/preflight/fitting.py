"""Which machine carries which model: the ranked table of the deploy form, and what is wrong with a choice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workspaces import catalogue, estimator
from workspaces.catalogue import GIB, InstanceType, Preset
from workspaces.estimator import Estimate, EstimateError
from workspaces.preflight.problems import FieldProblem, Level, use
from workspaces.types import ContainerChoice, Runtime

CPU_DEFAULT = "Standard_D16s_v5"
TIGHT_PERCENT = 85
# What AKS and the kubelet leave to pods; they keep more of a small machine than of a large one.
# https://learn.microsoft.com/azure/aks/node-resource-reservations
ALLOCATABLE_SHARE = 0.85
# KAITO admits any Azure machine of these families, without knowing its size.
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/workspace_validation.go
_ADMITTED = re.compile(r"Standard_[ND]\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One row of the table. Without `needed_gib` nothing is known of the model's size."""

    machine: InstanceType
    nodes: int = 1
    needed_gib: float | None = None
    usable_gib: float = 0
    trouble: str = ""  # why it cannot be
    note: str = ""

    @property
    def percent(self) -> int:
        return round(100 * (self.needed_gib or 0) / self.usable_gib) if self.usable_gib else 0

    @property
    def tone(self) -> str:
        if self.trouble:
            return "bad"
        return "tight" if self.percent > TIGHT_PERCENT else "ok"


def fits_for_preset(preset: Preset | None, runtime: Runtime) -> tuple[Fit, ...]:
    """GPU machines, the best first: fewest nodes, fewest GPUs, room to spare, then the smallest."""
    machines = [m for m in catalogue.instance_types() if m.cuda]
    fits = [_fit_preset(preset, m, runtime) for m in machines]
    return tuple(
        sorted(
            fits,
            key=lambda f: (
                *(bool(f.trouble), f.nodes, f.machine.gpus),
                *(f.tone == "tight", f.machine.gpu_memory_gib),
            ),
        )
    )


def fits_for_container(choice: ContainerChoice) -> tuple[Fit, ...]:
    """CPU machines: the one of the original walkthrough first, then from small to large."""
    machines = [m for m in catalogue.instance_types() if not m.has_gpu]
    fits = [_fit_container(choice, m) for m in machines]
    return tuple(
        sorted(
            fits,
            key=lambda f: (bool(f.trouble), f.machine.name != CPU_DEFAULT, f.machine.vcpus),
        )
    )


def preset_machine_problems(
    name: str, preset: Preset | None, runtime: Runtime
) -> Iterator[FieldProblem]:
    """What is wrong with machine `name` for a preset; `preset` is None for a model of unknown size."""
    best = fits_for_preset(preset, runtime)[0].machine.name
    machine = catalogue.instance_type(name)
    if not name:
        yield _machine_problem("Choose an instance type.", best)
    elif machine is None:
        yield _machine_problem("KAITO does not know how large this machine's GPUs are.", best)
    elif machine.name != name:
        yield _wrong_case(machine)
    elif not machine.has_gpu:
        # Admitted, and then it never gets further: KAITO's estimator finds no GPU.
        yield _machine_problem(
            "A preset needs a GPU. KAITO would accept this machine and then never get further.",
            best,
        )
    elif not machine.cuda:
        yield _machine_problem("KAITO's images need NVIDIA GPUs; these are AMD's.", best)
    else:
        yield from _fit_problems(_fit_preset(preset, machine, runtime), best)


def container_machine_problems(name: str, choice: ContainerChoice) -> Iterator[FieldProblem]:
    machine = catalogue.instance_type(name)
    if not name:
        yield _machine_problem("Choose an instance type.", CPU_DEFAULT)
    elif machine is None and _ADMITTED.fullmatch(name):
        yield FieldProblem(
            field="instance_type",
            level=Level.WARNING,
            message="Not in the catalogue: its memory is unknown, and its case must be exactly Azure's.",
        )
    elif machine is None:
        yield _machine_problem(
            "KAITO takes only Azure machines of the N and D families.", CPU_DEFAULT
        )
    elif machine.name != name:
        yield _wrong_case(machine)
    elif not machine.has_gpu:
        yield from _fit_problems(
            _fit_container(choice, machine), fits_for_container(choice)[0].machine.name
        )


def _fit_problems(fit: Fit, best: str) -> Iterator[FieldProblem]:
    if fit.trouble:
        yield _machine_problem(fit.trouble, "" if best == fit.machine.name else best)
    elif fit.nodes > 1:
        yield FieldProblem(
            field="instance_type",
            level=Level.HINT,
            message=f"KAITO will take {fit.nodes} machines of this type: the model does not fit into one.",
        )


def _machine_problem(message: str, best: str) -> FieldProblem:
    mends = (use("instance_type", best),) if best else ()
    return FieldProblem(field="instance_type", message=message, mends=mends)


def _wrong_case(machine: InstanceType) -> FieldProblem:
    return _machine_problem(
        "Written in another case than Azure does: the node would come up and never count as ready.",
        machine.name,
    )


def _fit_preset(preset: Preset | None, machine: InstanceType, runtime: Runtime) -> Fit:
    if preset is None:
        return Fit(machine=machine, note=_disk(machine))
    if runtime == Runtime.TRANSFORMERS:
        return _fit_transformers(preset, machine)
    estimate = estimator.estimate_nodes(preset, machine)
    if isinstance(estimate, EstimateError):
        return Fit(machine=machine, trouble=estimate.text)
    return Fit(
        machine=machine,
        nodes=estimate.nodes,
        needed_gib=estimate.needed_bytes / GIB,
        usable_gib=estimate.usable_bytes / GIB,
        note=_preset_note(preset, machine, estimate),
    )


def _fit_transformers(preset: Preset, machine: InstanceType) -> Fit:
    """That runtime runs on one node only, and KAITO compares the bare weights with its GPUs."""
    trouble = (
        "Larger than this machine's GPU memory, and the transformers runtime cannot spread out."
    )
    return Fit(
        machine=machine,
        needed_gib=preset.weights_gib,
        usable_gib=machine.gpu_memory_gib,
        trouble=trouble if preset.weights_gib > machine.gpu_memory_gib else "",
        note=_disk(machine),
    )


def _preset_note(preset: Preset, machine: InstanceType, estimate: Estimate) -> str:
    room = min(estimate.context_room, preset.context_tokens)
    full = room == preset.context_tokens
    context = "Full context" if full else f"Room for about {_round_tokens(room)} tokens"
    return f"{context}, {_disk(machine)}"


def _round_tokens(tokens: int) -> str:
    return f"{tokens // 1000}k" if tokens >= 10_000 else f"{tokens // 100 * 100:,}"


def _disk(machine: InstanceType) -> str:
    return "local NVMe" if machine.local_nvme else "weights on the OS disk"


def _fit_container(choice: ContainerChoice, machine: InstanceType) -> Fit:
    needed = (estimator.parse_quantity(choice.memory_limit) or 0) / GIB
    usable = ALLOCATABLE_SHARE * machine.memory_gib
    cpus = estimator.parse_cpu(choice.cpu_request) or 0
    trouble = ""
    if needed > usable:
        trouble = f"The container may use {needed:.0f} GiB; about {usable:.0f} GiB are left for it."
    elif cpus > machine.vcpus - 1:
        trouble = f"The container asks for {cpus:g} CPUs; the machine has {machine.vcpus}."
    usual = "Usual for this recipe" if machine.name == CPU_DEFAULT else ""
    return Fit(machine=machine, needed_gib=needed, usable_gib=usable, trouble=trouble, note=usual)
