"""The list of workspaces: filters, tiles, rows, and why it may be empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone

from accounts import people
from clusters import queries as cluster_queries
from clusters.troubles import as_of, troubles_of
from clusters.wording import Trouble, TroubleKind
from workspaces.models import Workspace
from workspaces.queries.filtering import ALL, COLUMNS, FIELDS_BY_COLUMN, STATES, Filters
from workspaces.queries.tiling import Tile
from workspaces.queries.waiting import Waiting, waiting_wishes
from workspaces.types import Phase

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    uid: str
    name: str
    namespace: str
    cluster: str
    phase: Phase
    phase_since: datetime | None
    headline: str
    model: str
    instance_type: str
    count: int
    owner: str
    created_at: datetime | None
    url: str
    version: str
    as_of: datetime | None = None  # where the cluster is not up to date


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    ready: int = 0
    on_the_way: int = 0
    failed: int = 0
    deleting: int = 0
    nodes: int = 0

    @property
    def total(self) -> int:
        return self.ready + self.on_the_way + self.failed + self.deleting


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    label: str
    key: str
    url: str
    direction: str  # ascending, descending or none: as aria-sort wants it


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceList:
    filters: Filters
    tiles: Tiles
    rows: tuple[Row, ...]
    waiting: tuple[Waiting, ...]
    total: int
    pages: int
    columns: tuple[Column, ...]
    states: tuple[Choice, ...]
    namespaces: tuple[Choice, ...]
    cluster_choices: tuple[Choice, ...]
    troubles: tuple[Trouble, ...]
    has_cluster: bool

    @property
    def topics(self) -> str:
        return ",".join(["workspaces", "clusters", *(f"workspace-{r.uid}" for r in self.rows)])

    @property
    def blind(self) -> Trouble | None:
        """Why an empty list may not be an empty cluster."""
        kinds = (t for t in self.troubles if t.kind.makes_old or t.kind == TroubleKind.NEW)
        return next(kinds, None)

    @property
    def first(self) -> int:
        return (self.filters.page - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return min(self.total, self.filters.page * PAGE_SIZE)

    @property
    def url(self) -> str:
        return self.filters.address(page=self.filters.page)

    @property
    def cards(self) -> list[Tile]:
        """The tiles; each leads to its state, the chosen one back to all."""
        counts = self.tiles
        return [
            self._card("ready", "Ready", counts.ready, icon="check", tone="green"),
            self._card("on-the-way", "On the way", counts.on_the_way, icon="hourglass"),
            self._card(
                "failed", "Failed or not ready", counts.failed, icon="alert-triangle", tone="red"
            ),
            Tile(label="Nodes in use", icon="cpu", text=f"{counts.nodes:,}"),
        ]

    def _card(self, state: str, label: str, count: int, *, icon: str, tone: str = "blue") -> Tile:
        url = self.filters.address(state="" if state == self.filters.state else state)
        return Tile(label=label, icon=icon, text=f"{count:,}", tone=tone, url=url)

    @property
    def previous_url(self) -> str:
        page = self.filters.page
        return self.filters.address(page=page - 1) if page > 1 else ""

    @property
    def next_url(self) -> str:
        page = self.filters.page
        return self.filters.address(page=page + 1) if page < self.pages else ""


def visible_workspaces(person: people.Person) -> QuerySet[Workspace]:
    """Live or gone, of connected clusters, that `person` may read."""
    return Workspace.objects.filter(people.readable(person), cluster__disconnected_at=None)


def tiles(person: people.Person, filters: Filters = ALL) -> Tiles:
    rows = _in_scope(visible_workspaces(person), filters).filter(deleted_at=None)
    counted = list(rows.values_list("phase").annotate(Count("id"), Sum("node_count")))
    by_phase = {phase: count for phase, count, _ in counted}

    def count(state: str) -> int:
        return sum(by_phase.get(phase, 0) for phase in STATES[state][1])

    return Tiles(
        ready=count("ready"),
        on_the_way=count("on-the-way"),
        failed=count("failed"),
        deleting=count("deleting"),
        nodes=sum(nodes or 0 for _, _, nodes in counted),
    )


def workspace_list(person: people.Person, filters: Filters) -> WorkspaceList:
    clusters, now = list(cluster_queries.watched_clusters(person)), timezone.now()
    old = {c.name: as_of(c, now=now) for c in clusters}
    chosen = [c for c in clusters if not filters.cluster or c.name == filters.cluster]
    matching = _matching(person, filters)
    total = matching.count()
    pages = max(1, -(-total // PAGE_SIZE))
    filters = replace(filters, page=min(max(1, filters.page), pages))
    return WorkspaceList(
        filters=filters,
        tiles=tiles(person, filters),
        rows=_page_of(matching, filters, old),
        waiting=waiting_wishes(person, filters),
        total=total,
        pages=pages,
        columns=tuple(_column(key, label, filters) for key, label, _ in COLUMNS),
        states=_choices("", [(k, v[0]) for k, v in STATES.items()], filters.state),
        namespaces=_choices("All namespaces", _namespaces(person, filters), filters.namespace),
        cluster_choices=_choices(
            "All clusters", [(c.name, c.name) for c in clusters], filters.cluster
        ),
        troubles=tuple(t for c in chosen for t in troubles_of(c, now=now)),
        has_cluster=bool(clusters),
    )


def workspace_row(person: people.Person, uid: str) -> Row | None:
    """One row of the list; None when it is gone or not theirs to see."""
    found = _shown(visible_workspaces(person).filter(uid=uid, deleted_at=None)).first()
    if found is None:
        return None
    cluster = cluster_queries.watched_clusters(person).get(pk=found.cluster_id)
    return replace(_row(found), as_of=as_of(cluster, now=timezone.now()))


def _in_scope(rows: QuerySet[Workspace], filters: Filters) -> QuerySet[Workspace]:
    if filters.cluster:
        rows = rows.filter(cluster__name=filters.cluster)
    return rows.filter(namespace=filters.namespace) if filters.namespace else rows


def _matching(person: people.Person, filters: Filters) -> QuerySet[Workspace]:
    is_gone = filters.state == "deleted"
    rows = _in_scope(visible_workspaces(person), filters).filter(deleted_at__isnull=not is_gone)
    if filters.state and not is_gone:
        rows = rows.filter(phase__in=STATES[filters.state][1])
    for word in filters.search.split():
        rows = rows.filter(
            Q(name__icontains=word)
            | Q(model__icontains=word)
            | Q(namespace__icontains=word)
            | Q(instance_type__icontains=word)
            | Q(owner__icontains=word)
        )
    return rows


def _shown(rows: QuerySet[Workspace]) -> QuerySet[Workspace]:
    """Without the raw objects, which are most of a row's weight."""
    return rows.select_related("cluster").only(
        *("cluster", "uid", "name", "namespace", "phase", "phase_since", "headline", "model"),
        *("instance_type", "count", "node_count", "owner", "created_at", "cluster__name"),
        "resource_version",
    )


