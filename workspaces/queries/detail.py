"""One workspace's page: what it is, how it stands, why, since when, and what one may do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from accounts import people
from workspaces.diagnosis import Action, Diagnosis, Fix, Progress, Stage, StageState
from workspaces.models import Operation, Workspace
from workspaces.queries import tabs, usual
from workspaces.queries.colouring import Line
from workspaces.queries.endpoint import Endpoint, endpoint
from workspaces.queries.listing import visible_workspaces, workspace_url
from workspaces.queries.sighting import Seen, see
from workspaces.queries.tiling import Tile, tiles_of, words
from workspaces.types import OperationKind, OperationStatus, Phase

READER = (
    "Your account may look, but not change anything here. An administrator can make you a deployer."
)
# Stages that only the log of the serving container tells apart, and causes that it explains.
_TOLD_BY_LOG = {"weights", "load", "benchmark"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    stage: Stage
    seconds: float | None
    usual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRow:
    fix: Fix
    url: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    pod: str
    container: str
    previous: bool


@dataclass(frozen=True, kw_only=True)
class WorkspacePage:
    """Parts that a fragment does not show are computed only when a template asks for them."""

    seen: Seen
    diagnosis: Diagnosis
    tab: str
    language: str
    now: datetime
    may_change: bool
    has_looked: bool = False

    @property
    def row(self) -> Workspace:
        return self.seen.row

    @property
    def phase(self) -> Phase:
        return self.diagnosis.phase

    @property
    def is_gone(self) -> bool:
        return self.row.deleted_at is not None

    @cached_property
    def url(self) -> str:
        return workspace_url(self.row)

    def _address(self, path: str = "", **params: str) -> str:
        """Keeps pointing at this object, also when a namesake has come after it."""
        if self.is_gone:
            params["uid"] = self.row.uid
        query = urlencode(params)
        return f"{path or self.url}?{query}" if query else path or self.url

    @property
    def now_url(self) -> str:
        look = {"look": "1"} if self.log_target else {}
        return self._address(part="now", **look)

    @property
    def endpoint_url(self) -> str:
        return self._address(part="endpoint", code=self.language)

    @property
    def code_urls(self) -> list[tuple[str, str, str]]:
        return [
            (key, label, self._address(tab=self.tab, code=key))
            for key, label in (("curl", "curl"), ("python", "Python"))
        ]

    @property
    def topics(self) -> str:
        return f"workspace-{self.row.uid},clusters"

    @property
    def can_play(self) -> bool:
        return self.phase == Phase.READY and self.row.answers

    @property
    def why_not_play(self) -> str:
        if self.can_play:
            return ""
        return "It is gone." if self.is_gone else "It does not answer yet."

    @property
    def play_url(self) -> str:
        return f"{reverse('playground:page')}?{urlencode({'workspace': self.row.uid})}"

    @property
    def can_delete(self) -> bool:
        return self.may_change and not self.row.deletion_requested_at and not self.is_gone

    @property
    def why_not_delete(self) -> str:
        if self.can_delete:
            return ""
        return READER if not self.may_change else "It is being deleted already."

    @property
    def delete_url(self) -> str:
        row = self.row
        return reverse("workspaces:delete", args=[row.cluster.name, row.namespace, row.name])

    @cached_property
    def redeploy_url(self) -> str:
        """The form with everything that was asked for, where that is known; else with the model."""
        if self.creation:
            return f"{reverse('workspaces:deploy')}?{urlencode({'from': self.creation.id})}"
        return f"{reverse('workspaces:deploy')}?{urlencode({'preset': self.row.model})}"

    @property
    def fixes(self) -> list[FixRow]:
        cause = self.diagnosis.cause
        return [self._fix_row(f) for f in cause.fixes] if cause else []

    def _fix_row(self, fix: Fix) -> FixRow:
        label, url = {
            Action.REDEPLOY: ("Open the form", self.redeploy_url if self.may_change else ""),
            Action.DELETE: ("Delete…", self.delete_url if self.can_delete else ""),
            Action.LOGS: ("Open the log", self._log_url()),
            Action.EVENTS: ("Open the events", self._address(tab="events")),
        }.get(fix.action, ("", ""))
        return FixRow(fix=fix, url=url, label=label)

    def _log_url(self) -> str:
        target = self.log_target
        more = {"previous": "1"} if target and target.previous else {}
        return self._address(tab="logs", **more)

    @cached_property
    def operations(self) -> list[Operation]:
        """Of this object; a failed wish for the name belongs to none."""
        row = self.row
        found = Operation.objects.filter(
            cluster=row.cluster, namespace=row.namespace, name=row.name
        ).order_by("-created_at")[: tabs.HISTORY_SHOWN]
        return [o for o in found if o.uid == row.uid or o.id == row.operation_id]

    @property
    def creation(self) -> Operation | None:
        return next((o for o in self.operations if o.kind == OperationKind.CREATE), None)

    @property
    def deletion(self) -> Operation | None:
        wishes = (o for o in self.operations if o.kind == OperationKind.DELETE)
        return next((o for o in wishes if o.status != OperationStatus.REFUSED), None)

    @property
    def freed(self) -> str:
        """Machines that went with it."""
        names = self.seen.workspace.status.worker_nodes
        return f"{len(names)} × {self.row.instance_type}" if names else ""

    @cached_property
    def usual(self) -> usual.Usual:
        return usual.usual_durations(self.row)

    @property
    def stages(self) -> list[StageRow]:
        return [
            StageRow(stage=s, seconds=_seconds(s), usual=self._usual_of(s))
            for s in self.diagnosis.stages
        ]

    def _usual_of(self, stage: Stage) -> str:
        key = {"weights": "start"}.get(stage.key, stage.key)
        seconds = self.usual.seconds.get(key)
        if seconds is None or self.row.deletion_requested_at:
            return ""
        return f"usually {words(seconds)}" + (" to the end" if key == "start" else "")

    @property
    def tiles(self) -> list[Tile]:
        return tiles_of(self.seen, self.diagnosis, self.usual, self.now)

    @cached_property
    def endpoint(self) -> Endpoint:
        return endpoint(self.row, self.language)

    @property
    def tab_links(self) -> list[tabs.Tab]:
        counts = {
            "pods": len(self.seen.dependents.pods),
            "events": len(self.seen.events),
            "conditions": len(self.seen.workspace.status.conditions),
        }
        return [
            tabs.Tab(key=k, label=k.capitalize(), count=counts.get(k), is_current=k == self.tab)
            for k in tabs.TABS
        ]

    @property
    def pods(self) -> tuple[tabs.PodRow, ...]:
        return tabs.pod_rows(self.seen.dependents.pods)

    @property
    def log_sources(self) -> tuple[tabs.LogSource, ...]:
        return tabs.log_sources(self.seen.dependents.pods)

    @property
    def conditions(self) -> tuple[tabs.ConditionRow, ...]:
        return tabs.condition_rows(self.seen)

    @property
    def manifest(self) -> tuple[Line, ...]:
        return tabs.manifest_lines(self.row)

    @property
    def history(self) -> tuple[tabs.HistoryRow, ...]:
        return tabs.history_rows(self.row, self.operations)

    @cached_property
    def log_target(self) -> LogTarget | None:
        """Whose log says more about the present stage than the cluster's objects do."""
        current = self.diagnosis.current
        if self.is_gone or current is None or current.key not in _TOLD_BY_LOG:
            return None
        pod = min(self.seen.dependents.pods, key=lambda p: p.name, default=None)
        container = next((c for c in pod.containers if not c.is_init), None) if pod else None
        if pod is None or container is None:
            return None
        has_stopped = container.phase != "running" and container.restarts > 0
        return LogTarget(pod=pod.name, container=container.name, previous=has_stopped)

    def told(self, progress: Progress) -> WorkspacePage:
        """The same page, knowing what the log says."""
        return replace(self, diagnosis=self.seen.diagnosis(self.now, progress), has_looked=True)


