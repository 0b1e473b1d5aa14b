"""The model cards of the deploy page: what a search finds, and the one that is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from workspaces import catalogue, estimator
from workspaces.catalogue import Gated, Preset
from workspaces.estimator import Estimate
from workspaces.forms.suggesting import DEFAULT_PRESET
from workspaces.preflight import models
from workspaces.preflight.problems import FieldProblem

CARDS_SHOWN = 12
FILTERS = {"": "All", "one-gpu": "Fits 1 GPU", "open": "Not gated", "tools": "Tools"}
ONE_GPU = "Standard_NC24ads_A100_v4"  # what "fits 1 GPU" is measured by: 80 GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One model that can be chosen; `preset` is None for an id that is not in the catalogue."""

    value: str
    preset: Preset | None
    is_chosen: bool = False

    @property
    def title(self) -> str:
        return self.preset.short_name if self.preset else self.value.rpartition("/")[2]

    @property
    def served_name(self) -> str:
        return catalogue.served_name(self.value)

    @property
    def fits_one_gpu(self) -> bool:
        return self.preset is not None and self.preset.name in _fit_one_gpu()

    @property
    def is_gated(self) -> bool:
        return self.preset is not None and self.preset.gated == Gated.YES

    @property
    def kv_kib(self) -> int:
        return self.preset.kv_bytes_per_token // 1024 if self.preset else 0

    @property
    def context(self) -> str:
        return f"{self.preset.context_tokens:,}" if self.preset else ""

    @property
    def short_context(self) -> str:
        tokens = self.preset.context_tokens if self.preset else 0
        return f"{tokens / 1_000_000:.0f}M" if tokens >= 1_000_000 else f"{tokens / 1000:.0f}k"

    @property
    def access(self) -> str:
        if self.preset is None or self.preset.gated == Gated.UNKNOWN:
            return "perhaps a token"
        return "HF_TOKEN secret" if self.is_gated else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The cards on show, the chosen one among them."""

    cards: tuple[Card, ...]
    found: int
    total: int
    query: str
    kind: str
    is_whole: bool
    problem: FieldProblem | None = None  # the query names what KAITO no longer knows

    @property
    def shown(self) -> int:
        return len(self.cards)

    @property
    def offers_id(self) -> bool:
        return any(card.preset is None for card in self.cards)

    @property
    def hidden(self) -> int:
        return max(0, self.found - self.shown)

    @property
    def filters(self) -> list[tuple[str, str, bool]]:
        return [(key, label, key == self.kind) for key, label in FILTERS.items()]


def model_choice(chosen: str, *, query: str = "", kind: str = "", whole: bool = False) -> Choice:
    query = query.strip()
    found = [_card(preset, chosen) for preset in _in_order() if _matches(preset, query, kind)]
    cards = _with_chosen(found, chosen)[: None if whole else CARDS_SHOWN]
    if _is_best_effort(query) and query != chosen:
        cards = [Card(value=query, preset=None), *cards]
    return Choice(
        cards=tuple(cards),
        found=len(found),
        total=len(catalogue.presets()),
        query=query,
        kind=kind if kind in FILTERS else "",
        is_whole=whole,
        problem=next(models.preset_problems(query, None), None)
        if catalogue.retired(query)
        else None,
    )


@cache
def _in_order() -> tuple[Preset, ...]:
    """KAITO's, but what the form suggests comes first."""
    return tuple(sorted(catalogue.presets(), key=lambda p: p.asked_as != DEFAULT_PRESET))


def _is_best_effort(query: str) -> bool:
    return catalogue.is_hugging_face_id(query) and catalogue.preset(query) is None


def _with_chosen(cards: list[Card], chosen: str) -> list[Card]:
    """In its place where it is shown anyway, in front of the others elsewhere: it must never be lost."""
    if not chosen or any(card.is_chosen for card in cards[:CARDS_SHOWN]):
        return cards
    preset = catalogue.preset(chosen)
    first = Card(value=preset.asked_as if preset else chosen, preset=preset, is_chosen=True)
    return [first, *(card for card in cards if not card.is_chosen)]


def _card(preset: Preset, chosen: str) -> Card:
    return Card(value=preset.asked_as, preset=preset, is_chosen=catalogue.preset(chosen) is preset)


def _matches(preset: Preset, query: str, kind: str) -> bool:
    words = " ".join(
        (preset.name, preset.alias, preset.family, preset.licence, preset.parameters)
    ).lower()
    if not all(word in words for word in query.lower().split()):
        return False
    return {
        "one-gpu": preset.name in _fit_one_gpu(),
        "open": preset.gated == Gated.NO,
        "tools": bool(preset.tool_parser),
    }.get(kind, True)


@cache
def _fit_one_gpu() -> frozenset[str]:
    machine = catalogue.instance_type(ONE_GPU)
    assert machine is not None  # noqa: S101 - a name of our own data
    estimates = {p.name: estimator.estimate_nodes(p, machine) for p in catalogue.presets()}
    return frozenset(n for n, e in estimates.items() if isinstance(e, Estimate) and e.gpus == 1)
