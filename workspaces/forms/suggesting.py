"""Values for the fields of the deploy form: the usual ones, those of an earlier wish, and suggestions.

Suggestions (name, machine) follow the model until somebody changes them; a hidden field remembers the last one.
They are settled while typing, never on the way to the cluster, so that what is sent is what was seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from clusters.models import Cluster
from workspaces import catalogue
from workspaces.models import Operation, Workspace
from workspaces.preflight import fitting, naming
from workspaces.types import (
    FINAL_STATUSES,
    ContainerChoice,
    OperationKind,
    Recipe,
    Runtime,
    WorkspaceSpec,
)

Values = dict[str, str]
DEFAULT_PRESET = "phi-4-mini-instruct"
# The CPU model of the walkthrough that kaitoweb began with, and its namespace.
DEFAULT_CONTAINER = ContainerChoice(model_id="bigscience/bloomz-560m")
WALKTHROUGH_NAMESPACE = "kaito-custom-cpu-inference"
CONTAINER_FIELDS = tuple(ContainerChoice.__dataclass_fields__)


def taken_names(cluster: Cluster | None, namespace: str) -> frozenset[str]:
    """Names that a workspace has, or that somebody has just asked for."""
    if cluster is None or not namespace:
        return frozenset()
    place = {"cluster": cluster, "namespace": namespace}
    live = Workspace.objects.filter(**place, deleted_at=None)
    asked = Operation.objects.filter(**place, kind=OperationKind.CREATE)
    under_way = asked.exclude(status__in=FINAL_STATUSES).order_by()
    names = live.values_list("name").union(under_way.values_list("name"))
    return frozenset(name for (name,) in names)


def spec_values(spec: WorkspaceSpec) -> Values:
    """The fields that would ask for `spec` again."""
    label = "=".join(spec.match_labels[0]) if spec.match_labels else ""
    values = {
        "recipe": spec.recipe.value,
        "name": spec.name,
        "namespace": spec.namespace,
        "instance_type": spec.instance_type,
        "label": "" if label.partition("=")[2] == spec.name else label,
        "load_balancer": "on" if spec.load_balancer else "",
    }
    if spec.preset is not None:
        values |= {"preset": spec.preset.name, "secret": spec.preset.access_secret}
        values |= {"runtime": spec.runtime.value}
    return values | (_container_values(spec.container) if spec.container else {})


def _container_values(choice: ContainerChoice) -> Values:
    return {name: getattr(choice, name) for name in CONTAINER_FIELDS}


def default_values(recipe: str, cluster: Cluster | None) -> Values:
    values = {
        "recipe": recipe,
        "key": str(uuid.uuid4()),
        "cluster": cluster.name if cluster else "",
    }
    known = cluster.namespaces if cluster else []
    usual = cluster.default_namespace if cluster else "default"
    if recipe == Recipe.CPU_CONTAINER:
        in_walkthrough = WALKTHROUGH_NAMESPACE in known
        values |= _container_values(DEFAULT_CONTAINER)
        return values | {"namespace": WALKTHROUGH_NAMESPACE if in_walkthrough else usual}
    return values | {"namespace": usual, "preset": DEFAULT_PRESET, "runtime": Runtime.VLLM.value}


def settled(values: Values, cluster: Cluster | None) -> Values:
    """`values` with its suggestions renewed, and put into effect where nobody has changed the last ones."""
    known = catalogue.preset(values.get("preset", ""))
    values = values | ({"preset": known.asked_as} if known else {})
    name = naming.free_name(_wanted_name(values), taken_names(cluster, values.get("namespace", "")))
    values = _suggest(values, "name", "suggested_name", name)
    machine = _best_machine(values)
    return _suggest(values, "instance_type", "suggested_type", machine)


def _suggest(values: Values, field: str, memory: str, suggestion: str) -> Values:
    untouched = field not in values or values[field] == values.get(memory)
    return values | {memory: suggestion} | ({field: suggestion} if untouched else {})


def _wanted_name(values: Values) -> str:
    if values["recipe"] == Recipe.CPU_CONTAINER:
        model = values.get("model_id", "").rpartition("/")[2]
        return naming.slug(f"{naming.slug(model)[:40]}-workspace")
    preset = values.get("preset", "")
    return naming.slug(preset.rpartition("/")[2]) or "model"


def _best_machine(values: Mapping[str, str]) -> str:
    if values["recipe"] == Recipe.CPU_CONTAINER:
        choice = ContainerChoice(**{name: values.get(name, "") for name in CONTAINER_FIELDS})
        return fitting.fits_for_container(choice)[0].machine.name
    preset = catalogue.preset(values.get("preset", ""))
    runtime = Runtime.TRANSFORMERS if values.get("runtime") == "transformers" else Runtime.VLLM
    return fitting.fits_for_preset(preset, runtime)[0].machine.name