def _page_of(
    matching: QuerySet[Workspace], filters: Filters, old: Mapping[str, datetime | None]
) -> tuple[Row, ...]:
    start = (filters.page - 1) * PAGE_SIZE
    field = FIELDS_BY_COLUMN[filters.sort.removeprefix("-")]
    is_falling = filters.sort.startswith("-")
    if field == "created_at":  # the greater the age, the earlier it was created
        is_falling = not is_falling
    ordered = matching.order_by(f"-{field}" if is_falling else field, "name", "id")
    rows = map(_row, _shown(ordered)[start : start + PAGE_SIZE])
    return tuple(replace(row, as_of=old.get(row.cluster)) for row in rows)


def _row(workspace: Workspace) -> Row:
    return Row(
        uid=workspace.uid,
        name=workspace.name,
        namespace=workspace.namespace,
        cluster=workspace.cluster.name,
        phase=Phase(workspace.phase),
        phase_since=workspace.phase_since,
        headline=workspace.headline,
        model=workspace.model,
        instance_type=workspace.instance_type,
        count=workspace.node_count or workspace.count,
        owner=workspace.owner,
        created_at=workspace.created_at,
        url=workspace_url(workspace),
        version=workspace.resource_version,
    )


def workspace_url(workspace: Workspace) -> str:
    return reverse(
        "workspaces:detail",
        args=[workspace.cluster.name, workspace.namespace, workspace.name],
    )


def _column(key: str, label: str, filters: Filters) -> Column:
    is_falling = filters.sort == f"-{key}"
    current = filters.sort.removeprefix("-") == key
    direction = ("descending" if is_falling else "ascending") if current else "none"
    wanted = f"-{key}" if current and not is_falling else key
    return Column(label=label, key=key, url=filters.address(sort=wanted), direction=direction)


def _namespaces(person: people.Person, filters: Filters) -> list[tuple[str, str]]:
    rows = visible_workspaces(person).filter(deleted_at=None)
    if filters.cluster:
        rows = rows.filter(cluster__name=filters.cluster)
    names = set(rows.values_list("namespace", flat=True).distinct())
    return [(n, n) for n in sorted(names | ({filters.namespace} - {""}))]


def _choices(everything: str, pairs: list[tuple[str, str]], chosen: str) -> tuple[Choice, ...]:
    everything_first = [("", everything or "Any state"), *pairs]
    return tuple(
        Choice(value=value, label=label, is_chosen=value == chosen)
        for value, label in everything_first
    )
