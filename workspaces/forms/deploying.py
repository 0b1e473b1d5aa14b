"""The two recipes as forms over one WorkspaceSpec. Always bound: what was typed is kept, judged and shown as YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django import forms

from clusters.models import Cluster
from workspaces import catalogue, manifests
from workspaces.forms.suggesting import CONTAINER_FIELDS, Values, taken_names
from workspaces.preflight import fitting, models, naming
from workspaces.preflight.problems import FieldProblem, Level
from workspaces.preflight.rules import Surroundings, spec_problems
from workspaces.types import ContainerChoice, PresetChoice, Recipe, Runtime, WorkspaceSpec

DTYPES = [("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")]


class TextField(forms.CharField):
    """Never required by itself: the rules say better what is missing."""

    is_needless = False  # True: nothing to fill in for this model, so it is not shown

    def __init__(
        self, label: str, *, is_needed: bool = False, mono: bool = False, **attrs: str
    ) -> None:
        classes = "form-control font-monospace" if mono else "form-control"
        given = {"class": classes, "spellcheck": "false", "autocomplete": "off", **attrs}
        super().__init__(label=label, required=False, widget=forms.TextInput(attrs=given))
        self.is_needed = is_needed


def _choice(label: str, choices: Sequence[tuple[str, str]]) -> forms.CharField:
    select = forms.Select(attrs={"class": "form-select"}, choices=choices)
    return forms.CharField(label=label, required=False, widget=select)


def _hidden() -> forms.CharField:
    return forms.CharField(required=False, widget=forms.HiddenInput)


class DeployForm(forms.Form):
    """What both recipes share. `problems` holds every finding, hints included; `errors` those that stand in the way."""

    recipe: ClassVar[Recipe]
    default_label: ClassVar[str]

    cluster = TextField("Cluster")
    name = TextField("Name", is_needed=True, mono=True)
    namespace = TextField("Namespace", is_needed=True, mono=True, list="namespaces")
    instance_type = TextField("Instance type")
    label = TextField("Node label", mono=True)
    load_balancer = forms.BooleanField(
        label="Give it a public address",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    reason = TextField("Why, for the audit", placeholder="Optional")
    key = _hidden()
    suggested_name = _hidden()
    suggested_type = _hidden()

    def __init__(self, values: Values, *, clusters: Sequence[Cluster]) -> None:
        super().__init__(values, auto_id="f-%s")
        self.clusters = clusters
        self.chosen_cluster = _find(clusters, values.get("cluster", ""))
        self.problems: list[FieldProblem] = []
        self.given: dict[str, Any] = {}
        for name, field in self.fields.items():
            field.widget.attrs["aria-describedby"] = f"notes-{name}"
        self.fields["label"].widget.attrs["placeholder"] = f"{self.default_label}=<name>"

    def clean(self) -> None:
        super().clean()
        # A copy, since Django drops a value from cleaned_data with its first error.
        self.given = dict(self.cleaned_data)
        self.add_problems([*self._cluster_problems(), *self._problems()])

    def add_problems(self, problems: Sequence[FieldProblem]) -> None:
        """Also for what the cluster says later; fields of the other recipe are told on top."""
        for problem in problems:
            field = problem.field if problem.field in self.fields else ""
            self.problems.append(problem)
            if problem.level == Level.ERROR:
                self.add_error(field or None, problem.message)
                self._mark(field)

    @property
    def notes(self) -> dict[str, list[FieldProblem]]:
        """Problems by field; those of no field under "top"."""
        found: dict[str, list[FieldProblem]] = {}
        for problem in self.problems:
            place = problem.field if problem.field in self.fields else "top"
            found.setdefault(place, []).append(problem)
        return found

    @property
    def spec(self) -> WorkspaceSpec:
        """Whatever was typed, valid or not; only behind full_clean."""
        return WorkspaceSpec(**self._shared(), **self._own())

    @property
    def manifest(self) -> dict[str, Any]:
        return manifests.workspace_manifest(self.spec)

    def _shared(self) -> dict[str, Any]:
        given = self.given
        label = naming.parse_label(given["label"])
        return {
            "name": given["name"],
            "namespace": given["namespace"],
            "recipe": self.recipe,
            "instance_type": given["instance_type"],
            "match_labels": (label,) if label else (),
            "load_balancer": given["load_balancer"],
        }

    def _own(self) -> dict[str, Any]:
        return {}

    def _cluster_problems(self) -> Iterator[FieldProblem]:
        if self.chosen_cluster is None:
            yield FieldProblem(field="cluster", message="Choose one of the connected clusters.")

    def _problems(self) -> Iterator[FieldProblem]:
        cluster, spec = self.chosen_cluster, self.spec
        around = Surroundings(
            namespaces=cluster.namespaces if cluster else (),
            taken_names=taken_names(cluster, spec.namespace),
            suggested_name=self.given["suggested_name"],
        )
        yield from spec_problems(spec, around)
        yield from naming.label_problems(self.given["label"])

    def _mark(self, field: str) -> None:
        attrs = self.fields[field].widget.attrs if field else {}
        if "is-invalid" not in attrs.get("class", "is-invalid"):
            attrs["class"] += " is-invalid"


class PresetForm(DeployForm):
    recipe = Recipe.PRESET
    default_label = "apps"

    preset = TextField("Model")
    secret = TextField("Secret with a token", mono=True)
    runtime = _choice("Runtime", [(Runtime.VLLM, "vLLM"), (Runtime.TRANSFORMERS, "Transformers")])
    shown_preset = _hidden()

    def clean(self) -> None:
        super().clean()
        hint = models.access_hint(self.model)
        secret = self.fields["secret"]
        secret.help_text = hint
        secret.is_needless = not (hint or self.given["secret"])  # type: ignore[attr-defined]

    @property
    def model(self) -> catalogue.Preset | None:
        return catalogue.preset(self.given["preset"])

    def _own(self) -> dict[str, Any]:
        given = self.given
        preset = PresetChoice(name=given["preset"], access_secret=given["secret"])
        return {"preset": preset, "runtime": self._runtime}

    @property
    def fits(self) -> tuple[fitting.Fit, ...]:
        return fitting.fits_for_preset(self.model, self._runtime)

    @property
    def _runtime(self) -> Runtime:
        wanted = self.given["runtime"] == Runtime.TRANSFORMERS
        return Runtime.TRANSFORMERS if wanted else Runtime.VLLM


class ContainerForm(DeployForm):
    recipe = Recipe.CPU_CONTAINER
    default_label = "app"

    model_id = TextField("Hugging Face model", is_needed=True, mono=True)
    dtype = _choice("Precision", DTYPES)
    image = TextField("Image", mono=True)
    cpu_request = TextField("CPUs requested")
    cpu_limit = TextField("CPUs at most")
    memory_request = TextField("Memory requested")
    memory_limit = TextField("Memory at most")

    @property
    def container(self) -> ContainerChoice:
        return ContainerChoice(**{name: self.given[name] for name in CONTAINER_FIELDS})

    def _own(self) -> dict[str, Any]:
        return {"container": self.container}

    @property
    def fits(self) -> tuple[fitting.Fit, ...]:
        return fitting.fits_for_container(self.container)


FORMS: dict[str, type[PresetForm] | type[ContainerForm]] = {
    Recipe.PRESET: PresetForm,
    Recipe.CPU_CONTAINER: ContainerForm,
}


def _find(clusters: Sequence[Cluster], name: str) -> Cluster | None:
    return next((cluster for cluster in clusters if cluster.name == name), None)
