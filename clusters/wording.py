"""What a person is told when a cluster, or a part of it, cannot be seen: one place, so that all pages say the same.

Pure words; clusters.troubles judges which of them are true. Four things are never mixed up: forbidden, empty,
unreachable, and KAITO not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

KAITO_DOCS = "https://kaito-project.github.io/kaito/docs/installation"
# https://learn.microsoft.com/azure/aks/ai-toolchain-operator, and KAITO's own guide above
INSTALL_KAITO = """# AKS: the managed add-on
az aks update --resource-group GROUP --name CLUSTER --enable-ai-toolchain-operator --enable-oidc-issuer

# Anywhere else: KAITO's chart
helm repo add kaito https://kaito-project.github.io/kaito/charts/kaito
helm upgrade --install kaito-workspace kaito/workspace \\
  --namespace kaito-workspace --create-namespace --set clusterName=CLUSTER --wait
"""
START_WORKER = """docker compose up -d worker
# or, without containers
celery -A kaitoweb worker --pool threads --concurrency 4 --without-gossip --without-mingle
"""
NAMESPACES_NAMED = 4
START_QUEUE = "docker compose up -d valkey\n"


class TroubleKind(StrEnum):
    UNWATCHED = "unwatched"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    FAILING = "failing"
    FORBIDDEN = "forbidden"
    KAITO_MISSING = "kaito-missing"
    SILENT = "silent"
    NEW = "new"
    PARTIAL = "partial"
    BEHIND = "behind"
    NARROW = "narrow"
    POLLED = "polled"
    LACKING = "lacking"
    QUEUE = "queue"

    @property
    def makes_old(self) -> bool:
        """Whether the workspaces of the cluster are shown as they were, not as they are."""
        calm = (self.NEW, self.PARTIAL, self.BEHIND, self.QUEUE, self.LACKING)
        return self not in calm and not self.is_standing

    @property
    def is_standing(self) -> bool:
        """Whether it may be meant so: no fault, but said where many workspaces are looked at."""
        return self in (self.NARROW, self.POLLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong. `said` are the other side's own words, trimmed; `remedy` is text to copy."""

    kind: TroubleKind
    title: str
    text: str
    tone: str = "yellow"
    icon: str = "alert-triangle"
    word: str = ""  # the shortest way to say it, for a pill
    cluster: str = ""
    when_word: str = "since"  # stands between the title and `since`
    since: datetime | None = None
    seen_at: datetime | None = None
    wish: str = ""  # what becomes of what is asked for now
    error: str = ""  # what exactly went wrong, in our words
    said: str = ""
    remedy: str = ""
    remedy_label: str = ""
    remedy_hint: str = ""  # where it is run
    docs_url: str = ""
    renews: bool = False  # whether a fresh kubeconfig mends it
    plurals: tuple[str, ...] = ()  # the kinds of objects that it is about, where not all

    @property
    def alert(self) -> str:
        return {"red": "danger", "blue": "info"}.get(self.tone, "warning")