def find_workspace(
    person: people.Person, cluster_name: str, namespace: str, name: str, *, uid: str = ""
) -> Workspace | None:
    """The live one of that name, else the last that was; with `uid` exactly that one."""
    rows = visible_workspaces(person).filter(
        cluster__name=cluster_name, namespace=namespace, name=name
    )
    if uid:
        rows = rows.filter(uid=uid)
    ordered = rows.select_related("cluster").order_by("deleted_at", "-id")
    live = ordered.filter(deleted_at=None).first()
    return live or rows.select_related("cluster").order_by("-deleted_at").first()


def workspace_page(
    person: people.Person, workspace: Workspace, *, tab: str = "pods", language: str = "curl"
) -> WorkspacePage:
    seen, now = see(workspace), timezone.now()
    return WorkspacePage(
        seen=seen,
        diagnosis=seen.diagnosis(now),
        tab=tab if tab in tabs.TABS else "pods",
        language=language,
        now=now,
        may_change=people.may_change(
            person, cluster=workspace.cluster, namespace=workspace.namespace
        ),
    )


def _seconds(stage: Stage) -> float | None:
    """How long a finished stage took; of a running one the page shows a clock."""
    if stage.started is None or stage.ended is None or stage.state != StageState.DONE:
        return None
    return (stage.ended - stage.started).total_seconds()
