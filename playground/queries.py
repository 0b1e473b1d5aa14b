"""What the playground's page shows, from the mirror alone."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from accounts import people
from clusters.models import ClusterKind
from playground import dialects, routes
from playground.dialects import Parameter
from workspaces import catalogue, queries
from workspaces.models import Workspace
from workspaces.queries import Playable, endpoint
from workspaces.types import Dialect, Phase

# Those of the document that this project began with.
EXAMPLES = (
    "What sport should I play in rainy weather?",
    "Is a tomato a fruit or a vegetable?",
    "Answer briefly: What is cloud computing?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One workspace of the picker."""

    playable: Playable
    address: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The workspace that is talked to."""

    row: Workspace
    dialect: Dialect
    context_tokens: int | None
    why_not: str  # empty when it can be prompted
    workspace_url: str
    route_words: str = routes.WORDS

    @property
    def address(self) -> str:
        return address(self.row.cluster.name, self.row.namespace, self.row.name)

    @property
    def url(self) -> str:
        return _page_url(self.address)

    @property
    def server_url(self) -> str:
        return f"{reverse('playground:server')}?{urlencode({'workspace': self.address}, safe='/')}"

    @property
    def phase(self) -> Phase:
        return Phase(self.row.phase)

    @property
    def is_on_the_way(self) -> bool:
        return self.phase in (Phase.ON_THE_WAY, Phase.UNKNOWN)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return dialects.parameters(self.dialect, self.context_tokens)

    @property
    def notes(self) -> tuple[str, ...]:
        return dialects.notes(self.dialect)

    @property
    def invitation(self) -> str:
        if dialects.streams(self.dialect):
            return "Ask anything; the answer appears while it is made."
        return "Ask anything; this server answers in one piece."

    @property
    def waiting_words(self) -> str:
        if dialects.streams(self.dialect):
            return "Still waiting for the model"
        return "Still waiting: this server answers in one piece"

    @property
    def sandbox_words(self) -> str:
        if self.row.cluster.kind != ClusterKind.SANDBOX:
            return ""
        if settings.KAITOWEB_SANDBOX_MODEL == "echo":
            return "Sandbox: every model repeats what it was told."
        return "Sandbox: every model answers as SmolLM2-135M."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundPage:
    choices: tuple[Choice, ...]
    chosen: Chosen | None
    examples: tuple[str, ...] = EXAMPLES


def address(cluster: str, namespace: str, name: str) -> str:
    """How the playground's links name a workspace; stays the same when it is deployed anew."""
    return f"{cluster}/{namespace}/{name}"


def playground_page(person: people.Person, workspace: Workspace | None) -> PlaygroundPage:
    """Without `workspace` the first that answers is chosen."""
    found = queries.playable(person)
    if workspace is None:
        first = next((p for p in found if not p.why_not), None)
        workspace = find_workspace(person, _address_of(first)) if first else None
    uid = workspace.uid if workspace else ""
    return PlaygroundPage(
        choices=tuple(_choice(p, uid) for p in found),
        chosen=chosen(workspace) if workspace else None,
    )


def find_workspace(person: people.Person, asked: str) -> Workspace | None:
    """By `cluster/namespace/name`, or by uid as the workspace's own page links; gone ones are found too."""
    asked = asked.replace("\0", "")
    parts = asked.split("/")
    if len(parts) == 3:
        return queries.find_workspace(person, *parts)
    rows = queries.visible_workspaces(person).select_related("cluster")
    return rows.filter(uid=asked).first() if len(parts) == 1 else None


def chosen(workspace: Workspace) -> Chosen:
    dialect = Dialect(workspace.dialect or "unknown")
    if dialect == Dialect.UNKNOWN:
        dialect = endpoint.expected_dialect(workspace)
    preset = catalogue.preset(workspace.model)
    return Chosen(
        row=workspace,
        dialect=dialect,
        context_tokens=preset.context_tokens if preset else None,
        why_not=_why_not(workspace, dialect),
        workspace_url=queries.workspace_url(workspace),
    )


def _why_not(workspace: Workspace, dialect: Dialect) -> str:
    if workspace.deleted_at:
        return "It is gone."
    if not workspace.answers or workspace.phase != Phase.READY:
        return workspace.headline or Phase(workspace.phase).label
    if dialect == Dialect.UNKNOWN:
        return "kaitoweb does not know how to speak to this server."
    return ""


def _choice(playable: Playable, chosen_uid: str) -> Choice:
    return Choice(
        playable=playable,
        address=_address_of(playable),
        url=_page_url(_address_of(playable)),
        is_chosen=playable.uid == chosen_uid,
    )


def _page_url(asked: str) -> str:
    return f"{reverse('playground:page')}?{urlencode({'workspace': asked}, safe='/')}"


def _address_of(playable: Playable) -> str:
    return address(playable.cluster, playable.namespace, playable.name)