_WORDS = {
    TroubleKind.UNREACHABLE: Trouble(
        kind=TroubleKind.UNREACHABLE,
        icon="cloud-off",
        tone="red",
        word="Unreachable",
        title="{cluster} cannot be reached",
        text="What you see of it is as it was last known. kaitoweb tries again every few seconds, and the pages go on by themselves.",
        wish="What you ask for now is kept and sent when the cluster answers; after ten minutes of trying it is given up.",
    ),
    TroubleKind.FAILING: Trouble(
        kind=TroubleKind.FAILING,
        icon="cloud-off",
        tone="red",
        word="Failing",
        title="{cluster} answers, but does not tell of its workspaces",
        text="What you see of them is as it was last known. kaitoweb tries again at least twice a minute.",
        wish="What you ask for now is kept and tried again; after ten minutes of trying it is given up.",
    ),
    TroubleKind.REJECTED: Trouble(
        kind=TroubleKind.REJECTED,
        icon="key",
        tone="red",
        word="Sign-in rejected",
        title="{cluster} no longer accepts kaitoweb’s sign-in",
        text="Its token or certificate has expired, or was withdrawn. An administrator of kaitoweb renews it with a fresh kubeconfig, on the page Clusters. Nothing is lost meanwhile: workspaces and history stay as last known.",
        wish="What you ask for now is kept and sent when the sign-in is renewed; after ten minutes of trying it is given up.",
        renews=True,
    ),
    TroubleKind.FORBIDDEN: Trouble(
        kind=TroubleKind.FORBIDDEN,
        icon="lock",
        tone="red",
        word="Forbidden",
        title="kaitoweb may not list workspaces in {cluster}",
        text="This does not mean that there are none: kaitoweb is not allowed to look. What was seen before is shown as last known. An administrator of the cluster applies the rule below; kaitoweb then goes on by itself, within a minute.",
        wish="What you ask for now is sent, but kaitoweb cannot see what becomes of it.",
        remedy_label="The rule that is missing",
        remedy_hint="kubectl apply -f takes it as it is",
    ),
    TroubleKind.KAITO_MISSING: Trouble(
        kind=TroubleKind.KAITO_MISSING,
        icon="tools",
        word="KAITO not installed",
        title="KAITO is not installed in {cluster}",
        text="The cluster answers, but does not know the kind Workspace (kaito.sh/v1beta1). What was seen before is shown as last known. Install KAITO; kaitoweb notices by itself, within a minute.",
        wish="Nothing can be deployed until then.",
        remedy=INSTALL_KAITO,
        remedy_label="What to run",
        docs_url=KAITO_DOCS,
    ),
    TroubleKind.UNWATCHED: Trouble(
        kind=TroubleKind.UNWATCHED,
        icon="clock-pause",
        tone="red",
        word="No watcher",
        title="No watcher is running: {cluster} is shown",
        when_word="as of",
        text="The worker that follows the cluster is gone. Another takes over within seconds where there is one; else an operator of kaitoweb starts one.",
        wish="What you ask for now is kept and sent as soon as a worker runs.",
        remedy=START_WORKER,
        remedy_label="What to run",
        remedy_hint="Where kaitoweb runs",
    ),
    TroubleKind.SILENT: Trouble(
        kind=TroubleKind.SILENT,
        icon="clock-pause",
        word="Silent",
        title="Nothing has been heard of {cluster}",
        text="A worker watches it, but hears neither news nor an error. What you see is as it was last known. If this stays, an operator of kaitoweb starts the worker again.",
        wish="What you ask for now is kept and tried again; after ten minutes of trying it is given up.",
    ),
    TroubleKind.NEW: Trouble(
        kind=TroubleKind.NEW,
        icon="hourglass",
        tone="blue",
        word="Not heard of yet",
        title="{cluster} is being read for the first time",
        text="Its workspaces appear here within seconds.",
    ),
    TroubleKind.PARTIAL: Trouble(
        kind=TroubleKind.PARTIAL,
        icon="lock",
        word="Partly forbidden",
        title="kaitoweb may not watch {plurals} in {cluster}",
        text="All workspaces are shown, and they are up to date, but kaitoweb cannot {purposes}. An administrator of the cluster applies the rule below; kaitoweb then goes on by itself, within a minute.",
        remedy_label="The rule that is missing",
        remedy_hint="kubectl apply -f takes it as it is",
    ),
    TroubleKind.BEHIND: Trouble(
        kind=TroubleKind.BEHIND,
        icon="clock-pause",
        word="Partly behind",
        title="Some of {cluster} is old: its {plurals} are shown",
        when_word="as of",
        text="The workspaces themselves are up to date, but kaitoweb is late to {purposes}. It tries again by itself.",
    ),
    TroubleKind.NARROW: Trouble(
        kind=TroubleKind.NARROW,
        tone="blue",
        icon="lock",
        word="Connected in part",
        title="Of {cluster} only {namespaces} can be seen",
        text="kaitoweb may not list {plurals} in the whole cluster. What is there is complete and up to date; what is elsewhere is not shown. That may be meant so; if not, an administrator of the cluster applies the rule below.",
        remedy_label="The rule for the whole cluster",
        remedy_hint="kubectl apply -f takes it as it is",
    ),
    TroubleKind.POLLED: Trouble(
        kind=TroubleKind.POLLED,
        tone="blue",
        icon="clock-pause",
        word="Connected, polling",
        title="Changes of {plurals} in {cluster} appear some seconds late",
        text="kaitoweb may list them, but not watch them, so it asks for all of them every ten seconds or so. An administrator of the cluster can spare both sides that by the rule below.",
        remedy_label="The rule that is missing",
        remedy_hint="kubectl apply -f takes it as it is",
    ),
    TroubleKind.LACKING: Trouble(
        kind=TroubleKind.LACKING,
        icon="lock",
        word="Right missing",
        title="kaitoweb may not {purposes} in {cluster}",
        text="The cluster does not allow it everywhere; in single namespaces it still may. An administrator of the cluster applies the rule below. kaitoweb looks again every ten minutes, or at once when an administrator tests the connection on the page Clusters.",
        remedy_label="The rule that is missing",
        remedy_hint="kubectl apply -f takes it as it is",
    ),
}  # fmt: skip
QUEUE_DOWN = Trouble(
    kind=TroubleKind.QUEUE,
    icon="plug-connected-x",
    word="Queue down",
    title="The queue is down",
    text="Pages still work; they ask every few seconds instead of being told. An operator of kaitoweb starts Valkey; what waits is then sent by itself.",
    wish="What you ask for now is kept, and sent as soon as the queue is back.",
    remedy=START_QUEUE,
    remedy_label="What to run",
    remedy_hint="Where kaitoweb runs",
)


def told(
    kind: TroubleKind,
    cluster: str,
    *,
    plurals: Sequence[str] = (),
    purposes: Sequence[str] = (),
    namespaces: Sequence[str] = (),
    **facts: Any,  # noqa: ANN401 - each of its field's type, as for dataclasses.replace
) -> Trouble:
    """The words for `kind` with the names put in; `facts` are further fields of Trouble."""
    words = _WORDS[kind]
    names = {
        "cluster": cluster,
        "plurals": listed(plurals),
        "purposes": listed(purposes, "or"),
        "namespaces": _spaces(namespaces),
    }
    return replace(
        words,
        cluster=cluster,
        plurals=tuple(plurals),
        title=words.title.format(**names),
        text=words.text.format(**names),
        **facts,
    )


def listed(names: Sequence[str], word: str = "and") -> str:
    """ "pods", "pods and events", "pods, events and jobs"."""
    *first, last = names or ("",)
    return f"{', '.join(first)} {word} {last}" if first else last


def _spaces(names: Sequence[str]) -> str:
    if len(names) > NAMESPACES_NAMED:
        return f"{len(names)} namespaces"
    return f"the namespace{'s' if len(names) > 1 else ''} {listed(names)}"
