"""What the deploy page shows, whichever way it is asked for: the form, its choices, the manifest, what stands in the way."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.forms import BoundField

from accounts import people
from accounts.people import Person
from audit.types import Target
from clusters import queries as cluster_queries
from clusters.models import Cluster, ClusterKind, ClusterState
from workspaces import manifests, parsing
from workspaces.catalogue import instance_type, preset
from workspaces.forms.choosing import Choice, model_choice
from workspaces.forms.deploying import FORMS, ContainerForm, PresetForm
from workspaces.forms.suggesting import Values, default_values, settled, spec_values
from workspaces.models import Operation, Workspace
from workspaces.preflight import naming
from workspaces.preflight.fitting import Fit
from workspaces.preflight.problems import FieldProblem, Level, Mend
from workspaces.queries.tiling import words
from workspaces.queries.usual import usual_durations
from workspaces.types import Recipe

MACHINES_SHOWN = 5
SYSTEM_NAMESPACES = ("kube-", "gatekeeper-", "calico-", "tigera-", "app-routing-")
SHOWN_RECIPES = (Recipe.PRESET, Recipe.CPU_CONTAINER)
# Which lines of the manifest a field makes.
PATHS = {
    "name": "metadata.name",
    "namespace": "metadata.namespace",
    "instance_type": "resource.instanceType",
    "label": "resource.labelSelector.matchLabels",
    "load_balancer": "metadata.annotations.kaito.sh/enablelb",
    "preset": "inference.preset.name",
    "secret": "inference.preset.presetOptions.modelAccessSecret",
    "runtime": "metadata.annotations.kaito.sh/runtime",
    "image": "inference.template.spec.containers.image",
    "memory_limit": "inference.template.spec.containers.resources.limits.memory",
    "cpu_limit": "inference.template.spec.containers.resources.limits.cpu",
}
DRAWN_APART = frozenset({"preset", "instance_type", "load_balancer"})  # not as a plain field


@dataclass(frozen=True, kw_only=True)
class DeployPage:
    """`form` is None when there is no cluster to deploy to; nothing else may then be asked."""

    person: Person
    params: Mapping[str, str]
    form: PresetForm | ContainerForm | None = None
    changed: frozenset[str] = frozenset()

    @property
    def recipes(self) -> list[tuple[Recipe, bool]]:
        current = self.form.recipe if self.form else Recipe.PRESET
        return [(recipe, recipe == current) for recipe in SHOWN_RECIPES]

    @property
    def choice(self) -> Choice | None:
        if not isinstance(self.form, PresetForm):
            return None
        return model_choice(
            self.form.given["preset"],
            query=self.params.get("q", ""),
            kind=self.params.get("filter", ""),
            whole=bool(self.params.get("all_models")),
        )

    @property
    def machines(self) -> list[tuple[Fit, bool]]:
        """The first few and the chosen one, or all."""
        assert self.form is not None  # noqa: S101 - see the class
        chosen = self.form.given["instance_type"]
        shows_all = bool(self.params.get("all_machines"))
        rows = [(fit, fit.machine.name == chosen) for fit in self.form.fits]
        return [row for n, row in enumerate(rows) if shows_all or n < MACHINES_SHOWN or row[1]]

    @property
    def hidden_machines(self) -> int:
        return len(self.form.fits) - len(self.machines) if self.form else 0

    @property
    def show_all_machines(self) -> Mend:
        count = len(self.form.fits) if self.form else 0
        return Mend(field="all_machines", value="1", label=f"Show all {count}")

    @property
    def other_machine(self) -> str:
        """The chosen machine when the table has no row for it; it is then kept as it was written."""
        chosen = self.form.given["instance_type"] if self.form else ""
        return "" if any(is_chosen for _, is_chosen in self.machines) else chosen

    @property
    def namespaces(self) -> list[str]:
        known = self.cluster.namespaces if self.cluster else []
        return [name for name in known if not name.startswith(SYSTEM_NAMESPACES)]

    @property
    def yaml(self) -> str:
        return manifests.to_yaml(self.manifest) if self.form else ""

    @property
    def marks(self) -> dict[str, str]:
        """Lines of the manifest that stand in the way or will be regretted: path and level."""
        problems = [p for p in self._problems if p.field in PATHS and p.level != Level.HINT]
        problems.sort(key=lambda p: p.level == Level.ERROR)
        return {PATHS[p.field]: p.level.value for p in problems}

    @property
    def notes(self) -> list[tuple[str, list[FieldProblem]]]:
        """For every visible field what is said about it, and nothing where nothing is."""
        if self.form is None:
            return []
        names = [field.name for field in self.form.visible_fields()]
        return [(name, self.form.notes.get(name, [])) for name in names if self._draws(name)]

    def _draws(self, field: str) -> bool:
        return field != "cluster" or (self.form is not None and len(self.form.clusters) > 1)

    @property
    def changed_fields(self) -> list[tuple[BoundField, list[FieldProblem]]]:
        """Those that a person must see anew, since kaitoweb has written into them."""
        form = self.form
        drawn = sorted(self.changed - DRAWN_APART)
        return [(form[name], form.notes.get(name, [])) for name in drawn] if form else []

    @property
    def model(self) -> str:
        spec = self.form.spec if self.form else None
        if spec and spec.preset:
            return spec.preset.name
        return spec.container.model_id if spec and spec.container else ""

    @property
    def title(self) -> str:
        """The model, as the last line of the page calls it."""
        known = preset(self.model)
        return known.short_name if known else (self.model or "No model").rpartition("/")[2]

    @property
    def wait(self) -> tuple[str, int]:
        """How long it takes until the model answers, learnt from that many deployments like it."""
        spec = self.form.spec if self.form else None
        if spec is None:
            return "", 0
        alike = Workspace(recipe=spec.recipe, model=self.model, instance_type=spec.instance_type)
        usual = usual_durations(alike)
        return (words(usual.total), usual.samples) if usual.total else ("", 0)

    @property
    def is_sandbox(self) -> bool:
        return self.cluster is not None and self.cluster.kind == ClusterKind.SANDBOX

    @property
    def warnings(self) -> int:
        return sum(1 for problem in self._problems if problem.level == Level.WARNING)

    @property
    def is_mendable(self) -> bool:
        """Whether the blocker can go away by typing."""
        return self.may_deploy and not self.lacks_kaito

    @property
    def nodes(self) -> int:
        return next((fit.nodes for fit, is_chosen in self.machines if is_chosen), 1)

    @property
    def machine_summary(self) -> str:
        machine = instance_type(self.form.given["instance_type"]) if self.form else None
        return machine.summary if machine else ""

    @property
    def blocker(self) -> str:
        """Why the button is disabled; empty when it is not."""
        if self.form is None:
            return "Connect a cluster first"
        if not self.may_deploy:
            return "Your account may look, but not deploy"
        if self.lacks_kaito:
            return "KAITO is not installed in this cluster"
        first = self._first_error
        if first is None:
            return ""
        label = self.form.fields[first].label if first in self.form.fields else ""
        return f"Mend the {str(label).lower()} first" if label else "See the refusal above"

    @property
    def blocker_place(self) -> str:
        """The id of what must be mended, which may be far from the button."""
        first = self._first_error
        if self.form is None or first is None:
            return ""
        apart = {"preset": "models", "instance_type": "machines"}
        return apart.get(first) or (
            self.form[first].auto_id if first in self.form.fields else "top"
        )

    @property
    def _first_error(self) -> str | None:
        return next((p.field for p in self._problems if p.level == Level.ERROR), None)

    @property
    def may_deploy(self) -> bool:
        return people.may_change(self.person, cluster=self.cluster)

    @property
    def lacks_kaito(self) -> bool:
        return self._state == ClusterState.KAITO_MISSING

    def judge(self, problems: Sequence[FieldProblem]) -> None:
        """Add what is found out later, beside the fields."""
        if self.form:
            self.form.add_problems(problems)

    @property
    def is_refused(self) -> bool:
        return self.form is None or any(p.level == Level.ERROR for p in self._problems)

    @property
    def unjudged(self) -> list[FieldProblem]:
        """Warnings that no field shows."""
        return [p for p in self._problems if p.level == Level.WARNING and not p.field]

    @property
    def target(self) -> Target:
        spec = self.form.spec if self.form else None
        return Target(
            kind="Workspace",
            cluster=self.cluster.name if self.cluster else "",
            namespace=spec.namespace if spec else "",
            name=spec.name if spec else "",
        )

    @property
    def name(self) -> str:
        return naming.slug(self.target.name)

    @property
    def manifest(self) -> dict[str, Any]:
        return self.form.manifest if self.form else {}

    @property
    def reason(self) -> str:
        return self.form.given["reason"] if self.form else ""

    @property
    def idempotency_key(self) -> str:
        """The same form sent twice is one wish; sent again with other content it is another."""
        key = self.form.given["key"] if self.form else ""
        content = json.dumps([key, self.target.cluster, self.manifest], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def earlier(self) -> Operation | None:
        """The operation that this form has already made with the same content."""
        sent = Operation.objects.filter(person_id=self.person.pk)
        return sent.filter(idempotency_key=self.idempotency_key).first()

    @property
    def cluster(self) -> Cluster | None:
        return self.form.chosen_cluster if self.form else None

    @property
    def _state(self) -> str:
        return self.cluster.state if self.cluster else ""

    @property
    def _problems(self) -> list[FieldProblem]:
        return self.form.problems if self.form else []


def deploy_page(params: Mapping[str, str], *, person: Person, settle: bool = True) -> DeployPage:
    """The page for what was typed, chosen or linked; `settle` puts suggestions and mends into effect."""
    clusters = list(cluster_queries.visible_clusters(person))
    if not clusters:
        return DeployPage(person=person, params=params)
    values = _values(params, clusters, person=person, settle=settle)
    changed = {name for name in PATHS if name in values and values[name] != params.get(name, "")}
    if values.get("preset", "") != values.get("shown_preset", ""):
        changed |= {"preset", "secret", "runtime"}  # what is asked for depends on the model
    form = FORMS[values["recipe"]](
        values | {"shown_preset": values.get("preset", "")}, clusters=clusters
    )
    form.full_clean()
    drawn = frozenset(changed & form.fields.keys())  # an address may name the other recipe's too
    return DeployPage(person=person, form=form, params=values, changed=drawn)


def _values(
    params: Mapping[str, str], clusters: Sequence[Cluster], *, person: Person, settle: bool
) -> Values:
    given = {
        name: value.replace("\0", "") for name, value in params.items()
    }  # no database takes it
    typed = _mended(_earlier_wish(given, person) | given)
    if typed.get("recipe") not in FORMS:
        typed["recipe"] = Recipe.PRESET.value
    cluster = next((c for c in clusters if c.name == typed.get("cluster")), clusters[0])
    values = default_values(typed["recipe"], cluster) | typed
    return settled(values, cluster) if settle else values


def _mended(values: Values) -> Values:
    """A mend is one more parameter: `set` holds field=value."""
    field, equals, value = values.pop("set", "").partition("=")
    return values | {field: value} if equals else values


def _earlier_wish(params: Mapping[str, str], person: Person) -> Values:
    """The fields of an operation that did not come to a good end: ?from=<its id>."""
    operation = _operation(params.get("from", ""), person)
    spec = parsing.spec_from_manifest(operation.manifest or {}) if operation else None
    if operation is None or spec is None:
        return {}
    return spec_values(spec) | {"cluster": operation.cluster.name, "reason": operation.reason}


def _operation(pk: str, person: Person) -> Operation | None:
    try:
        wanted = uuid.UUID(pk)
    except ValueError:
        return None
    mine = Operation.objects.filter(people.readable(person), pk=wanted)
    return mine.select_related("cluster").first()
