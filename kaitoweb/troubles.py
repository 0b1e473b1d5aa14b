"""What is wrong now, for the banner of every page: one fragment, asked for again when something is announced and now and then.

It is sent only when it differs from what the page shows, so that nothing is read aloud twice and no opened part closes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.people import may_administer
from accounts.types import HtmxHttpRequest
from clusters import queries
from clusters.models import Cluster
from clusters.troubles import DEEDS, as_of, lacking, troubles_of
from clusters.wording import QUEUE_DOWN, Trouble
from workspaces import feed

FLAGS = ("wishes", "quiet", "single")


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """`place` is the cluster that the page is about, empty for all; `wishes` whether something is asked for there;

    `quiet` where the page itself says what is wrong, and only the badge is told; `single` where it is about one workspace; `deed` is what it is for, one of DEEDS.
    """

    troubles: tuple[Trouble, ...]
    place: str
    wishes: bool
    quiet: bool
    single: bool
    deed: str
    old: tuple[tuple[str, datetime], ...]  # clusters that are not up to date, and since when

    @property
    def digest(self) -> str:
        """Of what is said, but for the times that only tick."""
        said = [
            (t.cluster, t.kind, t.title, t.text, t.error, t.said, t.remedy, t.since)
            for t in self.troubles
        ]
        return hashlib.sha256(repr((said, self.old)).encode()).hexdigest()[:16]

    @property
    def url(self) -> str:
        asked = {"cluster": self.place, "seen": self.digest, "deed": self.deed}
        asked |= {flag: "1" for flag in FLAGS if getattr(self, flag)}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{reverse('troubles')}?{query}"

    @property
    def old_name(self) -> str:
        """For the badge of the header; empty when all is up to date."""
        if not self.old:
            return ""
        return self.old[0][0] if len(self.old) == 1 else f"{len(self.old)} clusters"

    @property
    def old_since(self) -> datetime | None:
        return min((since for _, since in self.old), default=None)


def banner(
    clusters: Sequence[Cluster],
    *,
    place: str,
    wishes: bool = False,
    quiet: bool = False,
    single: bool = False,
    deed: str = "",
) -> Banner:
    now = timezone.now()
    chosen = [c for c in clusters if not place or c.name == place]
    troubles = [
        trouble
        for cluster in chosen
        for trouble in troubles_of(cluster, now=now)
        if not (quiet or (single and trouble.kind.is_standing))
    ]
    if deed and len(chosen) == 1 and (missing := lacking(chosen[0], deed)):
        troubles.append(missing)
    queue = [QUEUE_DOWN] if wishes and not feed.answers() else []
    old = ((c.name, as_of(c, now=now)) for c in chosen)
    return Banner(
        troubles=(*queue, *troubles),
        place=place,
        wishes=wishes,
        quiet=quiet,
        single=single,
        deed=deed,
        old=tuple((name, since) for name, since in old if since),
    )


@login_required
@require_safe
def troubles(request: HtmxHttpRequest) -> HttpResponse:
    deed = request.GET.get("deed", "")
    found = banner(
        list(queries.watched_clusters(request.user)),
        place=request.GET.get("cluster", "")[:63],
        deed=deed if deed in DEEDS else "",
        **{flag: request.GET.get(flag) == "1" for flag in FLAGS},
    )
    if found.digest == request.GET.get("seen"):
        return HttpResponse(status=204)
    context = {"banner": found, "person_may_administer": may_administer(request.user)}
    return render(request, "includes/_troubles.html", context)
