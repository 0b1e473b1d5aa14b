"""What the list's address may ask for, and the address that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.urls import reverse

from workspaces.types import Phase

# What a filter by state takes in. A workspace that answered before and does not now wants the same attention as a failed one.
STATES: dict[str, tuple[str, tuple[Phase, ...]]] = {
    "ready": ("Ready", (Phase.READY,)),
    "on-the-way": ("On the way", (Phase.ON_THE_WAY, Phase.UNKNOWN)),
    "failed": ("Failed", (Phase.FAILED, Phase.NOT_READY)),
    "deleting": ("Deleting", (Phase.DELETING,)),
    "deleted": ("Deleted", (Phase.DELETED,)),
}
COLUMNS = (
    ("state", "State", "phase"),
    ("name", "Name", "name"),
    ("model", "Model", "model"),
    ("namespace", "Namespace", "namespace"),
    ("instance", "Instance type", "instance_type"),
    ("owner", "Owner", "owner"),
    ("age", "Age", "created_at"),
)
FIELDS_BY_COLUMN = {key: field for key, _, field in COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the address asks for; unknown values mean "no filter", so that any link works."""

    search: str = ""
    state: str = ""
    namespace: str = ""
    cluster: str = ""
    sort: str = "age"
    page: int = 1

    @property
    def is_narrowing(self) -> bool:
        """Whether there may be more in the same cluster; a cluster is a place of its own."""
        return bool(self.search or self.state or self.namespace)

    def address(self, **changes: object) -> str:
        """Of the list with these filters, some of them changed; defaults are left out."""
        wanted = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]  # each of its field's type
        pairs = {
            _PARAMETERS[name]: getattr(wanted, name)
            for name in _PARAMETERS
            if getattr(wanted, name) != getattr(ALL, name)
        }
        query = urlencode(pairs)
        return reverse("workspaces:list") + (f"?{query}" if query else "")


ALL = Filters()
_PARAMETERS = {
    "search": "q",
    "state": "state",
    "namespace": "namespace",
    "cluster": "cluster",
    "sort": "sort",
    "page": "page",
}


def filters_from(params: Mapping[str, str]) -> Filters:
    state, sort = params.get("state", ""), params.get("sort", "")
    page = params.get("page", "")
    return Filters(
        search=params.get("q", "").replace("\0", "").strip()[:100],
        state=state if state in STATES else "",
        namespace=params.get("namespace", "").replace("\0", "")[:63],
        cluster=params.get("cluster", "").replace("\0", "")[:63],
        sort=sort if sort.removeprefix("-") in FIELDS_BY_COLUMN else "age",
        page=int(page) if page.isdecimal() and len(page) < 7 else 1,
    )
