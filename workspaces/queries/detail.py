"""One workspace's page: what it is, how it stands, why, since when, and what one may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts import people
from clusters.troubles import as_of, lacking, troubles_of
from clusters.wording import Trouble
from workspaces import manifests
from workspaces.diagnosis import Action, Diagnosis, Fix, Progress, StageState
from workspaces.models import Operation, Workspace
from workspaces.queries import tabs, usual
from workspaces.queries.endpoint import LANGUAGES, Endpoint, endpoint
from workspaces.queries.listing import visible_workspaces, workspace_url
from workspaces.queries.sighting import Seen, see
from workspaces.queries.staging import StageRow, stage_row
from workspaces.queries.tiling import Tile, tiles_of
from workspaces.types import OperationKind, OperationStatus, Phase

READER = (
    "Your account may look, but not change anything here. An administrator can make you a deployer."
)
# Stages that only the log of the serving container tells apart, and causes that it explains.
_TOLD_BY_LOG = {"weights", "load", "benchmark"}
# The kind of objects that stands under a tab, besides the workspace itself.
TAB_KINDS = {"pods": "pods", "logs": "pods", "events": "events"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of the page the address asks for; unknown values mean the first of a kind."""

    tab: str = ""  # none named: what there is to see
    language: str = "curl"
    source: str = ""  # pod, or pod/container, whose log is shown
    previous: bool = False


def asked_from(params: Mapping[str, str]) -> Asked:
    tab, language = params.get("tab", ""), params.get("code", "")
    return Asked(
        tab=tab if tab in tabs.TABS else "",
        language=language if language in LANGUAGES else "curl",
        source=params.get("source", ""),
        previous=params.get("previous") == "1",
    )


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
    asked: Asked
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

    @property
    def tab(self) -> str:
        return self.asked.tab or ("history" if self.is_gone else "pods")

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
        return self._address(part="endpoint", code=self.asked.language)

    @property
    def code_urls(self) -> list[tuple[str, str, str]]:
        return [
            (key, label, self._address(tab=self.tab, code=key))
            for key, label in (("curl", "curl"), ("python", "Python"))
        ]

    @property
    def topics(self) -> str:
        wish = f",operation-{self.open_wish.id}" if self.open_wish else ""
        return f"workspace-{self.row.uid},clusters{wish}"

    @property
    def as_of(self) -> datetime | None:
        """Since when it may have changed unseen; None while the page is up to date."""
        return None if self.is_gone else as_of(self.row.cluster, now=self.now)

    @property
    def tab_trouble(self) -> Trouble | None:
        """Why what stands under the tab is missing or old, where the workspace itself is not."""
        kind = TAB_KINDS.get(self.tab, "")
        troubles = () if self.is_gone else troubles_of(self.row.cluster, now=self.now)
        return next((t for t in troubles if kind in t.plurals), None)

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
        """Empty where the playground, which stands above this room, is not mounted."""
        try:
            page = reverse("playground:page")
        except NoReverseMatch:
            return ""
        return f"{page}?{urlencode({'workspace': self.row.uid})}"

    @property
    def can_delete(self) -> bool:
        is_leaving = self.row.deletion_requested_at or self.is_gone or self.has_open_wish
        return self.may_change and not is_leaving

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
    def open_wish(self) -> Operation | None:
        """A deletion that was asked for and has not reached the cluster, or failed there."""
        wish = self.deletion
        if wish is None or self.is_gone or self.row.deletion_requested_at:
            return None
        return None if wish.status == OperationStatus.SUCCEEDED else wish

    @property
    def has_open_wish(self) -> bool:
        return bool(self.open_wish and not OperationStatus(self.open_wish.status).is_final)

    @property
    def freed(self) -> str:
        """Machines that went with it."""
        names = self.seen.workspace.status.worker_nodes
        return f"{len(names)} × {self.row.instance_type}" if names else ""

    @property
    def is_released(self) -> bool:
        """Whether nothing of a deleted workspace is left; its machines go last."""
        return self.diagnosis.stages[-1].state == StageState.DONE

    @cached_property
    def usual(self) -> usual.Usual:
        return usual.usual_durations(self.row)

    @property
    def stages(self) -> list[StageRow]:
        return [
            stage_row(stage, self.diagnosis, self.creation, self.usual)
            for stage in self.diagnosis.stages
        ]

    @property
    def tiles(self) -> list[Tile]:
        return tiles_of(self.seen, self.diagnosis, self.usual, self.now)

    @cached_property
    def endpoint(self) -> Endpoint:
        return endpoint(self.row, self.asked.language)

    @property
    def tab_links(self) -> list[tabs.Tab]:
        counts = {
            "pods": len(self.seen.dependents.pods),
            "events": len(self.seen.events),
            "conditions": len(self.seen.workspace.status.conditions),
        }
        return [
            tabs.Tab(
                key=key,
                label=key.capitalize(),
                url=self._address(tab=key),
                count=counts.get(key),
                is_current=key == self.tab,
            )
            for key in tabs.TABS
        ]

    @property
    def tab_url(self) -> str:
        return self._address(tab=self.tab)

    @property
    def pods(self) -> tuple[tabs.PodRow, ...]:
        return tabs.pod_rows(self.seen.dependents.pods)

    @property
    def log_sources(self) -> tuple[tabs.LogSource, ...]:
        return tabs.log_sources(self.seen.dependents.pods)

    @property
    def log_source(self) -> tabs.LogSource | None:
        sources, wanted = self.log_sources, self.asked.source
        named = (s for s in sources if wanted in (s.key, s.pod))
        return next(named, sources[0] if sources else None)

    @property
    def log_previous(self) -> bool:
        return self.asked.previous and bool(self.log_source and self.log_source.has_previous)

    @property
    def log_url(self) -> str:
        """Of the stream behind the log that is shown."""
        source, row = self.log_source, self.row
        if source is None:
            return ""
        path = reverse("workspaces:logs", args=[row.cluster.name, row.namespace, row.name])
        previous = {"previous": "1"} if self.log_previous else {}
        return self._address(path, pod=source.pod, container=source.container, **previous)

    @property
    def log_trouble(self) -> Trouble | None:
        """That kaitoweb may not read logs there."""
        return None if self.is_gone else lacking(self.row.cluster, "logs")

    @property
    def conditions(self) -> tuple[tabs.ConditionRow, ...]:
        return tabs.condition_rows(self.seen)

    @property
    def manifest(self) -> str:
        """YAML as last seen; secrets were taken out before it was stored."""
        return manifests.to_yaml(self.row.raw)

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
    rows = rows.select_related("cluster__watch_lease")
    live = rows.filter(deleted_at=None).order_by("-id").first()
    return live or rows.order_by("-deleted_at").first()


def workspace_page(
    person: people.Person, workspace: Workspace, asked: Asked = Asked()
) -> WorkspacePage:
    seen, now = see(workspace), timezone.now()
    return WorkspacePage(
        seen=seen,
        diagnosis=seen.diagnosis(now),
        asked=asked,
        now=now,
        may_change=people.may_change(
            person, cluster=workspace.cluster, namespace=workspace.namespace
        ),
    )
