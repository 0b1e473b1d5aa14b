"""What is wrong with a cluster now, from its row alone: the main trouble first, then what concerns only a part. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.text import Truncator

from clusters.models import Cluster, ClusterState
from clusters.probing import NEEDS, Need, Right, cluster_role
from clusters.targets import WORKSPACES
from clusters.wording import Trouble, TroubleKind, told

# The pulse goes every 3 s and may take 10: who was not heard for so long is not quiet but gone.
SILENCE = timedelta(seconds=60)
# A lease ends after 9 s, and another worker looks every second.
TAKEOVER = timedelta(seconds=15)
PULSE = "pulse"  # of the streams the plain question whether the API server is there
SAID_LIMIT = 300  # characters
FOLLOWED = tuple(need for need in NEEDS if "watch" in need.verbs)
# What pages are for: the right that it needs, and how it is called in a sentence.
DEEDS = {
    "deploy": ("workspaces", "create", "create workspaces"),
    "delete": ("workspaces", "delete", "delete workspaces"),
    "prompt": ("services/proxy", "create", "prompt models"),
    "logs": ("pods/log", "get", "read logs"),
}
_ROLE_NAME_LIMIT = 63
_BINDING = """---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {name}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {name}
subjects:
- {subject}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """What the watcher wrote of one kind."""

    is_stale: bool = False
    is_polled: bool = False
    namespaces: tuple[str, ...] = ()  # where it is followed; empty: everywhere
    since: datetime | None = None
    status: int = 0
    error: str = ""
    detail: str = ""

    @property
    def is_rejected(self) -> bool:
        return self.status == 401

    @property
    def is_forbidden(self) -> bool:
        return self.status == 403

    @property
    def is_unserved(self) -> bool:
        return self.status == 404

    @property
    def words(self) -> dict[str, object]:
        """Fields of a Trouble: what went wrong, and the cluster's own words for it."""
        return {"error": self.error, "said": Truncator(self.detail).chars(SAID_LIMIT)}


def troubles_of(cluster: Cluster, *, now: datetime) -> tuple[Trouble, ...]:
    """At most one that makes everything old, or else what concerns single kinds of objects."""
    main = _main(cluster, now)
    return (main,) if main else tuple(_partial(cluster))


def lacking(cluster: Cluster, deed: str) -> Trouble | None:
    """Why what a page is for cannot be done there, as far as the cluster has said what it allows; `deed` is of DEEDS."""
    resource, verb, purpose = DEEDS[deed]
    known = cluster.capabilities.get("rights", ())
    denied = [Right(**r) for r in known if r["resource"] == resource and r["allowed"] is False]
    # Asked was for the whole cluster, which says nothing where kaitoweb has only some namespaces.
    is_narrow = bool(_stream(cluster, WORKSPACES.plural).namespaces)
    if is_narrow or not any(right.verb == verb for right in denied):
        return None
    rule = rule_for(cluster, denied)
    return told(TroubleKind.LACKING, cluster.name, purposes=(purpose,), remedy=rule)


def as_of(cluster: Cluster, *, now: datetime) -> datetime | None:
    """Since when its workspaces may have changed unseen; None while they are up to date."""
    main = _main(cluster, now)
    if main is None or not main.kind.makes_old:
        return None
    return main.since or cluster.last_contact_at or cluster.created_at


def _main(cluster: Cluster, now: datetime) -> Trouble | None:
    if _is_unwatched(cluster, now):
        return _old(TroubleKind.UNWATCHED, cluster, cluster.last_contact_at)
    stream = _stream(cluster, WORKSPACES.plural)
    if cluster.state == ClusterState.DENIED:
        return _denied(cluster, stream)
    if cluster.state == ClusterState.KAITO_MISSING:
        return _old(TroubleKind.KAITO_MISSING, cluster, stream.since)
    if cluster.state == ClusterState.UNREACHABLE:
        return _unreachable(cluster, stream)
    if cluster.state == ClusterState.UNKNOWN:
        return told(TroubleKind.NEW, cluster.name)
    if cluster.last_contact_at and now - cluster.last_contact_at > SILENCE:
        return _old(TroubleKind.SILENT, cluster, cluster.last_contact_at)
    return None


def _is_unwatched(cluster: Cluster, now: datetime) -> bool:
    lease = getattr(cluster, "watch_lease", None)
    signs = (lease.expires_at if lease else None, cluster.last_contact_at, cluster.created_at)
    return max(filter(None, signs), default=now) < now - TAKEOVER


def _denied(cluster: Cluster, stream: _Stream) -> Trouble:
    """401 and 403 are mended by different people. Before a watcher says which, a test of the connection has failed whole."""
    if stream.is_forbidden:
        plurals = [WORKSPACES.plural, *(p for p, s in _stale(cluster) if s.is_forbidden)]
        return _old(
            TroubleKind.FORBIDDEN,
            cluster,
            stream.since,
            remedy=missing_rule(cluster, plurals),
            said=stream.words["said"],
        )
    since = stream.since if stream.is_rejected else _stream(cluster, PULSE).since
    return _old(
        TroubleKind.REJECTED, cluster, since or cluster.last_error_at, **_last_words(cluster)
    )


def _unreachable(cluster: Cluster, stream: _Stream) -> Trouble:
    """Whether nobody answers, or only not about workspaces."""
    if stream.is_stale and not _stream(cluster, PULSE).is_stale:
        return _old(TroubleKind.FAILING, cluster, stream.since, **stream.words)
    # A worker that began while nobody answered knows of no earlier time; one that still hears other streams, of a later.
    signs = (cluster.last_contact_at, _stream(cluster, PULSE).since or cluster.last_error_at)
    since = min(filter(None, signs), default=None)
    return _old(TroubleKind.UNREACHABLE, cluster, since, **_last_words(cluster))


def _old(kind: TroubleKind, cluster: Cluster, since: datetime | None, **facts: Any) -> Trouble:  # noqa: ANN401 - as told()
    is_deaf = kind in (TroubleKind.UNREACHABLE, TroubleKind.SILENT, TroubleKind.UNWATCHED)
    seen_at = cluster.last_contact_at if is_deaf else None
    return told(kind, cluster.name, since=since, seen_at=seen_at, **facts)


def _partial(cluster: Cluster) -> Iterable[Trouble]:
    """A kind that the cluster does not serve has no objects to miss: no Karpenter, no node claims."""
    stale = [(p, s) for p, s in _stale(cluster) if not s.is_unserved]
    forbidden = [(p, s) for p, s in stale if s.is_forbidden]
    behind = [(p, s) for p, s in stale if not s.is_forbidden]
    if forbidden:
        rule = missing_rule(cluster, [plural for plural, _ in forbidden])
        yield _of_kinds(TroubleKind.PARTIAL, cluster, forbidden, remedy=rule)
    if behind:
        yield _of_kinds(TroubleKind.BEHIND, cluster, behind, **behind[0][1].words)

    yield from _standing(cluster)


def _standing(cluster: Cluster) -> Iterable[Trouble]:
    """Narrower rights than kaitoweb would like, which may be meant so."""
    followed = [(need.resource, _stream(cluster, need.resource)) for need in FOLLOWED]
    narrow = [(p, s) for p, s in followed if s.namespaces and not s.is_stale]
    polled = [(p, s) for p, s in followed if s.is_polled and not s.namespaces and not s.is_stale]
    for kind, streams in ((TroubleKind.NARROW, narrow), (TroubleKind.POLLED, polled)):
        if streams:
            plurals = tuple(plural for plural, _ in streams)
            facts = {"plurals": plurals, "namespaces": streams[0][1].namespaces}
            yield told(kind, cluster.name, remedy=missing_rule(cluster, plurals), **facts)


def _of_kinds(
    kind: TroubleKind,
    cluster: Cluster,
    streams: Sequence[tuple[str, _Stream]],
    **facts: Any,  # noqa: ANN401 - as told()
) -> Trouble:
    plurals = tuple(plural for plural, _ in streams)
    since = min(filter(None, (stream.since for _, stream in streams)), default=None)
    purposes = [need.purpose for need in FOLLOWED if need.resource in plurals]
    return told(kind, cluster.name, plurals=plurals, purposes=purposes, since=since, **facts)


def _stale(cluster: Cluster) -> list[tuple[str, _Stream]]:
    """The kinds beside the workspaces that are not followed now."""
    found = [(need.resource, _stream(cluster, need.resource)) for need in FOLLOWED[1:]]
    return [(plural, stream) for plural, stream in found if stream.is_stale]


def missing_rule(cluster: Cluster, plurals: Sequence[str]) -> str:
    """YAML that lets kaitoweb's account there list and watch these kinds, and do what else is known to be missing.

    Named by what it allows: applied later with other kinds, it would take the first ones away again.
    """
    wanted = [need for need in NEEDS if need.resource in plurals]
    return rule_for(cluster, [r for need in wanted for r in _rights(cluster, need)])


def rule_for(cluster: Cluster, rights: Sequence[Right]) -> str:
    """A ClusterRole that allows `rights`, bound to the account that kaitoweb is in the cluster."""
    resources = dict.fromkeys(r.resource.replace("/", "-") for r in rights)
    name = "-".join(("kaitoweb", *resources))[:_ROLE_NAME_LIMIT].rstrip("-")
    binding = _BINDING.format(name=name, subject=_subject(cluster.identity.get("username", "")))
    return cluster_role(rights, name=name) + binding


def _rights(cluster: Cluster, need: Need) -> list[Right]:
    known = cluster.capabilities.get("rights", ())
    denied = {r["verb"] for r in known if r["resource"] == need.resource and r["allowed"] is False}
    verbs = [v for v in need.verbs if v in ("list", "watch") or v in denied]
    return [
        Right(
            verb=verb,
            group=need.group,
            resource=need.resource,
            purpose=need.purpose,
            allowed=False,
        )
        for verb in verbs
    ]


def _subject(username: str) -> str:
    """https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects"""
    parts = username.split(":")
    if username.startswith("system:serviceaccount:") and len(parts) == 4:
        names = {"kind": "ServiceAccount", "namespace": parts[2], "name": parts[3]}
    else:
        group = {"apiGroup": "rbac.authorization.k8s.io"}
        names = {"kind": "User", "name": username or "THE-ACCOUNT-OF-KAITOWEB", **group}
    return json.dumps(names, ensure_ascii=False)


def _stream(cluster: Cluster, plural: str) -> _Stream:
    raw: dict[str, Any] = cluster.streams.get(plural) or {}
    return _Stream(
        is_stale=raw.get("state") == "stale",
        is_polled=raw.get("polling") is True,
        namespaces=tuple(raw.get("namespaces") or ()),
        since=parse_datetime(str(raw.get("since") or "")),
        status=int(raw.get("status") or 0),
        error=str(raw.get("error") or ""),
        detail=str(raw.get("detail") or ""),
    )


def _last_words(cluster: Cluster) -> dict[str, object]:
    """The error that the row keeps, with the cluster's own words where a watcher has noted them."""
    streams = (_stream(cluster, plural) for plural in (WORKSPACES.plural, PULSE))
    noted = (s.words for s in streams if s.error and s.error == cluster.last_error)
    return next(noted, {"error": cluster.last_error})
